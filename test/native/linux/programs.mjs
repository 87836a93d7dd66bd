// The test programs of this folder: the addon's Linux side without its JavaScript side, on real
// processes. How they are compiled and started is up to the caller.
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { countChecks } from "../count-checks.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** The package's root, in which every path below starts. */
export const ROOT = join(here, "../../..");

/** Every program, with the arguments of each of its runs. `pidfds`: takes a kernel that has them. */
const PROGRAMS = [
  { name: "process_test", runs: [{ args: [], pidfds: true }, { args: ["--no-pidfds"] }] },
  { name: "file_lock_test", runs: [{ args: [] }] },
  { name: "file_io_test", runs: [{ args: [] }] },
  { name: "clock_test", runs: [{ args: [] }] },
];

export const INCLUDES = ["native", "test/native/unit", "test/native/linux"];

function sourcesIn(folder) {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".cc"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** Everything that is compiled, relative to the root: not what stands directly in native/. */
function sourcesOf(name) {
  const own = ["native/linux", "native/parse", "native/posix"].flatMap((folder) =>
    sourcesIn(folder),
  );
  const folder = relative(ROOT, here);
  return [`${folder}/${name}.cc`, `${folder}/child.cc`, ...own];
}

/**
 * Compiles and runs them all.
 *
 * @param {string} folder for the programs
 * @param {(sources: string[], output: string) => void} compile throws when it cannot
 * @param {(program: string, args: string[]) => { status: number | null, stdout: string, stderr: string }} start
 * @param {{ pidfds?: boolean }} options `pidfds` false: leave out the runs that take them
 * @returns {{ passed: number, failed: number }} tests; a program that crashes is one failed test
 */
export function runPrograms(folder, compile, start, { pidfds = true } = {}) {
  const total = { passed: 0, failed: 0 };
  for (const { name, runs } of PROGRAMS) {
    const program = join(folder, name);
    compile(sourcesOf(name), program);
    for (const { args, pidfds: takesPidfds = false } of runs) {
      if (takesPidfds && !pidfds) {
        console.log(`${name}: not run, it takes pidfds`);
        continue;
      }
      const { status, stdout, stderr } = start(program, args);
      console.log(`${[name, ...args].join(" ")}:\n${stdout}${stderr}`.trimEnd());
      const { passed, failed } = countChecks(stdout);
      total.passed += passed;
      total.failed += failed;
      if (status !== 0 && failed === 0) {
        console.log(`${name} ended with ${status ?? "a signal"}`);
        total.failed += 1;
      }
    }
  }
  return total;
}
