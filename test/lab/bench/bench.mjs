/**
 * npm run bench [-- suite… --rounds N --directory D… --short --million --json FILE --chart FILE --markdown]
 *
 * Runs the benchmark suites, all of them or the named ones; those that make files once for each directory. A wrong
 * result, something left behind, or a floor that is none ends with exit code 1; a slow figure does not. See README.md
 * beside this file.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { drawChart } from "./chart.mjs";
import { describeMachine } from "./measure/machine.mjs";
import { defaultDirectories, describePlace } from "./measure/places.mjs";
import { merged, showSuite, showTargets, showTargetTable } from "./report.mjs";
import { temporaryFolder } from "./measure/temporary-folder.mjs";

/**
 * Loaded only when they run. Each exports `title` and `run({ rounds, folder, short, million })`; with `makesFiles` it runs once
 * for each place, with a folder there, else once without.
 */
const SUITES = {
  process: () => import("./suites/process.mjs"),
  identity: () => import("./suites/identity.mjs"),
  listing: () => import("./suites/listing.mjs"),
  lock: () => import("./suites/lock.mjs"),
  sweep: () => import("./suites/sweep.mjs"),
  startup: () => import("./suites/startup.mjs"),
  lease: () => import("./suites/lease.mjs"),
};

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string" },
      directory: { type: "string", multiple: true },
      short: { type: "boolean", default: false },
      million: { type: "boolean", default: false },
      json: { type: "string" },
      chart: { type: "string" },
      markdown: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.short ? 5 : 25));
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new RangeError(`--rounds must be an integer of 1 or more: ${values.rounds}`);
  }
  for (const suite of positionals) {
    if (!Object.hasOwn(SUITES, suite)) {
      throw new RangeError(`suite must be one of ${Object.keys(SUITES).join(", ")}: ${suite}`);
    }
  }
  return { ...values, rounds, suites: positionals.length > 0 ? positionals : Object.keys(SUITES) };
}

/** Each is described before anything runs: a directory that is none ends it here. */
function placesOf(directories) {
  if (directories !== undefined) return directories.map((directory) => describePlace(directory));
  const { directories: defaults, left } = defaultDirectories();
  if (left !== null) console.log(`Measured in the temporary folder only: ${left}.\n`);
  return defaults.map((directory) => describePlace(directory));
}

/** Beside what the file has of other suites. */
function keep(file) {
  const former = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  const kept = merged(former, results, Object.keys(SUITES));
  writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
}

const { suites, rounds, directory, short, million, json, chart, markdown } = readArguments();
const places = placesOf(directory);
const results = [];
for (const suite of suites) {
  const { title, run, makesFiles = false } = await SUITES[suite]();
  for (const place of makesFiles ? places : [null]) {
    const machine = describeMachine(place);
    const folder = place === null ? null : temporaryFolder(place.directory);
    const { notes, measurements } = await run({ rounds, folder, short, million });
    const result = { suite, title, machine, notes, measurements };
    results.push(result);
    console.log(`${showSuite(result, { markdown })}\n`);
    // After each: a later one may take long, or fail.
    if (json !== undefined) keep(json);
  }
}
if (markdown) console.log(`${showTargetTable(results)}\n`);
console.log(showTargets(results));
if (chart !== undefined) writeFileSync(chart, drawChart(results));
