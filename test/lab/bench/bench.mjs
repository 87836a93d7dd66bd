/**
 * npm run bench [-- suite… --rounds N --directory D --million --json FILE --chart FILE --markdown]
 *
 * Runs the benchmark suites, all of them or the named ones. A wrong result, something left behind, or a
 * floor that is none ends with exit code 1; a slow figure does not. See README.md beside this file.
 */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

import { drawChart } from "./chart.mjs";
import { describeMachine } from "./measure/machine.mjs";
import { showSuite, showTargets } from "./report.mjs";
import { temporaryFolder } from "./measure/temporary-folder.mjs";

/** Loaded only when they run. Each exports `title` and `run({ rounds, folder, million })`. */
const SUITES = {
  process: () => import("./suites/process.mjs"),
  identity: () => import("./suites/identity.mjs"),
  lock: () => import("./suites/lock.mjs"),
  sweep: () => import("./suites/sweep.mjs"),
  startup: () => import("./suites/startup.mjs"),
};

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "25" },
      directory: { type: "string", default: tmpdir() },
      million: { type: "boolean", default: false },
      json: { type: "string" },
      chart: { type: "string" },
      markdown: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
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

const { suites, rounds, directory, million, json, chart, markdown } = readArguments();
const folder = temporaryFolder(directory);
const results = [];
for (const suite of suites) {
  const machine = describeMachine(directory);
  const { title, run } = await SUITES[suite]();
  const { notes, measurements } = await run({ rounds, folder, million });
  const result = { suite, title, machine, notes, measurements };
  results.push(result);
  console.log(`${showSuite(result, { markdown })}\n`);
}
console.log(showTargets(results));
if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
if (chart !== undefined) writeFileSync(chart, drawChart(results));
