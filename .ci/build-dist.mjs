// Builds what Node can run of lib/: `npm run build:ts`.
//
//   build/modules/   one file per module, for tests, benchmarks and whatever else looks inside; not published
//   dist/            what is published: code and declarations, bundled as rolldown.config.mjs says
//
//   node .ci/build-dist.mjs [--no-check] [--into <folder>]
//                                   without checking types; both folders in <folder>
//
// Built in a folder of its own, then put in place: a process may be running out of these folders. Files whose
// source is gone are removed afterwards: they would be published.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { rolldown } from "rolldown";

import { distFiles } from "./dist-files.mjs";
import { filesIn } from "./files-in.mjs";
import { codeIn, declarationsIn } from "./rolldown.config.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MADE = ["build/modules", "dist"];

function compile(flags) {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", join(ROOT, "tsconfig.json"), ...flags];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`the compiler failed with exit code ${status}`);
}

/** Writes into `dist` what a configuration of rolldown.config.mjs makes. */
async function bundle({ output: outputOptions, ...inputOptions }, dist) {
  const build = await rolldown(inputOptions);
  const { output } = await build.generate(outputOptions);
  await build.close();
  for (const { fileName, code } of output) {
    // lib/native/load.ts and lib/cli/run.ts name files of the package, from two levels below its root.
    if (code.includes("import.meta.url") && fileName.split("/").length !== 2) {
      throw new Error(`the package root is not two levels above dist/${fileName}`);
    }
    mkdirSync(dirname(join(dist, fileName)), { recursive: true });
    const text = code.endsWith("\n") ? code : `${code}\n`;
    writeFileSync(join(dist, fileName), fileName.endsWith(".js") ? inAscii(text) : text);
  }
}

/**
 * The same code with an escape for every other character, in comments as well. One character above U+00FF makes V8 hold
 * a file's whole text in two bytes for each; an import then takes a tenth longer.
 */
function inAscii(code) {
  // Only there an escape means something else.
  const raw = /String\.raw`[^`]*[\u0080-\uffff]/u.exec(code);
  if (raw !== null) throw new Error(`a raw string must be ASCII: ${raw[0]}`);
  return code.replaceAll(/[\u0080-\uffff]/g, escaped);
}

function escaped(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** What names files of the package does so from two levels below its root, and build/modules/ is one more. */
function seenFromOneLevelDeeper(modules) {
  const near = /(?<=new URL\("\.\.\/\.\.\/)(?=[^"]+", import\.meta\.url\))/gu;
  for (const path of filesIn(modules).map((name) => join(modules, name))) {
    const code = readFileSync(path, "utf8");
    const moved = code.replaceAll(near, "../");
    if (moved !== code) writeFileSync(path, moved);
  }
}

/** Makes all folders in `folder`, from nothing. */
async function buildIn(folder, flags) {
  const [modules, dist] = MADE.map((name) => join(folder, name));
  const types = join(folder, "build/types");
  compile([...flags, "--outDir", modules, "--declarationDir", types]);
  await bundle(codeIn(modules), dist);
  await bundle(declarationsIn(types), dist);
  seenFromOneLevelDeeper(modules);
  const made = filesIn(dist).map((name) => `dist/${name}`);
  assert.deepEqual(made.toSorted(), distFiles().toSorted());
}

/** Makes `to` what `from` is, file by file: whoever reads a file meanwhile has the old one or the new one. */
function replaceFiles(from, to) {
  const names = filesIn(from);
  for (const name of names) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    renameSync(join(from, name), join(to, name));
  }
  for (const name of filesIn(to))
    if (!names.includes(name)) rmSync(join(to, name), { force: true });
}

const { values: options } = parseArgs({
  options: { "no-check": { type: "boolean", default: false }, into: { type: "string" } },
});
const target = resolve(options.into ?? ROOT);
mkdirSync(join(target, "build"), { recursive: true });
const fresh = mkdtempSync(join(target, "build", "ts-"));
try {
  await buildIn(fresh, options["no-check"] ? ["--noCheck"] : []);
  for (const name of MADE) replaceFiles(join(fresh, name), join(target, name));
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
