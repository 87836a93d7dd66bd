// Builds what Node can run of lib/: `npm run build:ts`.
//
//   compiled/   one file per module, for tests, benchmarks and whatever else looks inside; not published
//   dist/       what is published: declarations, and code bundled from compiled/
//
//   node .ci/build-dist.mjs [--no-check] [--into <folder>]
//                                   without checking types; both folders in <folder>
//
// Built in a folder of its own, then put in place: a process may be running out of these folders. Files whose
// source is gone are removed afterwards: they would be published.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { rolldown } from "rolldown";

import { distFiles, ENTRIES, SHARED } from "./dist-files.mjs";
import { filesIn, nameIn } from "./files-in.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

function compile(flags) {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", join(ROOT, "tsconfig.json"), ...flags];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`the compiler failed with exit code ${status}`);
}

/** The bundled files: their names in dist/ and their code. */
async function bundle(compiled) {
  const build = await rolldown({
    input: Object.fromEntries(ENTRIES.map((name) => [name, join(compiled, `${name}.js`)])),
    // All that is not ours stays an import: Node's own modules, and node-gyp-build, which require() loads.
    external: /^node:/u,
    platform: "node",
    // Files are named in the code, relative to this.
    cwd: compiled,
    onLog: (level, { message }) => {
      if (level === "warn") throw new Error(`rolldown: ${message}`);
    },
  });
  const { output } = await build.generate({
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    // People read it, in stack traces and with a debugger.
    minify: false,
    minifyInternalExports: false,
    codeSplitting: {
      groups: SHARED.map(({ name, modules }, index) => ({
        name,
        test: (path) => modules.test(nameIn(compiled, path)),
        minShareCount: 2,
        priority: SHARED.length - index,
      })),
    },
  });
  await build.close();
  for (const { fileName, code } of output) {
    // lib/native/load.ts and lib/cli/run.ts name files of the package, from two levels below its root.
    if (code.includes("import.meta.url") && fileName.split("/").length !== 2) {
      throw new Error(`the package root is not two levels above dist/${fileName}`);
    }
  }
  return output;
}

/** Makes both folders in `folder`, from nothing. */
async function buildIn(folder, flags) {
  const [compiled, dist] = [join(folder, "compiled"), join(folder, "dist")];
  compile([...flags, "--outDir", compiled, "--declarationDir", dist]);
  for (const { fileName, code } of await bundle(compiled)) {
    mkdirSync(dirname(join(dist, fileName)), { recursive: true });
    writeFileSync(join(dist, fileName), code);
  }
  const made = filesIn(dist).map((name) => `dist/${name}`);
  assert.deepEqual(made.toSorted(), distFiles(ROOT).toSorted());
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
  for (const name of ["compiled", "dist"]) replaceFiles(join(fresh, name), join(target, name));
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
