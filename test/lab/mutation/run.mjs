// Mutates the rules that decide about locks, one change at a time, and counts the changes that the tests
// notice: lib/lock/protocol/guard.ts and, of lib/lock/verdict, classify.ts and all that judges an owner.
//
//   npm run mutate [-- file...]
//
// A file's name (classify, guard, owner, …) selects it. Stryker has a package and a lockfile of its own in this
// folder, installed here. Prints the survivors of each file and closes with the line "N passed, N failed", a
// file being one: it fails below 85 % killed. The whole report goes to build/mutation/report.json.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { loadNative } from "../../../build/modules/native/load.js";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const configFile = join(here, "stryker.config.json");
const config = JSON.parse(readFileSync(configFile, "utf8"));
const reportFile = join(root, config.jsonReporter.fileName);
const LEAST_PERCENT = config.thresholds.break;

/** Mutants that a test noticed, by an assertion or by never coming to an end. */
const KILLED = new Set(["Killed", "Timeout"]);
const SURVIVED = new Set(["Survived", "NoCoverage"]);

const names = process.argv.slice(2);
const files = config.mutate.filter((file) => names.length === 0 || names.includes(nameOf(file)));
if (files.length < Math.max(1, names.length)) {
  const all = config.mutate.map(nameOf).join(", ");
  throw new RangeError(`files must be of ${all}: ${names.join(", ")}`);
}

function nameOf(file) {
  return basename(file, ".ts");
}

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw error;
  return status;
}

/** Whether enough mutants of one file were killed; prints those that were not. */
function judge(file, { mutants, source }) {
  const count = (states) => mutants.filter(({ status }) => states.has(status)).length;
  const [killed, survived] = [count(KILLED), count(SURVIVED)];
  const percent = (100 * killed) / (killed + survived);
  const isEnough = percent >= LEAST_PERCENT;
  console.log(
    `${isEnough ? "ok    " : "FAILED"} ${nameOf(file)}: ${killed} of ${killed + survived} mutants killed, ${percent.toFixed(1)} %`,
  );
  const lines = source.split("\n");
  for (const { status, location, mutatorName, replacement } of mutants) {
    if (!SURVIVED.has(status)) continue;
    const { start, end } = location;
    const text =
      start.line === end.line ? lines[start.line - 1].slice(start.column - 1, end.column - 1) : "…";
    console.log(
      `       ${file}:${start.line}:${start.column} ${mutatorName}: ${text} -> ${replacement}`,
    );
  }
  return isEnough;
}

if (run("npm", ["--prefix", here, "ci", "--silent", "--no-audit", "--no-fund"]) !== 0) {
  throw new Error("cannot install Stryker");
}
const native = loadNative();
if (native.error) throw native.error;
rmSync(reportFile, { force: true });
run(
  process.execPath,
  [
    join(here, "node_modules/@stryker-mutator/core/bin/stryker.js"),
    "run",
    configFile,
    "--mutate",
    files.join(","),
  ],
  {
    env: {
      ...process.env,
      // The sandbox is a copy without the addon.
      PIDENTITY_NATIVE_PATH: native.path,
      PIDENTITY_REQUIRE_NATIVE: "1",
      // Hundreds of runs: each property is tried with fewer cases, which tables of tests make up for.
      PIDENTITY_PROPERTY_FACTOR: "0.2",
    },
  },
);
const report = JSON.parse(readFileSync(reportFile, "utf8"));
const passed = files.filter((file) => judge(file, report.files[file])).length;
console.log(`${passed} passed, ${files.length - passed} failed`);
process.exitCode = passed === files.length ? 0 : 1;
