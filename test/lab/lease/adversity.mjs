// Leases on real engines under everything that goes wrong, judged from outside of the holders:
//
//   node test/lab/lease/adversity.mjs [--engine NAME]... [--scenario NAME]... [--handovers N] [--faults N] [--long]
//     [--results FILE]
//
// Engines: etcd, postgres, both at once by default, with half of `--handovers` each. Each scenario (scenarios.mjs) goes on
// until its share of them and at least `--faults` faults have been. Never may two believe in one key at once, epochs must
// grow from holder to holder, and PostgreSQL must refuse every write with an older epoch than one that it has taken.
// Before, holders that do not look at their lease show that the oracle would notice; they do not count. Ends with a table
// and the line "N passed, N failed". `--results`: each row is added to that file when it is done, and a run that finds rows
// there goes on after them.
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Holders } from "./holders.mjs";
import { startProxy } from "./proxy.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const ENGINES = ["etcd", "postgres"];
const SELF_CHECK = "self-check";
/** How long a scenario may take to bring its hand-overs; it is broken then. */
const LONGEST_MS = 30 * 60_000;
/** After so many a blind oracle is told. */
const SELF_CHECK_FAULTS = 20;

const { values } = parseArgs({
  options: {
    engine: { type: "string", multiple: true, default: ENGINES },
    scenario: { type: "string", multiple: true, default: SCENARIOS.map(({ name }) => name) },
    handovers: { type: "string", default: "220" },
    faults: { type: "string", default: "1" },
    long: { type: "boolean", default: false },
    results: { type: "string" },
  },
});
const handovers = positive("handovers");
const leastFaults = positive("faults");
const scenarios = values.scenario.map((name) => known("scenario", name, SCENARIOS));
const engines = values.engine.map((name) => {
  known(
    "engine",
    name,
    ENGINES.map((each) => ({ name: each })),
  );
  return name;
});

const share = Math.ceil(handovers / engines.length / scenarios.length);
/** The rows of a former run, by title. */
const kept = new Map(
  values.results !== undefined && existsSync(values.results)
    ? readFileSync(values.results, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line))
        .map((result) => [result.title, result])
    : [],
);

// The engines end with this process, by what runs at its exit.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const rows = (await Promise.all(engines.map(onEngine))).flat();
console.table(Object.fromEntries(rows.map(({ title, row }) => [title, row])));
for (const { title, complaints } of rows) {
  for (const complaint of complaints.slice(0, 10)) console.log(`FAILED ${title}: ${complaint}`);
}
const failed = rows.filter(({ complaints }) => complaints.length > 0).length;
// Not those that were to overlap.
const counted = rows.filter(({ title }) => !title.endsWith(SELF_CHECK));
const sum = (column) => counted.reduce((before, { row }) => before + row[column], 0);
console.log(
  `total: ${sum("hand-overs")} hand-overs, ${sum("faults")} faults, ${sum("overlaps")} overlaps`,
);
console.log(`${rows.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && rows.length > 0 ? 0 : 1;

function positive(option) {
  const value = Number(values[option]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`--${option} must be an integer > 0: ${values[option]}`);
}

function known(option, name, all) {
  const found = all.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new RangeError(
    `--${option} must be one of ${all.map((each) => each.name).join(", ")}: ${name}`,
  );
}

/** The rows of all scenarios on one engine, one after the other. */
async function onEngine(name) {
  const { obstacle, startEngine } = await import(`../../support/engines/${name}.mjs`);
  const missing = obstacle();
  if (missing !== null) {
    if (process.env.PIDENTITY_REQUIRE_ENGINES === "1") {
      throw new Error(`PIDENTITY_REQUIRE_ENGINES=1, but ${missing}`);
    }
    console.log(`skipped ${name}: ${missing}`);
    return [];
  }
  const { open } = await import(`./open-${name}.mjs`);
  const folder = mkdtempSync(join(tmpdir(), "pidentity-lease-"));
  const engine = await startEngine({ folder });
  const proxy = await startProxy(engine.port);
  const opened = await open({ port: engine.port });
  await opened.prepare();
  const place = { name, folder, engine, proxy, opened };
  const results = [];
  try {
    const once = async (title, run) => {
      const former = kept.get(`${name} ${title}`);
      const result = former ?? (await run());
      if (former === undefined && values.results !== undefined) {
        appendFileSync(values.results, `${JSON.stringify(result)}\n`);
      }
      results.push(result);
      return result;
    };
    await once(SELF_CHECK, () => selfCheck(place));
    for (const scenario of scenarios) {
      if (scenario.needs !== undefined && spawnSync(scenario.needs, ["--version"]).error) {
        console.log(`skipped ${name} ${scenario.name}: needs the program ${scenario.needs}`);
        continue;
      }
      const { complaints, title, row } = await once(scenario.name, () =>
        play(place, scenario, {
          isEnough: ({ count }, faults) => count >= share && faults >= leastFaults,
        }),
      );
      console.log(
        `${complaints.length === 0 ? "ok    " : "FAILED"} ${title}: ${scenario.what}: ${row["hand-overs"]} hand-overs`,
      );
    }
  } finally {
    await opened.close();
    await proxy.stop();
    await engine.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return results;
}

/**
 * Holders that act without looking at their lease, and are stopped, until the oracle has seen two of them at once: on a slow
 * machine the next one may not have begun before the first one's stop is over.
 */
async function selfCheck(place) {
  const scenario = SCENARIOS.find(({ name }) => name === "stopped");
  const how = {
    isEnough: (holders, faults) =>
      faults >= SELF_CHECK_FAULTS || holders.verdict().overlaps.length > 0,
    isDeaf: true,
  };
  const { row, complaints } = await play(place, { ...scenario, name: SELF_CHECK }, how);
  const title = `${place.name} ${SELF_CHECK}`;
  const isSeen = complaints.some((complaint) => complaint.startsWith("overlap"));
  return {
    title,
    row,
    complaints: isSeen ? [] : ["the oracle has not seen holders that do not look at their lease"],
  };
}

/** One scenario until its hand-overs and faults are enough; then what the logs say. */
async function play(place, scenario, { isEnough, isDeaf = false }) {
  const started = performance.now();
  const holders = new Holders(place, scenario, { isDeaf, isLong: values.long });
  holders.start();
  let faults = 0;
  try {
    await holders.handOvers(1);
    while (!isEnough(holders, faults)) {
      if (performance.now() - started > LONGEST_MS) {
        holders.complaints.push(`${holders.count} hand-overs in ${LONGEST_MS / 60_000} min`);
        break;
      }
      await scenario.fault(holders.world(faults));
      faults++;
      // What the fault has left is taken over.
      await holders.handOvers(holders.count + 4);
    }
  } catch (error) {
    holders.complaints.push(String(error.stack));
  } finally {
    await holders.end();
  }
  const { overlaps, disorder, handOvers } = holders.verdict();
  const complaints = [
    ...overlaps.map((text) => `overlap: ${text}`),
    ...disorder.map((text) => `epoch did not grow: ${text}`),
    ...holders.complaints,
  ];
  return {
    title: `${place.name} ${scenario.name}`,
    row: {
      "hand-overs": handOvers,
      faults,
      lost: holders.lost,
      overlaps: overlaps.length,
      "epochs out of order": disorder.length,
      "old writes": place.opened.guardedWrite
        ? `${holders.refused} of ${holders.oldWrites} refused`
        : "-",
      seconds: Math.round((performance.now() - started) / 1000),
    },
    complaints,
  };
}
