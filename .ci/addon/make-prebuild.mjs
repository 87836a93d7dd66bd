// Builds the binary that is published for this platform, and checks that it may be.
//
//   npm run make:prebuild                    prebuilds/<platform>-<arch>/pidentity[.<libc>].node
//   npm run make:prebuild -- --host-glibc    accepts a glibc newer than the floor; not for a release
//   npm run make:prebuild -- --cross         all eight, from one Linux machine; not for a release
//
// Releases are built where the floor is: manylinux_2_28, Alpine, and the native runners of GitHub.
// What --cross makes differs in three ways: the compiler and C++ runtime are Zig's clang and libc++, the
// Windows files import NODE.EXE by name instead of by node-gyp's delay-load hook (a renamed executable,
// such as Electron's, cannot load them), and they are built against MinGW's headers.
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

import { checkBinary } from "./check-binary.mjs";
import { headersBesideNode } from "./node-headers.mjs";
import { PREBUILDS, thisTarget } from "./prebuilds.mjs";

const require = createRequire(import.meta.url);
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** The oldest supported Node: its headers are what a build without local ones downloads. */
const OLDEST_NODE = "20.19.0";

/** Builds prebuilds/… for the running Node and returns its target. */
async function buildHere() {
  const target = thisTarget();
  if (!PREBUILDS.has(target))
    throw new Error(`no binary is published for this platform: ${target}`);
  // A folder of its own: prebuildify empties build/, where everything else that is built lives, too.
  // Its node_modules are those of the repository, found upwards.
  const stage = join(ROOT, "build", "prebuild");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ["binding.gyp", "native", "package.json"]) {
    cpSync(join(ROOT, name), join(stage, name), { recursive: true });
  }
  const headers = headersBesideNode();
  if (headers !== null) process.env["npm_package_config_node_gyp_nodedir"] = headers;
  await promisify(require("prebuildify"))({
    name: "pidentity",
    napi: true,
    targets: [OLDEST_NODE],
    tagLibc: process.platform === "linux" ? target.split("-")[2] : false,
    // Not on macOS: there it would void the linker's signature, without which Apple silicon runs nothing,
    // and save little, as debug information stays in the object files.
    strip: process.platform === "linux",
    cwd: stage,
    out: ROOT,
  });
  return target;
}

/** Copies what cross.mjs built into prebuilds/ and returns the targets. */
function takeCrossBuilt() {
  const cross = join(ROOT, ".ci/addon/cross.mjs");
  const { status } = spawnSync(process.execPath, [cross], { stdio: "inherit" });
  if (status !== 0) throw new Error("the cross-build failed");
  // Nothing from before may stay among them.
  rmSync(join(ROOT, "prebuilds"), { recursive: true, force: true });
  for (const [target, path] of PREBUILDS) {
    mkdirSync(join(ROOT, dirname(path)), { recursive: true });
    copyFileSync(join(ROOT, "build", "cross", target, "pidentity.node"), join(ROOT, path));
  }
  return [...PREBUILDS.keys()];
}

const { values: options } = parseArgs({
  options: {
    cross: { type: "boolean", default: false },
    "host-glibc": { type: "boolean", default: false },
  },
});

const targets = options.cross ? takeCrossBuilt() : [await buildHere()];
for (const target of targets) {
  const path = PREBUILDS.get(target);
  if (!existsSync(join(ROOT, path))) throw new Error(`prebuildify did not make the file: ${path}`);
  const file = readFileSync(join(ROOT, path));
  const { problems, facts } = checkBinary(target, file, { anyGlibc: options["host-glibc"] });
  if (file.includes(ROOT)) problems.push(`contains the path ${ROOT}`);
  console.log(`${path}: ${file.length} bytes; ${facts}`);
  for (const problem of problems) console.error(`${path}: ${problem}`);
  if (problems.length > 0) {
    // It must not end up in a package.
    rmSync(join(ROOT, path));
    process.exitCode = 1;
  }
}
