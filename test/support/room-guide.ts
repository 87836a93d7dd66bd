/** The code in the rooms' README files, to be run as users would run it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { ROOT } from "./programs.js";

/** The only code block of that language in `lib/<room>/README.md` that contains `mark`. */
export function codeBlock(room: string, language: string, mark: string): string {
  const guide = readFileSync(join(ROOT, "lib", room, "README.md"), "utf8");
  const blocks = guide
    .replaceAll("\r\n", "\n")
    .split(`\`\`\`${language}\n`)
    .slice(1)
    .map((block) => block.slice(0, block.indexOf("\n```") + 1));
  const [found, ...more] = blocks.filter((block) => block.includes(mark));
  if (found === undefined || more.length > 0) {
    throw new Error(
      `${String(found === undefined ? 0 : 1 + more.length)} blocks with ${mark}: ${room}`,
    );
  }
  return found;
}

/** Writes an example into `folder` as a module that imports the built package; gives its path. */
export function writeExample(code: string, folder: string): string {
  const path = join(folder, "example.mjs");
  const source = code.replaceAll(/"pidentity(\/[a-z-]+)?"/gu, (_whole, entry: string | undefined) =>
    JSON.stringify(pathToFileURL(join(ROOT, "dist", entry ?? "", "index.js")).href),
  );
  writeFileSync(path, source);
  return path;
}
