// Compiles and runs the C++ unit tests of test/native/unit: each *_test.cc becomes one program, linked
// with all of native/parse. Those that include <windows.h> run elsewhere, under Wine.
//
//   node test/native/run-unit.mjs [--sanitize | --valgrind] [name...]
//
// --sanitize adds ASan and UBSan; --valgrind runs them under Valgrind, which sees reads of what was never
// written. A name selects the tests whose file name contains it. CXX selects
// the compiler (default g++). Closes with the line "N passed, N failed".
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { countChecks } from "./count-checks.mjs";
import { VALGRIND } from "./valgrind.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const unit = join(here, "unit");
const native = join(root, "native");
const compiler = process.env["CXX"] || "g++";

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    sanitize: { type: "boolean", default: false },
    valgrind: { type: "boolean", default: false },
  },
});

const flags = ["-std=c++20", "-O1", "-g", "-fno-exceptions", "-Wall", "-Wextra", "-Werror"];
if (options.sanitize) {
  flags.push("-fsanitize=address,undefined", "-fno-sanitize-recover=all");
}

const inFolder = (folder, suffix) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(folder, name));

const tests = inFolder(unit, "_test.cc")
  .filter((path) => !/#include <windows\.h>/iu.test(readFileSync(path, "utf8")))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)));
if (tests.length === 0) {
  console.error(`no unit tests selected: ${names.join(" ")}`);
  process.exit(1);
}

function run(command, args) {
  const { status, signal, error, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error) throw error;
  process.stdout.write(stdout);
  return { ok: status === 0 && signal === null, stdout };
}

const folder = mkdtempSync(join(tmpdir(), "pidentity-unit-"));
const total = { passed: 0, failed: 0 };
try {
  for (const source of tests) {
    const name = source.slice(unit.length + 1, -".cc".length);
    const program = join(folder, name);
    process.stdout.write(`${name}: `);
    const built = run(compiler, [
      ...flags,
      `-I${native}`,
      `-I${unit}`,
      source,
      ...inFolder(join(native, "parse"), ".cc"),
      "-o",
      program,
    ]);
    const [command, ...args] = [...(options.valgrind ? VALGRIND : []), program];
    const ran = built.ok ? run(command, args) : built;
    const { passed, failed } = countChecks(ran.stdout);
    total.passed += passed;
    total.failed += failed;
    if (!ran.ok) {
      console.log(built.ok ? "failed" : "does not compile");
      // A crash, or no program at all, is one failed test.
      if (failed === 0) total.failed += 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.passed > 0 && total.failed === 0 ? 0 : 1;
