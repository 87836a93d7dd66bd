// Compiles and runs the tests of native/linux and native/posix.
//
//   node test/native/linux/run.mjs [--sanitize | --valgrind]
//
// --sanitize: with ASan and UBSan. --valgrind: under Valgrind, but for the run with pidfds: it (3.19)
// answers pidfd_open(2) with ENOSYS. CXX selects the compiler (default g++).
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { VALGRIND } from "../valgrind.mjs";
import { INCLUDES, ROOT, runPrograms } from "./programs.mjs";

const { values: options } = parseArgs({
  options: {
    sanitize: { type: "boolean", default: false },
    valgrind: { type: "boolean", default: false },
  },
});
const compiler = process.env["CXX"] || "g++";
const flags = ["-std=c++20", "-O1", "-g", "-fno-exceptions", "-fno-rtti", "-pthread"];
flags.push("-Wall", "-Wextra", "-Werror", ...INCLUDES.map((folder) => `-I${folder}`));
if (options.sanitize) flags.push("-fsanitize=address,undefined", "-fno-sanitize-recover=all");

function run(command, args) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: "utf8",
    timeout: 300_000,
    // Valgrind writes a paragraph about every pidfd_open(2).
    maxBuffer: 2 ** 26,
  });
  if (result.error) throw result.error;
  return result;
}

function runUnderValgrind(program, args) {
  const [command, ...valgrindFlags] = VALGRIND;
  const result = run(command, [...valgrindFlags, program, ...args]);
  // One paragraph for every system call that it does not know; errors begin with ==.
  return { ...result, stderr: result.stderr.replaceAll(/^--\d+-- .*\n/gmu, "") };
}

function compile(sources, output) {
  const { status, stderr } = run(compiler, [...flags, ...sources, "-o", output]);
  if (status !== 0) throw new Error(`${compiler} failed with exit code ${status}\n${stderr}`);
}

const folder = mkdtempSync(join(tmpdir(), "pidentity-linux-"));
try {
  const start = options.valgrind ? runUnderValgrind : run;
  const { passed, failed } = runPrograms(folder, compile, start, { pidfds: !options.valgrind });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
