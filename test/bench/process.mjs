/**
 * npm run bench:process [-- --rounds N --json --markdown]
 *
 * The public API beside the same system calls in C (floor.c), on live child processes: the same
 * run, interleaved rounds, medians. Linux. A wrong answer, or a floor that makes other system calls than
 * the addon (strace, where installed), ends with exit code 1; a slow one does not.
 */
import assert from "node:assert/strict";

import { do_not_optimize, measure } from "mitata";
import { median } from "simple-statistics";

import {
  getProcessArgs,
  getProcessStartTime,
  inspectProcess,
  isPidAlive,
  nativeStatus,
} from "../../dist/index.js";
import { compareSystemCalls } from "./compare-system-calls.mjs";
import { compileFloor, startFloor } from "./floor.mjs";
import { startLiveProcess } from "./live-processes.mjs";
import { OPERATIONS } from "./operations.mjs";
import { printReport, readArguments, verdict } from "./report.mjs";

const FEW = 5;
const MANY = 500;
const NS_PER_ARGUMENT = 200;
// About 20 ms of work per side and round.
const AMOUNT = { samples: 16, batch: 200 };

// `times` and `nsPerArgument`: at most times × floor + nsPerArgument × arguments. null: no target.
const CASES = [
  { name: "isPidAlive", operation: "isAlive", argc: FEW, times: 1.3 },
  { name: "getProcessStartTime", operation: "startTime", argc: FEW, times: 1.15 },
  { name: "getProcessArgs", operation: "args", argc: FEW, times: 1.15, perArgument: true },
  { name: "getProcessArgs", operation: "args", argc: MANY, times: 1.15, perArgument: true },
  { name: "inspectProcess", operation: "inspect", argc: FEW, times: 1.3 },
  {
    name: "inspectProcess, args: false",
    operation: "inspectWithoutArgs",
    argc: FEW,
    times: null,
  },
  { name: "identifyProcess", operation: "identity", argc: FEW, times: null },
];

/** Nanoseconds of one call, the median of samples of the same batch as the floor's. */
async function measureOurs(ask, pid) {
  const { p50 } = await measure(() => do_not_optimize(ask(pid)), {
    // Rounds are many and short: collecting garbage is part of the price, forcing it is not.
    gc: false,
    min_cpu_time: 0,
    min_samples: AMOUNT.samples,
    batch_samples: AMOUNT.batch,
    batch_threshold: Infinity,
    warmup_threshold: Infinity,
  });
  return p50;
}

/** Every answer about a live child is the right one. */
function checkAnswers({ pid, argv }) {
  assert.equal(isPidAlive(pid), true);
  assert.deepEqual(getProcessArgs(pid), argv);
  const info = inspectProcess(pid);
  assert.deepEqual(info.args, argv);
  assert.deepEqual([info.state, info.parentPid], ["alive", process.pid]);
  assert.equal(info.startTime, getProcessStartTime(pid));
  assert.ok(Math.abs((info.startedAtMs ?? 0) - Date.now()) < 3_600_000);
}

function summarise({ name, argc, times, perArgument = false }, rounds) {
  const limitOf = (floorNs) => times * floorNs + (perArgument ? NS_PER_ARGUMENT * argc : 0);
  const shareOfLimit =
    times === null ? null : median(rounds.map(({ oursNs, floorNs }) => oursNs / limitOf(floorNs)));
  return {
    name: argc === FEW ? name : `${name} (${argc} arguments)`,
    oursNs: median(rounds.map(({ oursNs }) => oursNs)),
    floorNs: median(rounds.map(({ floorNs }) => floorNs)),
    ratio: median(rounds.map(({ oursNs, floorNs }) => oursNs / floorNs)),
    target: times === null ? null : { times, nsPerArgument: perArgument ? NS_PER_ARGUMENT : 0 },
    isMet: shareOfLimit === null ? null : shareOfLimit <= 1,
    rounds,
  };
}

/** What one more argument costs above the floor. */
function slopeOf(few, many) {
  const slopes = few.rounds.map((round, i) => {
    const ours = many.rounds[i].oursNs - round.oursNs;
    const floor = many.rounds[i].floorNs - round.floorNs;
    return { ours: ours / (MANY - FEW), aboveFloor: (ours - floor) / (MANY - FEW) };
  });
  const nsPerArgument = median(slopes.map(({ ours }) => ours));
  const aboveFloorNs = median(slopes.map(({ aboveFloor }) => aboveFloor));
  return { nsPerArgument, aboveFloorNs, isMet: aboveFloorNs <= NS_PER_ARGUMENT };
}

function rowOf({ name, oursNs, floorNs, ratio, target, isMet }) {
  const us = (ns) => `${(ns / 1e3).toFixed(2)} µs`;
  const perArgument = target?.nsPerArgument
    ? ` + ${target.nsPerArgument / 1e3} µs per argument`
    : "";
  const limit = target === null ? "" : `≤ ${target.times}×${perArgument}`;
  return [name, us(oursNs), us(floorNs), `${ratio.toFixed(2)}×`, limit, verdict(isMet)];
}

assert.equal(process.platform, "linux", "floor.c is for Linux");
assert.equal(nativeStatus().backend, "native", String(nativeStatus().error));

const { rounds, ...format } = readArguments({ rounds: 25 });
const floorPath = compileFloor();
const targets = {
  [FEW]: await Promise.all([FEW, FEW, FEW].map((count) => startLiveProcess(count))),
  [MANY]: [await startLiveProcess(MANY)],
};
const children = Object.values(targets).flat();
const floor = await startFloor(floorPath);
try {
  for (const child of children) checkAnswers(child);
  const systemCalls = compareSystemCalls(floorPath, children[0].pid);
  const figures = CASES.map(() => []);
  // Round -1 warms up.
  for (let round = -1; round < rounds; round++) {
    for (const [index, { operation, argc }] of CASES.entries()) {
      const { pid } = targets[argc][(round + 1) % targets[argc].length];
      const ours = async () => await measureOurs(OPERATIONS[operation], pid);
      const c = async () => median(await floor.measure(operation, pid, AMOUNT));
      let oursNs;
      let floorNs;
      if (round % 2 === 0) {
        oursNs = await ours();
        floorNs = await c();
      } else {
        floorNs = await c();
        oursNs = await ours();
      }
      if (round >= 0) figures[index].push({ oursNs, floorNs });
    }
  }
  for (const child of children) checkAnswers(child);

  const summaries = CASES.map((testCase, index) => summarise(testCase, figures[index]));
  const few = summaries[CASES.findIndex((c) => c.operation === "args" && c.argc === FEW)];
  const many = summaries[CASES.findIndex((c) => c.operation === "args" && c.argc === MANY)];
  const slope = slopeOf(few, many);
  printReport(
    {
      title: "Processes: the public API beside the same system calls in C",
      notes: [
        `Medians of ${rounds} interleaved rounds on live child processes with ${FEW} arguments each (one has ${MANY}); ratios are medians of each round's ratio.`,
        systemCalls === null
          ? "System calls not compared: strace is not installed."
          : "System calls compared by strace: the addon and the C loop make the same ones in the same order.",
        `One more argument costs ${(slope.nsPerArgument / 1e3).toFixed(3)} µs, ${(slope.aboveFloorNs / 1e3).toFixed(3)} µs above the C loop (target ≤ ${NS_PER_ARGUMENT / 1e3} µs: ${verdict(slope.isMet)}).`,
      ],
      columns: ["", "pidentity", "C loop", "ratio", "target", ""],
      rows: summaries.map(rowOf),
      figures: { cases: summaries, slope, systemCalls },
    },
    format,
  );
} finally {
  await floor.end();
  await Promise.all(children.map((child) => child.end()));
}
