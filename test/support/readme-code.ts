/** The code in README files, to be run as users would run it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { transformSync } from "rolldown/utils";

import { ROOT } from "./processes/programs.js";

/** All code blocks of that language in `file` (its path in the repository), in order. */
export function codeBlocks(file: string, language: string): string[] {
  return readFileSync(join(ROOT, file), "utf8")
    .replaceAll("\r\n", "\n")
    .split(`\`\`\`${language}\n`)
    .slice(1)
    .map((block) => block.slice(0, block.indexOf("\n```") + 1));
}

/** The only one of {@link codeBlocks} that contains `mark`. */
export function codeBlock(file: string, language: string, mark: string): string {
  const [found, ...more] = codeBlocks(file, language).filter((block) => block.includes(mark));
  if (found === undefined || more.length > 0) {
    const count = found === undefined ? 0 : 1 + more.length;
    throw new Error(`${String(count)} blocks with ${mark}: ${file}`);
  }
  return found;
}

/** Writes an example, without its types, into `folder` as a module that imports the built package; gives its path. */
export function writeExample(code: string, folder: string): string {
  const path = join(folder, "example.mjs");
  const options = { typescript: { onlyRemoveTypeImports: true } } as const;
  const source = transformSync("example.ts", code, options).code.replaceAll(
    /"pidentity(\/[a-z-]+)?"/gu,
    (_whole, entry: string | undefined) =>
      JSON.stringify(pathToFileURL(join(ROOT, "dist", entry ?? "", "index.js")).href),
  );
  writeFileSync(path, source);
  return path;
}
