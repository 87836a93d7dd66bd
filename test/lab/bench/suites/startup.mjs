/**
 * What a gateway's start really pays: a fresh process imports pidentity/session-lock and sweeps every sessions directory
 * once, with module.enableCompileCache where Node has it, and without.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import nodeModule from "node:module";
import { join } from "node:path";

import { median } from "simple-statistics";

import { atMost, toMeasurement } from "../measure/figures.mjs";
import { interleave } from "../measure/interleave.mjs";
import { absentPids, startLiveProcess } from "../measure/live-processes.mjs";
import { countFiles, writeLocks } from "../measure/lock-directory.mjs";
import { productUrl } from "../product.mjs";
import { node22, runNode } from "../programs.mjs";

export const title = "Start-up: a fresh process and its first sweep";
export const makesFiles = true;

const SIZES = [
  { name: "6 directories of 300 locks", directories: 6, locks: 300 },
  { name: "10 000 locks", directories: 1, locks: 10_000 },
];
const DELAY_P99_MS = 5;

/** @param {{ rounds: number, folder: string }} options */
export async function run({ rounds, folder }) {
  const { runtimes, remark } = findRuntimes(folder);
  const owner = await startLiveProcess(5);
  const [deadPid] = absentPids(1);
  try {
    const measurements = [];
    for (const size of SIZES) {
      for (const isRemoved of [false, true]) {
        const pid = isRemoved ? deadPid : owner.pid;
        const task = { size, isRemoved, pid, folder };
        measurements.push(...(await measureCase(task, runtimes, Math.min(rounds, 11))));
      }
    }
    return {
      notes: [
        `Each run is a process of its own, in directories of its own, medians of ${Math.min(rounds, 11)} interleaved rounds. Kept: of a live process. Removed: of a pid that no process has; the sweep of each directory then looks at all processes of the machine once.`,
        "From the process's start: until the sweep's result, with Node's own start and the import, without what watches the event loop.",
        "Event-loop delay: how late timers come that are due every millisecond, from the sweep's call to its result. A run of fewer than 100 slices has its longest delay as p99.",
        remark,
      ],
      measurements,
    };
  } finally {
    await owner.end();
  }
}

/** The runtimes to compare by name. The compile cache is filled by the round that does not count. */
function findRuntimes(folder) {
  const here = process.execPath;
  const hasCache = typeof nodeModule.enableCompileCache === "function";
  const other = hasCache ? here : node22();
  const plain = { [`Node ${process.versions.node}`]: { node: here } };
  if (other === null) {
    return {
      runtimes: plain,
      remark: `Node ${process.versions.node} has no compile cache, and no Node 22 is installed here.`,
    };
  }
  const version = execFileSync(other, ["-p", "process.versions.node"], { encoding: "utf8" }).trim();
  const cacheDirectory = mkdtempSync(join(folder, "compile-cache-"));
  return {
    runtimes: {
      ...plain,
      [`Node ${version}`]: { node: other },
      [`Node ${version}, compile cache`]: { node: other, cacheDirectory },
    },
    remark: hasCache
      ? "Compile cache: module.enableCompileCache before the import, filled by an earlier process."
      : `Compile cache: module.enableCompileCache before the import, filled by an earlier process; Node ${process.versions.node} has none.`,
  };
}

async function measureCase({ size, isRemoved, pid, folder }, runtimes, rounds) {
  const measured = await interleave(
    Object.entries(runtimes).map(([name, { node, cacheDirectory }]) => ({
      name,
      run: () => startOnce({ size, isRemoved, pid, folder }, node, cacheDirectory),
    })),
    { rounds },
  );
  const name = `${size.name}, all ${isRemoved ? "removed" : "kept"}`;
  const sides = Object.keys(runtimes);
  const pick = (valueOf) =>
    measured.map((round) =>
      Object.fromEntries(sides.map((side) => [side, [valueOf(round[side])]])),
    );
  const middle = (side, key) => median(measured.map((round) => round[side][key]));
  return [
    toMeasurement({
      name: `${name}: from the process's start`,
      unit: "ms",
      rounds: pick(({ readyMs, ms }) => readyMs + ms),
    }),
    toMeasurement({
      name: `${name}: from the sweep's call`,
      unit: "ms",
      rounds: pick(({ ms }) => ms),
      targets: sides.map((side) =>
        atMost(`event-loop delay, p99, ${side}`, middle(side, "delayP99Ms"), DELAY_P99_MS, "ms"),
      ),
      remarks: sides.map(
        (side) =>
          `event-loop delay, longest, ${side}: ${middle(side, "delayMaxMs").toFixed(1)} ms (garbage collection: ${middle(side, "gcMaxMs").toFixed(1)} ms); of slices that do nothing: p99 ${middle(side, "emptyP99Ms").toFixed(1)} ms, longest ${middle(side, "emptyMaxMs").toFixed(1)} ms`,
      ),
    }),
  ];
}

async function startOnce({ size, isRemoved, pid, folder }, node, cacheDirectory) {
  const parent = mkdtempSync(join(folder, "startup-"));
  const sessionsDirs = Array.from({ length: size.directories }, (_, i) => join(parent, String(i)));
  for (const directory of sessionsDirs) writeLocks(directory, size.locks, () => pid);
  const task = {
    entry: productUrl("session-lock/index.js"),
    sessionsDirs,
    isOwner: true,
    cacheDirectory,
  };
  const { counts, ...found } = await runNode("startup-sweep.mjs", [JSON.stringify(task)], { node });
  const total = size.directories * size.locks;
  const [stale, kept] = isRemoved ? [total, 0] : [0, total];
  assert.deepEqual(counts, { total, stale, removed: stale, kept });
  for (const directory of sessionsDirs) {
    assert.deepEqual(countFiles(directory), { locks: kept / size.directories, others: 0 });
  }
  // Only what is left: on some file systems deleting slows down whatever comes next.
  rmSync(parent, { recursive: true });
  return found;
}
