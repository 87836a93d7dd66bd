// Mutates the rules that decide, one change at a time, and counts the changes that the tests notice. groups.mjs says
// what is mutated, by which tests each group of files is answered, and how much of a file they must notice.
//
//   npm run mutate [-- name...]
//
// A name is a group's (lease, verdict, …), or a file's (classify, guard, …; session-lock/classify where several have
// it). Stryker has a package and a lockfile of its own in this folder, installed here. Prints the survivors of each file
// and closes with the line "N passed, N failed", a file being one: it fails below its group's threshold. The figures
// go to build/mutation/summary.json, the whole reports to build/mutation/<group>.json.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { loadNative } from "../../../build/modules/native/load.js";
import { filesOf, GROUP_VARIABLE, GROUPS, ROOT } from "./groups.mjs";
import { commitNow, countOf, keep } from "./summary.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const configFile = join(here, "stryker.config.json");
const config = JSON.parse(readFileSync(configFile, "utf8"));
const reportFile = join(ROOT, config.jsonReporter.fileName);

/** What is to be mutated: groups with the files that were asked for. */
function chosen(names) {
  const groups = GROUPS.map((group) => ({ ...group, files: filesOf(group) }));
  const isMeant = (name, group, file) =>
    name === group.name || `/${file}`.endsWith(`/${name.replace(/\.ts$/u, "")}.ts`);
  for (const name of names) {
    if (groups.some((group) => group.files.some((file) => isMeant(name, group, file)))) continue;
    const all = groups.flatMap((group) => [group.name, ...group.files]).join(", ");
    throw new RangeError(`${name} must be one of ${all}`);
  }
  return groups
    .map((group) => ({
      ...group,
      files: group.files.filter(
        (file) => names.length === 0 || names.some((name) => isMeant(name, group, file)),
      ),
    }))
    .filter(({ files }) => files.length > 0);
}

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit", ...options });
  if (error) throw error;
  return status;
}

// A pid namespace of its own, seen by its own /proc: a process outside has no number in it, and gets no signal.
const ALONE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** What keeps a group's mutants from other processes; throws where nothing does. */
function confinement({ name, signals }) {
  if (!signals) return [];
  const [command, ...args] = ALONE;
  const { status } = spawnSync(command, [...args, "true"], { stdio: "ignore" });
  if (status === 0) return ALONE;
  throw new Error(`group ${name} needs Linux and root: its mutants may signal any process`);
}

/** Stryker's report of a group, by file. */
function mutate({ name, files, ...group }, addon) {
  rmSync(reportFile, { force: true });
  const [command, ...args] = [
    ...confinement({ name, ...group }),
    process.execPath,
    join(here, "node_modules/@stryker-mutator/core/bin/stryker.js"),
    "run",
    configFile,
    "--mutate",
    files.join(","),
  ];
  run(command, args, {
    env: {
      ...process.env,
      [GROUP_VARIABLE]: name,
      // The sandbox is a copy without the addon.
      PIDENTITY_NATIVE_PATH: addon,
      PIDENTITY_REQUIRE_NATIVE: "1",
      // Hundreds of runs: each property is tried with fewer cases, which tables of tests make up for.
      PIDENTITY_PROPERTY_FACTOR: "0.05",
    },
  });
  // It has said why: a test fails without a mutant, as a rule.
  if (!existsSync(reportFile)) throw new Error(`Stryker has made no report of group ${name}`);
  const kept = join(dirname(reportFile), `${name}.json`);
  renameSync(reportFile, kept);
  return JSON.parse(readFileSync(kept, "utf8")).files;
}

/** Whether enough mutants of one file were killed; prints those that were not. */
function judge(file, { source }, count, least) {
  const { killed, timedOut, survivors, all, percent, ignored, broken } = count;
  const isEnough = percent >= least;
  const aside = [
    ...(timedOut > 0 ? [`${timedOut} of them by time`] : []),
    ...(ignored > 0 ? [`${ignored} ignored`] : []),
    ...(broken > 0 ? [`${broken} without an answer`] : []),
  ];
  console.log(
    `${isEnough ? "ok    " : "FAILED"} ${file}: ${killed} of ${all} mutants killed, ${percent.toFixed(1)} % (at least ${least})${aside.map((text) => `, ${text}`).join("")}`,
  );
  const lines = source.split("\n");
  for (const { location, mutatorName, replacement } of survivors) {
    const { start, end } = location;
    const text =
      start.line === end.line ? lines[start.line - 1].slice(start.column - 1, end.column - 1) : "…";
    console.log(
      `       ${file}:${start.line}:${start.column} ${mutatorName}: ${text} -> ${replacement}`,
    );
  }
  return isEnough;
}

const groups = chosen(process.argv.slice(2));
if (run("npm", ["--prefix", here, "ci", "--silent", "--no-audit", "--no-fund"]) !== 0) {
  throw new Error("cannot install Stryker");
}
const native = loadNative();
if (native.error) throw native.error;

let passed = 0;
let failed = 0;
for (const group of groups) {
  const commit = commitNow();
  const reports = mutate(group, native.path);
  const figures = {};
  for (const file of group.files) {
    // Stryker does not report a file without anything to mutate.
    const report = reports[file] ?? { mutants: [], source: "" };
    const count = countOf(report);
    if (judge(file, report, count, group.least)) passed++;
    else failed++;
    const { killed, timedOut, survivors, percent, ignored } = count;
    const survived = survivors.length;
    const { name, least } = group;
    figures[file] = { group: name, least, killed, timedOut, survived, percent, ignored };
  }
  keep(figures, commit);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
