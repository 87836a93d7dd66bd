/**
 * The sweep of a sessions directory: beside the plain ways to write it, and how it grows with the directory,
 * with slow resolvers and with a slow disk.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { median } from "simple-statistics";

import { readEveryLock } from "../bare-loop.mjs";
import { compareRemoval } from "../measure/compare-lock-calls.mjs";
import { watchEmptySlices } from "../measure/empty-slices.mjs";
import { atLeast, atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { interleave } from "../measure/interleave.mjs";
import { absentPids, startCrowd, startLiveProcess } from "../measure/live-processes.mjs";
import {
  countFiles,
  fileCostMicroseconds,
  leaveLocks,
  writeLocks,
} from "../measure/lock-directory.mjs";
import { schemeIn } from "../measure/lock-scheme.mjs";
import { watchLoop } from "../measure/loop-health.mjs";
import { cleanOneAwaitPerLock } from "../one-await-per-lock.mjs";
import { importModule, importProduct } from "../product.mjs";
import { compile, runNode, startNodeServer } from "../programs.mjs";

const { cleanStaleLockFiles, isOpenClawArgv } = await importProduct("session-lock/index.js");
// Knows nothing of the rest of the package.
const { waitSynchronously } = await importModule("util/timers.js");

export const title = "Sweep: cleanStaleLockFiles";
export const makesFiles = true;

const OWNER_ARGV = ["node", "/usr/lib/node_modules/openclaw/openclaw.mjs", "gateway"];
const FOREIGN_ARGV = ["/usr/sbin/nginx", "-g", "daemon off;"];

const SIDES = {
  pidentity: (options) => cleanStaleLockFiles(options),
  "one await per lock": (options) =>
    cleanOneAwaitPerLock({ ...options, isOwnerArgv: isOpenClawArgv }),
};
const BARE_LOOP = "bare loop";
const READ_UNLINK = "read and unlink in C";
/** Ways of removal-floor.c. */
const REMOVALS_IN_C = {
  "inode guard in C": "inode",
  "guard file in C": "guard-file",
  [READ_UNLINK]: "plain",
};

/** Plain locks of live processes: their arguments decide, and the resolver is asked for them once per pid. */
const OF_LIVE_PROCESSES = {
  fill: async (directories, locks, pids) => {
    for (const directory of directories) {
      writeLocks(directory, locks, (index) => pids[index % pids.length]);
    }
  },
  resolverCalls: (directories, pids) => directories * pids.length,
  staleReasons: ["non-openclaw-owner"],
};
/** The package's own locks, whose holders were killed: no kernel lock is held, and no process has the pid. */
const OF_KILLED_PROCESSES = {
  fill: async (directories, locks) => {
    for (const directory of directories) {
      mkdirSync(directory);
      await leaveLocks(directory, locks);
    }
  },
  resolverCalls: () => 0,
  staleReasons: ["dead-pid"],
};

const PRODUCTION = { directories: 6, locks: 300 };
const LARGE = { directories: 1, locks: 10_000 };
// `plain`: at least so many times faster than one await per lock.
const CASES = [
  { name: "6 directories of 300 locks, none stale", size: PRODUCTION, removed: false, plain: 15 },
  { name: "6 directories of 300 locks, all stale", size: PRODUCTION, removed: true, plain: 6 },
  {
    name: "6 directories of 300 locks of killed processes",
    size: PRODUCTION,
    removed: true,
    plain: 6,
    kind: OF_KILLED_PROCESSES,
  },
  { name: "10 000 locks, none stale", size: LARGE, removed: false, plain: 30, bare: 1.6 },
  { name: "10 000 locks, all stale", size: LARGE, removed: true, plain: 10 },
];

/** @param {{ rounds: number, folder: string, short: boolean, million: boolean }} options */
export async function run({ rounds, folder, short, million }) {
  const owners = await Promise.all([5, 5, 5].map((count) => startLiveProcess(count)));
  const pids = owners.map((owner) => owner.pid);
  try {
    const scheme = await schemeIn(folder);
    const comparison = await compareRemoval(compile("removal-floor"), newFolder(folder), scheme);
    const before = fileCostMicroseconds(folder);
    const measurements = [];
    for (const testCase of CASES) {
      const count = testCase.size === LARGE ? Math.min(rounds, 5) : Math.min(rounds, 11);
      measurements.push(await measureCase(testCase, count, { folder, pids, scheme }));
    }
    const after = fileCostMicroseconds(folder);
    measurements.push(await heldLocks(Math.min(rounds, 9), folder));
    if (!short) measurements.push(...(await slowResolvers(Math.min(rounds, 5), folder, pids)));
    if (!short || million) {
      measurements.push(...(await growth(Math.min(rounds, 3), folder, million)));
    }
    return {
      notes: [
        "Each run of a case gets directories of its own; its report, its resolver calls and the files left are checked.",
        "One await per lock: the plain way to write a sweep, an await readFile and a turn of the event loop for each lock, the resolver asked once per pid, await unlink without any protection. Bare loop: open, read, close and JSON.parse of every lock, with no turn of the event loop.",
        `Removal in C: ${comparison}.`,
        "Event-loop delay: how late timers come that are due every millisecond; medians over the rounds of each round's p99 and longest. A slice of 4 ms is 3 ms of it; a run of fewer than 100 slices has its longest one as p99.",
        `Making and removing one empty file here: ${before.toFixed(0)} µs before the removals, ${after.toFixed(0)} µs after. Where that grows (ext4 without a journal) it decides the figures of removal.`,
      ],
      measurements,
    };
  } finally {
    await Promise.all(owners.map((owner) => owner.end()));
  }
}

let directoriesMade = 0;

function newDirectory(folder) {
  return join(folder, `sessions-${directoriesMade++}`);
}

function newFolder(folder) {
  const path = newDirectory(folder);
  mkdirSync(path);
  return path;
}

/** Nothing is deleted between rounds: on some file systems that slows down whatever comes next. */
async function measureCase(testCase, rounds, { folder, pids, scheme }) {
  const { name, removed, plain, bare } = testCase;
  const sides = [
    ...Object.keys(SIDES),
    ...(bare === undefined ? [] : [BARE_LOOP]),
    ...(removed ? Object.keys(REMOVALS_IN_C) : []),
  ];
  const measured = await interleave(
    sides.map((side) => ({ name: side, run: () => runOnce(side, testCase, folder, pids) })),
    { rounds },
  );
  const times = pick(measured, "ms");
  const targets = [
    atLeast(
      "times faster than one await per lock",
      ratio(times, "one await per lock", "pidentity"),
      plain,
    ),
  ];
  if (bare !== undefined) {
    targets.push(atMost("times the bare loop", ratio(times, "pidentity", BARE_LOOP), bare));
  }
  if (removed) {
    targets.push(atMost(`times ${READ_UNLINK}`, ratio(times, "pidentity", READ_UNLINK), 1.6));
  }
  const cpu = pick(measured, "cpuMs");
  const health = measured.map((round) => round["pidentity"]);
  return toMeasurement({
    name,
    unit: "ms",
    rounds: times,
    targets: [...targets, ...loopTargets(health)],
    remarks: [
      `CPU time: ${ratio(cpu, "one await per lock", "pidentity").toFixed(1)} times less than one await per lock`,
      ...(bare === undefined
        ? []
        : [`CPU time: ${ratio(cpu, "pidentity", BARE_LOOP).toFixed(2)} times the bare loop`]),
      ...(removed ? removalRemarks(times, scheme) : []),
      collections(health),
      emptySlices(health),
    ],
  });
}

function removalRemarks(times, scheme) {
  const own = Object.keys(REMOVALS_IN_C).find((name) => REMOVALS_IN_C[name] === scheme);
  const timesOf = (side, reference) => ratio(times, side, reference).toFixed(2);
  const inC = Object.keys(REMOVALS_IN_C).filter((name) => name !== READ_UNLINK);
  return [
    `${timesOf("pidentity", own)} times its own system calls in C (${own}), which are ${timesOf("one await per lock", own)} times faster than one await per lock`,
    `in C, times read and unlink: ${inC.map((name) => `${name.replace(" in C", "")} ${timesOf(name, READ_UNLINK)}`).join(", ")}`,
  ];
}

function pick(measured, key) {
  return measured.map((round) =>
    Object.fromEntries(Object.entries(round).map(([side, found]) => [side, [found[key]]])),
  );
}

const LONGEST_DELAY_MS = 12;

function loopTargets(health, longest = LONGEST_DELAY_MS) {
  const middle = (key) => median(health.map((found) => found[key]));
  return [
    atMost("event-loop delay, p99", middle("delayP99Ms"), 5, "ms"),
    atMost("event-loop delay, longest", middle("delayMaxMs"), longest, "ms"),
  ];
}

/** Garbage collection pauses everything, whichever thread made the garbage: shown apart. */
function collections(health) {
  const longest = median(health.map((found) => found.gcMaxMs));
  return `longest pause of the garbage collector: ${longest.toFixed(1)} ms`;
}

/** What of the delay is the slices' own and the machine's, measured right after each run. */
function emptySlices(health) {
  return `event-loop delay of as many slices that do nothing: ${delays(health, "empty")}`;
}

/** What is left of the delay once V8's compiler threads no longer take the event loop's core now and then. */
function compiledSweep(health) {
  return `event-loop delay of the process's ${SWEEPS_UNTIL_COMPILED + 1}th sweep: ${delays(health, "compiled")}`;
}

function delays(health, prefix) {
  const [p99, longest] = ["P99Ms", "MaxMs"].map((key) =>
    median(health.map((found) => found[prefix + key])).toFixed(1),
  );
  return `p99 ${p99} ms, longest ${longest} ms`;
}

// After the first sweep: V8 compiles once more when it meets the second one's functions.
const SWEEPS_UNTIL_COMPILED = 3;

async function runOnce(side, { size, removed, kind = OF_LIVE_PROCESSES }, folder, pids) {
  const directories = Array.from({ length: size.directories }, () => newDirectory(folder));
  await kind.fill(directories, size.locks, pids);
  if (Object.hasOwn(REMOVALS_IN_C, side)) return removeInC(side, directories);
  let resolverCalls = 0;
  const readOwnerProcessArgs = (pid) => {
    assert.ok(pids.includes(pid));
    resolverCalls++;
    return removed ? FOREIGN_ARGV : OWNER_ARGV;
  };
  const results = [];
  const { value: _, ...health } = await watchLoop(async () => {
    for (const sessionsDir of directories) {
      results.push(
        side === BARE_LOOP
          ? readEveryLock(sessionsDir)
          : await SIDES[side]({ sessionsDir, readOwnerProcessArgs }),
      );
    }
  });
  if (side === BARE_LOOP) {
    for (const payloads of results) assert.equal(payloads.length, size.locks);
  } else {
    const calls = kind.resolverCalls(size.directories, pids);
    assert.equal(resolverCalls, calls, `${side}: resolver calls`);
    const staleReasons = removed ? kind.staleReasons : [];
    for (const result of results) check(side, result, { count: size.locks, removed, staleReasons });
  }
  for (const directory of directories) {
    const expected = { locks: removed ? 0 : size.locks, others: 0 };
    assert.deepEqual(countFiles(directory), expected, `${side}: files left`);
  }
  return side === "pidentity" ? { ...health, ...(await watchEmptySlices(health.ms)) } : health;
}

function removeInC(side, directories) {
  const program = compile("removal-floor");
  let ms = 0;
  for (const directory of directories) {
    ms += Number(execFileSync(program, [REMOVALS_IN_C[side], directory], { encoding: "utf8" }));
    assert.deepEqual(countFiles(directory), { locks: 0, others: 0 }, `${side}: files left`);
  }
  assert.ok(ms > 0);
  return { ms, cpuMs: ms };
}

function check(side, { locks, cleaned }, { count, removed, staleReasons }) {
  assert.equal(locks.length, count, `${side}: locks reported`);
  assert.equal(cleaned.length, removed ? count : 0, `${side}: locks removed`);
  for (const lock of locks) {
    assert.equal(lock.removed, removed, side);
    assert.deepEqual(lock.staleReasons, staleReasons, side);
  }
}

/** Locks of this package's own making, held by live processes: each one's kernel lock is probed. */
async function heldLocks(rounds, folder) {
  const directory = newDirectory(folder);
  const count = 10_000;
  // Each lock takes a descriptor.
  const perKeeper = 1000;
  const keepers = await Promise.all(
    Array.from({ length: count / perKeeper }, (_, i) =>
      startNodeServer("keeper.mjs", [directory, String(i * perKeeper), String(perKeeper)]),
    ),
  );
  try {
    for (const keeper of keepers) assert.equal(await keeper.next(), perKeeper);
    const measured = await interleave(
      [
        {
          name: "pidentity",
          run: async () => {
            const { value, ...health } = await watchLoop(() =>
              cleanStaleLockFiles({ sessionsDir: directory }),
            );
            assert.deepEqual(value.counts, { total: count, stale: 0, removed: 0, kept: count });
            assert.ok(value.locks.every(({ ownerReason }) => ownerReason === "kernel-lock-held"));
            return { ...health, ...(await watchEmptySlices(health.ms)) };
          },
        },
        {
          name: BARE_LOOP,
          run: async () => {
            const { value, ...health } = await watchLoop(async () => readEveryLock(directory));
            assert.equal(value.length, count);
            return health;
          },
        },
      ],
      { rounds },
    );
    const times = pick(measured, "ms");
    return toMeasurement({
      name: "10 000 locks held with a kernel lock by 10 processes",
      unit: "ms",
      rounds: times,
      targets: [
        atMost("times the bare loop", ratio(times, "pidentity", BARE_LOOP), 2),
        ...loopTargets(measured.map((round) => round["pidentity"])),
      ],
      remarks: [
        `CPU time: ${ratio(pick(measured, "cpuMs"), "pidentity", BARE_LOOP).toFixed(2)} times the bare loop`,
        collections(measured.map((round) => round["pidentity"])),
        emptySlices(measured.map((round) => round["pidentity"])),
      ],
    });
  } finally {
    await Promise.all(keepers.map((keeper) => keeper.end()));
    assert.deepEqual(countFiles(directory), { locks: 0, others: 0 });
  }
}

/** The caller's resolver takes 20 ms for each of 30 owners, with and without blocking the event loop itself. */
async function slowResolvers(rounds, folder, pids) {
  const crowd = await startCrowd(30);
  const owners = [...pids, ...crowd.pids].slice(0, 30);
  const directory = newDirectory(folder);
  const count = 1000;
  writeLocks(directory, count, (index) => owners[index % owners.length]);
  const SLOWNESS_MS = 20;
  const kinds = {
    "asynchronous resolver of 20 ms": async () => {
      await delay(SLOWNESS_MS);
      return OWNER_ARGV;
    },
    "synchronous resolver of 20 ms": () => {
      waitSynchronously(SLOWNESS_MS);
      return OWNER_ARGV;
    },
  };
  try {
    const measurements = [];
    for (const [name, readOwnerProcessArgs] of Object.entries(kinds)) {
      const health = [];
      for (let round = 0; round < rounds; round++) {
        let calls = 0;
        const { value, ...found } = await watchLoop(() =>
          cleanStaleLockFiles({
            sessionsDir: directory,
            readOwnerProcessArgs: (pid) => {
              calls++;
              return readOwnerProcessArgs(pid);
            },
          }),
        );
        assert.deepEqual(
          [calls, value.counts.stale, value.counts.total],
          [owners.length, 0, count],
        );
        health.push(found);
      }
      const isBlocking = name.startsWith("synchronous");
      const [p99, longest] = loopTargets(
        health,
        isBlocking ? SLOWNESS_MS + LONGEST_DELAY_MS : LONGEST_DELAY_MS,
      );
      measurements.push(
        toMeasurement({
          name: `1 000 locks of 30 owners, ${name}`,
          unit: "ms",
          rounds: health.map(({ ms }) => ({ pidentity: [ms] })),
          // The caller's own blocking is nobody else's to avoid; it must not add up.
          targets: isBlocking ? [longest] : [p99, longest],
        }),
      );
    }
    return measurements;
  } finally {
    await crowd.end();
  }
}

/** Half of the locks name dead processes; 3, 300 and 30 000 different pids, up to 2 000 of them alive. */
async function growth(rounds, folder, million) {
  const crowd = await startCrowd(2000);
  const absent = absentPids(28_000);
  const measurements = [];
  const timeOf = new Map();
  const cases = [
    [1000, 300],
    [10_000, 3],
    [10_000, 300],
    [100_000, 300],
    [100_000, 30_000],
    ...(million ? [[1_000_000, 30_000]] : []),
  ];
  try {
    for (const [count, distinct] of cases) {
      const directory = newDirectory(folder);
      const living = crowd.pids.slice(0, Math.max(1, Math.min(crowd.pids.length, distinct / 2)));
      const dead = absent.slice(0, distinct - living.length);
      writeLocks(directory, count, (index) => {
        const side = index % 2 === 0 ? living : dead;
        return side[Math.floor(index / 2) % side.length];
      });
      const found = await measureGrowth({ directory, count, rounds: count > 1e5 ? 1 : rounds });
      timeOf.set(count, Math.max(timeOf.get(count) ?? 0, found.ms));
      measurements.push(
        toMeasurement({
          name: `${count.toLocaleString("en").replaceAll(",", " ")} locks of ${distinct.toLocaleString("en").replaceAll(",", " ")} pids, half stale, dry run`,
          unit: "ms",
          rounds: found.rounds,
          targets: [
            ...loopTargets(found.health, count > 1e5 ? 40 : LONGEST_DELAY_MS),
            ...(count < 1e5
              ? []
              : [
                  atMost(
                    "memory above the list of names, per lock",
                    found.bytesPerLock,
                    600,
                    "bytes",
                  ),
                ]),
          ],
          remarks: [
            `memory above the list of names: ${found.bytesPerLock.toFixed(0)} bytes per lock, ${found.bytesPerStaleLock.toFixed(0)} with report: "stale"`,
            collections(found.health),
            emptySlices(found.health),
            ...(count > 1e5 ? [] : [compiledSweep(found.health)]),
          ],
        }),
      );
      rmSync(directory, { recursive: true });
    }
    const [smaller, larger, limit] = million ? [1e4, 1e6, 115] : [1e4, 1e5, 11.5];
    const times = timeOf.get(larger) / timeOf.get(smaller);
    measurements.push(
      toMeasurement({
        name: `growth from ${smaller} to ${larger} locks`,
        unit: "",
        rounds: [],
        targets: [atMost("times the time", times, limit)],
      }),
      await slowDisk(folder, crowd.pids),
    );
    return measurements;
  } finally {
    await crowd.end();
  }
}

async function measureGrowth({ directory, count, rounds }) {
  const sweepOnce = async (task) => {
    const found = await runNode("sweep-once.mjs", [
      JSON.stringify({ sessionsDir: directory, report: "all", removeStale: false, ...task }),
    ]);
    assert.equal(found.counts.total, count);
    return found;
  };
  const measured = [];
  const health = [];
  const above = [];
  const aboveStale = [];
  for (let round = 0; round < rounds; round++) {
    const names = await sweepOnce({ what: "names" });
    const again = count > 1e5 ? 0 : SWEEPS_UNTIL_COMPILED;
    const all = await sweepOnce({ what: "sweep", again });
    const stale = await sweepOnce({ what: "sweep", report: "stale" });
    for (const { counts } of [all, stale]) {
      assert.deepEqual([counts.stale, counts.removed], [count / 2, 0]);
    }
    measured.push({ pidentity: [all.ms], 'report: "stale"': [stale.ms], "names only": [names.ms] });
    health.push(all);
    above.push((all.peakBytes - names.peakBytes) / count);
    aboveStale.push((stale.peakBytes - names.peakBytes) / count);
  }
  return {
    rounds: measured,
    health,
    ms: median(health.map(({ ms }) => ms)),
    bytesPerLock: median(above),
    bytesPerStaleLock: median(aboveStale),
  };
}

/** Opening a lock takes 2 ms, as over a network or below a virus scanner. */
async function slowDisk(folder, pids) {
  const directory = newDirectory(folder);
  const count = 500;
  writeLocks(directory, count, (index) => pids[index % 3]);
  const health = await runNode("sweep-once.mjs", [
    JSON.stringify({
      sessionsDir: directory,
      what: "sweep",
      report: "all",
      removeStale: true,
      delayMs: 2,
    }),
  ]);
  assert.deepEqual(health.counts, { total: count, stale: 0, removed: 0, kept: count });
  return toMeasurement({
    name: `${count} locks on a disk that takes 2 ms to open a file`,
    unit: "ms",
    rounds: [{ pidentity: [health.ms] }],
    targets: [
      atMost("event-loop delay, p99", health.delayP99Ms, 10, "ms"),
      atMost("event-loop delay, longest", health.delayMaxMs, 15, "ms"),
    ],
  });
}
