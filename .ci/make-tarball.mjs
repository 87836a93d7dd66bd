// From a clone to a tarball that works on this machine: `npm run make:tarball [-- <folder>]`.
//
// A release has all eight binaries, each built where its oldest C library is; this one has the running platform's, and
// needs at least this machine's C library.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "./command.mjs";
import { pack } from "./pack.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = resolve(process.argv[2] ?? `${root}build/package`);

run(process.execPath, [".ci/build-dist.mjs"]);
run(process.execPath, [".ci/make-prebuild.mjs", "--host-glibc"]);
const { status } = spawnSync(process.execPath, [".ci/prepack.mjs"], {
  cwd: root,
  stdio: "inherit",
});
if (status !== 0) process.exit(1);
console.log(pack(root, folder));
