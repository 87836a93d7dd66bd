/** The guides' examples as a TypeScript user takes them over: each one by itself, under `strict`, against the published types. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { codeBlocks } from "../support/readme-code.js";

const GUIDES = ["README.md", "lib/README.md", "native/README.md"].concat(
  readdirSync(join(ROOT, "lib"))
    .map((room) => `lib/${room}/README.md`)
    .filter((guide) => existsSync(join(ROOT, guide))),
);

/** What examples use without saying where it is from. */
const TAKEN_FOR_GRANTED = `
declare const child: import("node:child_process").ChildProcess;
declare module "pg";
`;

/**
 * `strict`, but that a parameter of the reader's own function may have no type: JavaScript cannot say it.
 */
const CONFIGURATION = {
  compilerOptions: {
    strict: true,
    noImplicitAny: false,
    module: "nodenext",
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    noEmit: true,
  },
  include: ["."],
};

function compile(folder: string): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = join(dirname(manifest), "bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", folder], { cwd: folder }, (_error, output) =>
      resolve(output),
    );
  });
}

test("each example of the guides is valid TypeScript", async () => {
  // Within the package, which so finds itself by its name, and its types as they are published.
  const folder = join(ROOT, "build/guide-examples", String(process.pid));
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  for (const guide of GUIDES) {
    for (const code of ["js", "ts"].flatMap((language) => codeBlocks(guide, language))) {
      const name = `${guide.replaceAll("/", "-").replace(".md", "")}-${String(++count)}.mts`;
      // A module each, whether or not it imports.
      writeFileSync(join(folder, name), `${code}\nexport {};\n`);
    }
  }
  writeFileSync(join(folder, "taken-for-granted.d.ts"), TAKEN_FOR_GRANTED);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(CONFIGURATION));
  expect(count).toBeGreaterThan(20);
  expect(await compile(folder)).toBe("");
});
