// Builds the addon for this machine: build/Release/pidentity.node.
//
//   node .ci/addon/build-addon.mjs              only what changed since the last time
//   node .ci/addon/build-addon.mjs --rebuild    from nothing
//   node .ci/addon/build-addon.mjs --debug      build/Debug, unoptimised
//   node .ci/addon/build-addon.mjs --sanitize   build/sanitize/build/Release, with ASan and UBSan; load it
//                                         into a Node started with LD_PRELOAD=libasan.so
//
// Prints the compiler's output only when it fails.
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { headersBesideNode } from "./node-headers.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const nodeGyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");

/** A folder of its own, so that a sanitized addon never ends up where Node looks for the real one. */
function stageForSanitizer() {
  const stage = join(root, "build", "sanitize");
  mkdirSync(stage, { recursive: true });
  for (const name of ["binding.gyp", "native", "node_modules", "package.json"]) {
    const link = join(stage, name);
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) {
      symlinkSync(join(root, name), link);
    }
  }
  return stage;
}

const { values: options } = parseArgs({
  options: {
    rebuild: { type: "boolean", default: false },
    debug: { type: "boolean", default: false },
    sanitize: { type: "boolean", default: false },
  },
});

const directory = options.sanitize ? stageForSanitizer() : root;
const prefix = headersBesideNode();
if (options.rebuild) {
  // Not `node-gyp clean`: it removes all of build/, in which the other kinds of build live, too.
  const kind = options.debug ? "Debug" : "Release";
  rmSync(join(directory, "build", kind), { recursive: true, force: true });
}
const flags = [
  "--loglevel=error",
  options.debug ? "--debug" : "--release",
  ...(prefix === null ? [] : [`--nodedir=${prefix}`]),
];

for (const command of ["configure", "build"]) {
  const gypFlags = command === "configure" ? ["--", `-Dsanitize=${options.sanitize ? 1 : 0}`] : [];
  const result = spawnSync(process.execPath, [nodeGyp, command, ...flags, ...gypFlags], {
    cwd: directory,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status !== 0) {
    process.stderr.write(result.stdout ?? "");
    process.stderr.write(result.stderr ?? "");
    const how = result.error ?? result.signal ?? `exit code ${result.status}`;
    process.stderr.write(`node-gyp ${command} failed: ${how}\n`);
    process.exit(1);
  }
}
