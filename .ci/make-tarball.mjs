// The tarball, from a clone.
//
//   npm run make:tarball                 for this machine: with the running platform's binary, which is made first and
//                                        needs at least this machine's C library
//   npm run make:tarball -- --release    with the binaries in prebuilds/
//
// Prints its path, in build/package or the folder that is given.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { run } from "./command.mjs";
import { packPublished } from "./pack.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { release: { type: "boolean", default: false } },
});
const folder = resolve(positionals[0] ?? `${root}build/package`);

run(process.execPath, [".ci/build-dist.mjs"]);
if (!options.release) run(process.execPath, [".ci/addon/make-prebuild.mjs", "--host-glibc"]);
mkdirSync(folder, { recursive: true });
console.log(packPublished(root, folder));
