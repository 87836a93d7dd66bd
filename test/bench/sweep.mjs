/**
 * npm run bench:sweep [-- --rounds N --directory D --json --markdown]
 *
 * The sweep of a gateway's start: 6 directories of 300 plain locks that name 3 live pids. Beside it, in
 * the same run and interleaved, the plain way to write it (one-await-per-lock.mjs). Each run gets fresh
 * directories and its result is checked; figures are medians. A wrong result ends with exit code 1, a slow
 * one does not.
 */
import assert from "node:assert/strict";
import { statfsSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

import { max, median } from "simple-statistics";

import { cleanStaleLockFiles, isOpenClawArgv } from "../../dist/session-lock/index.js";
import { startLiveProcess } from "./live-processes.mjs";
import {
  countFiles,
  fileCostMicroseconds,
  temporaryFolder,
  writeLocks,
} from "./lock-directory.mjs";
import { cleanOneAwaitPerLock } from "./one-await-per-lock.mjs";
import { printReport, readArguments, verdict } from "./report.mjs";

const OWNER_ARGV = ["node", "/usr/lib/node_modules/openclaw/openclaw.mjs", "gateway"];
const FOREIGN_ARGV = ["/usr/sbin/nginx", "-g", "daemon off;"];
const MAX_LOOP_DELAY_MS = 10;

const PRODUCTION = { directories: 6, locks: 300 };
const LARGE = { directories: 1, locks: 10_000 };
const CASES = [
  { name: "1 800 locks, all kept", size: PRODUCTION, removed: false, timesFaster: 15 },
  { name: "1 800 locks, all removed", size: PRODUCTION, removed: true, timesFaster: 4 },
  { name: "10 000 locks, all kept", size: LARGE, removed: false, timesFaster: null },
  { name: "10 000 locks, all removed", size: LARGE, removed: true, timesFaster: null },
];
const SIDES = {
  pidentity: (options) => cleanStaleLockFiles(options),
  plain: (options) => cleanOneAwaitPerLock({ ...options, isOwnerArgv: isOpenClawArgv }),
};

/**
 * How long `work` took, the CPU time of all threads meanwhile, and the longest time that a timer was late;
 * milliseconds.
 */
async function timed(work) {
  // No forced garbage collection before: no gateway does that.
  // Includes its own tick of 1 ms: an idle loop shows about 1.
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await delay(5);
  histogram.reset();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  // A block at the very end shows only when the next tick comes.
  await delay(5);
  histogram.disable();
  return { ms, cpuMs: (user + system) / 1e3, worstDelayMs: histogram.max / 1e6 };
}

let runs = 0;

/** Nothing is deleted between runs: on some file systems that slows down whatever comes next. */
async function runOnce(side, { size, removed }, folder, pids) {
  const run = `run-${runs++}`;
  const directories = Array.from({ length: size.directories }, (_, i) =>
    join(folder, run, `agent-${i}`, "sessions"),
  );
  for (const directory of directories) writeLocks(directory, size.locks, pids);
  let resolverCalls = 0;
  const readOwnerProcessArgs = (pid) => {
    assert.ok(pids.includes(pid));
    resolverCalls++;
    return removed ? FOREIGN_ARGV : OWNER_ARGV;
  };
  const results = [];
  const figures = await timed(async () => {
    for (const sessionsDir of directories) {
      results.push(await SIDES[side]({ sessionsDir, readOwnerProcessArgs }));
    }
  });
  assert.equal(resolverCalls, size.directories * pids.length, `${side}: resolver calls`);
  for (const { locks, cleaned } of results) check(side, locks, cleaned, size.locks, removed);
  for (const directory of directories) {
    const expected = { locks: removed ? 0 : size.locks, others: 0 };
    assert.deepEqual(countFiles(directory), expected, `${side}: files left`);
  }
  return figures;
}

function check(side, locks, cleaned, count, removed) {
  assert.equal(locks.length, count, `${side}: locks reported`);
  assert.equal(cleaned.length, removed ? count : 0, `${side}: locks removed`);
  for (const lock of locks) {
    assert.equal(lock.removed, removed, side);
    assert.deepEqual(lock.staleReasons, removed ? ["non-openclaw-owner"] : [], side);
  }
}

/** One round: both sides one after the other, each round the other one first. */
async function runRound(round, testCase, folder, pids) {
  const order = round % 2 === 0 ? ["pidentity", "plain"] : ["plain", "pidentity"];
  const figures = {};
  for (const side of order) figures[side] = await runOnce(side, testCase, folder, pids);
  return figures;
}

function summarise({ name, timesFaster }, [cold, ...rounds]) {
  const side = (key) => ({
    medianMs: median(rounds.map((round) => round[key].ms)),
    medianCpuMs: median(rounds.map((round) => round[key].cpuMs)),
    medianWorstDelayMs: median(rounds.map((round) => round[key].worstDelayMs)),
    worstDelayMs: max(rounds.map((round) => round[key].worstDelayMs)),
    cold: cold[key],
  });
  const ratio = median(rounds.map(({ pidentity, plain }) => plain.ms / pidentity.ms));
  const cpuRatio = median(rounds.map(({ pidentity, plain }) => plain.cpuMs / pidentity.cpuMs));
  const ours = side("pidentity");
  const targets =
    timesFaster === null
      ? null
      : {
          timesFaster,
          maxLoopDelayMs: MAX_LOOP_DELAY_MS,
          isFastEnough: ratio >= timesFaster,
          isSmoothEnough: ours.medianWorstDelayMs <= MAX_LOOP_DELAY_MS,
        };
  return {
    name,
    timesFaster: ratio,
    timesLessCpu: cpuRatio,
    pidentity: ours,
    plain: side("plain"),
    targets,
    rounds,
  };
}

function rowsOf({ name, timesFaster, timesLessCpu, pidentity, plain, targets }) {
  const ms = (value) => `${value.toFixed(1)} ms`;
  return [
    [
      name,
      ms(pidentity.medianMs),
      ms(plain.medianMs),
      `${timesFaster.toFixed(1)}×`,
      targets ? `≥ ${targets.timesFaster}×` : "",
      verdict(targets && targets.isFastEnough),
    ],
    [
      "  CPU time, all threads",
      ms(pidentity.medianCpuMs),
      ms(plain.medianCpuMs),
      `${timesLessCpu.toFixed(1)}×`,
      "",
      "",
    ],
    [
      "  worst event-loop delay",
      ms(pidentity.medianWorstDelayMs),
      ms(plain.medianWorstDelayMs),
      "",
      targets ? `≤ ${targets.maxLoopDelayMs} ms` : "",
      verdict(targets && targets.isSmoothEnough),
    ],
    ["  first run (cold)", ms(pidentity.cold.ms), ms(plain.cold.ms), "", "", ""],
    [
      "  its worst event-loop delay",
      ms(pidentity.cold.worstDelayMs),
      ms(plain.cold.worstDelayMs),
      "",
      "",
      "",
    ],
  ];
}

const SLOW_FILE_MICROSECONDS = 300;

const { rounds, directory, ...format } = readArguments({ rounds: 11 });
const folder = temporaryFolder(directory);
const owners = await Promise.all([5, 5, 5].map((count) => startLiveProcess(count)));
const pids = owners.map((owner) => owner.pid);
try {
  const summaries = [];
  const fileCost = { beforeMicroseconds: fileCostMicroseconds(folder), afterMicroseconds: 0 };
  for (const testCase of CASES) {
    const count = testCase.size === LARGE ? Math.min(rounds, 3) : rounds;
    const figures = [];
    // Round 0 is the cold one.
    for (let round = 0; round <= count; round++) {
      figures.push(await runRound(round, testCase, folder, pids));
    }
    summaries.push(summarise(testCase, figures));
  }
  fileCost.afterMicroseconds = fileCostMicroseconds(folder);
  const { beforeMicroseconds, afterMicroseconds } = fileCost;
  if (afterMicroseconds > SLOW_FILE_MICROSECONDS) {
    console.error(
      `making a file takes ${afterMicroseconds.toFixed(0)} µs here, which decides the figures of removal; try --directory on another file system: ${directory}`,
    );
  }
  printReport(
    {
      title: "Sweep: cleanStaleLockFiles beside one await per lock",
      notes: [
        `Medians of ${rounds} interleaved rounds (3 for 10 000 locks) with fresh directories; ratios are medians of each round's ratio.`,
        "1 800 locks: 6 directories of 300 plain locks that name 3 live processes; the resolver was called exactly 18 times in every run, and every result was checked on disk.",
        "Plain: one await readFile and one turn of the event loop per lock, resolver asked once per pid, await unlink without any protection.",
        `Directory: ${directory}, file system type 0x${statfsSync(directory).type.toString(16)}; making and removing one empty file there: ${beforeMicroseconds.toFixed(0)} µs before, ${afterMicroseconds.toFixed(0)} µs after.`,
        "Other work on the machine stretches wall times and delays; CPU time shows how much (its own load on the caches remains).",
        "Worst event-loop delay: the largest of a run, the monitor's own tick of 1 ms included; the median over rounds.",
      ],
      columns: ["", "pidentity", "plain", "faster", "target", ""],
      rows: summaries.flatMap(rowsOf),
      figures: { fileCost, cases: summaries },
    },
    format,
  );
} finally {
  await Promise.all(owners.map((owner) => owner.end()));
}
