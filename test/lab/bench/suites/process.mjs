/**
 * The public questions about processes: beside the same system calls in C, beside the packages that people
 * use for them, and what importing the package costs.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { median } from "simple-statistics";

import { askBesideFloor } from "../ask.mjs";
import { compareSystemCalls } from "../measure/compare-system-calls.mjs";
import { atLeast, atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { compileFloor, startFloors } from "../measure/floor.mjs";
import { interleave, timeEach } from "../measure/interleave.mjs";
import { absentPids, startCrowd, startLiveProcess } from "../measure/live-processes.mjs";
import { watchLoop } from "../measure/loop-health.mjs";
import { OPERATIONS } from "../operations.mjs";
import { importProduct, productUrl } from "../product.mjs";
import { runNode } from "../programs.mjs";

const {
  getProcessArgs,
  getProcessStartTime,
  inspectProcess,
  inspectProcesses,
  isPidAlive,
  nativeStatus,
} = await importProduct("index.js");

// systeminformation, pidusage: CommonJS.
const require = createRequire(import.meta.url);
const execFileAsync = promisify(execFile);

export const title = "Processes: the public API beside C and beside other packages";

const FEW = 5;
const MANY = 500;
const US_PER_ARGUMENT = 0.15;

// `times` and `perArgument`: at most times × the C loop, + US_PER_ARGUMENT for each argument. null: no target.
const QUESTIONS = [
  { name: "isPidAlive", operation: "isAlive", argc: FEW, times: 1.1 },
  { name: "getProcessStartTime", operation: "startTime", argc: FEW, times: 1.08 },
  { name: "getProcessArgs", operation: "args", argc: FEW, times: 1.1, perArgument: true },
  {
    name: "getProcessArgs, 500 arguments",
    operation: "args",
    argc: MANY,
    times: 1.1,
    perArgument: true,
  },
  { name: "inspectProcess, all fields", operation: "inspect", argc: FEW, times: 1.15 },
  { name: "inspectProcess, args: false", operation: "inspectWithoutArgs", argc: FEW, times: null },
];

const GROUP = 200;

/** @param {{ rounds: number }} options */
export async function run({ rounds }) {
  assert.equal(process.platform, "linux", "floor.c is for Linux");
  assert.equal(nativeStatus().backend, "native", String(nativeStatus().error));
  const children = {
    [FEW]: await Promise.all([FEW, FEW, FEW].map((count) => startLiveProcess(count))),
    [MANY]: [await startLiveProcess(MANY)],
  };
  const path = compileFloor();
  const floors = await startFloors(path);
  try {
    const all = Object.values(children).flat();
    for (const child of all) checkAnswers(child);
    const isCompared = compareSystemCalls(
      path,
      all[0].pid,
      Object.keys(OPERATIONS).filter((operation) => operation !== "identity"),
    );
    const measurements = [];
    const roundsOf = new Map();
    for (const question of QUESTIONS) {
      const pids = children[question.argc].map(({ pid }) => pid);
      const measured = await askBesideFloor({ ...question, pids }, floors, rounds);
      roundsOf.set(question, measured);
      measurements.push(summariseQuestion(question, measured));
    }
    for (const child of all) checkAnswers(child);
    measurements.push(
      slope(
        ...QUESTIONS.filter(({ operation }) => operation === "args").map((q) => roundsOf.get(q)),
      ),
      await onePid(children[FEW][0], Math.min(rounds, 15)),
      ...(await withCrowd(GROUP, (crowd) =>
        manyPids(crowd, floors["C loop"], Math.min(rounds, 15)),
      )),
      await withCrowd(2000, (crowd) => wholeMachine(crowd, Math.min(rounds, 9))),
      await importCost(Math.max(rounds, 31)),
    );
    return {
      notes: [
        `Medians of ${rounds} interleaved rounds (15 beside packages that spawn) on live child processes with ${FEW} arguments each (one has ${MANY}); ratios are medians of each round's ratio.`,
        isCompared
          ? "System calls compared by strace: the addon and the C loop make the same ones in the same order."
          : "System calls not compared: strace is not installed.",
        "Beside a thread: as in every Node. The kernel does more for each use of a descriptor that threads share; the targets are about the C loop without one.",
        "ps-list and systeminformation always list the whole machine; find-process asks for one pid at a time.",
      ],
      measurements,
    };
  } finally {
    await Promise.all(Object.values(floors).map((floor) => floor.end()));
    await Promise.all(
      Object.values(children)
        .flat()
        .map((child) => child.end()),
    );
  }
}

/** For no longer than needed: whoever lists the whole machine has to list the crowd, too. */
async function withCrowd(count, work) {
  const crowd = await startCrowd(count);
  try {
    return await work(crowd);
  } finally {
    await crowd.end();
  }
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

function summariseQuestion({ name, argc, times, perArgument = false }, rounds) {
  if (times === null) return toMeasurement({ name, unit: "µs", rounds });
  // The allowance per argument, as a multiple of the C loop: so that one number is compared.
  const allowance = perArgument
    ? median(rounds.map((round) => (US_PER_ARGUMENT * argc) / median(round["C loop"])))
    : 0;
  const limit = Math.round((times + allowance) * 100) / 100;
  const what = perArgument
    ? `times the C loop (${times} + ${US_PER_ARGUMENT} µs per argument)`
    : "times the C loop";
  return toMeasurement({
    name,
    unit: "µs",
    rounds,
    targets: [atMost(what, ratio(rounds, "pidentity", "C loop"), limit)],
  });
}

/** What one more argument costs above the C loop. */
function slope(few, many) {
  const slopes = few.map((round, i) => {
    const above = (from) => median(from["pidentity"]) - median(from["C loop"]);
    return (above(many[i]) - above(round)) / (MANY - FEW);
  });
  const what = "each argument, above the C loop";
  return toMeasurement({
    name: "getProcessArgs, per argument",
    unit: "µs",
    rounds: [],
    targets: [atMost(what, median(slopes), US_PER_ARGUMENT, "µs")],
  });
}

/** One process, all that can be had of it. */
async function onePid({ pid, argv }, rounds) {
  const { default: findProcess } = await import("find-process");
  const { default: psList } = await import("ps-list");
  const pidusage = require("pidusage");
  const systeminformation = require("systeminformation");
  const hasCommand = (text) => assert.ok(text.includes(argv.at(-1)), text);
  const sides = {
    pidentity: () => assert.deepEqual(inspectProcess(pid).args, argv),
    "fs.readFile on /proc": async () => {
      const files = ["stat", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8"));
      const [, commandLine] = await Promise.all(files);
      hasCommand(commandLine);
    },
    "pidusage (no arguments)": async () => assert.equal((await pidusage(pid)).pid, pid),
    "ps spawned": async () => {
      const fields = ["-o", "pid=,ppid=,lstart=,args=", "-p", String(pid)];
      hasCommand((await execFileAsync("ps", fields)).stdout);
    },
    "find-process": async () => hasCommand((await findProcess("pid", pid))[0].cmd),
    "ps-list": async () => {
      hasCommand((await psList()).find((found) => found.pid === pid).cmd);
    },
    systeminformation: async () => {
      const { list } = await systeminformation.processes();
      assert.ok(list.some((found) => found.pid === pid));
    },
  };
  for (const ask of Object.values(sides)) await ask();
  const measured = await interleave(
    Object.entries(sides).map(([name, ask]) => ({
      name,
      run: async () => {
        // It gives remembered answers for half a second.
        if (name === "systeminformation") await delay(600);
        return await timeEach(ask, name === "pidentity" ? 100 : 1);
      },
    })),
    { rounds },
  );
  const spawning = ["find-process", "ps-list", "systeminformation"];
  return toMeasurement({
    name: "one process, all fields",
    unit: "µs",
    rounds: measured,
    targets: [
      atLeast(
        "times faster than the fastest package that spawns",
        Math.min(...spawning.map((side) => ratio(measured, side, "pidentity"))),
        500,
      ),
    ],
  });
}

/** A group of processes at once. */
async function manyPids({ pids, argv }, floor, rounds) {
  const pidusage = require("pidusage");
  const list = pids.join(",");
  const commandLine = argv.join(" ");
  const ours = (args) => async () => {
    const found = await inspectProcesses(pids, { args });
    assert.equal(found.size, GROUP);
    for (const { args: read } of found.values()) assert.equal(read?.length ?? 0, args ? 5 : 0);
  };
  const ps = (fields) => async () => {
    const { stdout } = await execFileAsync("ps", ["-o", fields, "-p", list]);
    assert.equal(stdout.trim().split("\n").length, GROUP);
  };
  const withArguments = {
    pidentity: ours(true),
    "fs.readFile on /proc": async () => {
      const texts = await Promise.all(
        pids.map(async (pid) => {
          const [, text] = await Promise.all([
            readFile(`/proc/${pid}/stat`, "utf8"),
            readFile(`/proc/${pid}/cmdline`, "utf8"),
          ]);
          return text;
        }),
      );
      for (const text of texts) assert.equal(text.split("\0").join(" ").trim(), commandLine);
    },
    "one ps for all": ps("pid=,ppid=,lstart=,args="),
  };
  // pidusage reads no arguments: it is beside the answers that have none either.
  const without = {
    pidentity: ours(false),
    pidusage: async () => {
      assert.equal(Object.keys(await pidusage(pids)).length, GROUP);
    },
    "one ps for all": ps("pid=,ppid=,lstart="),
  };
  const measureSides = async (sides, operation) => {
    for (const ask of Object.values(sides)) await ask();
    return await interleave(
      [
        ...Object.entries(sides).map(([name, ask]) => ({ name, run: () => timeEach(ask, 3) })),
        {
          name: "C loop",
          run: () => floor.measure(operation, list, { samples: 3, batch: 1 }),
        },
      ],
      { rounds },
    );
  };
  const full = await measureSides(withArguments, "inspect");
  const bare = await measureSides(without, "inspectWithoutArgs");
  const reach = ratio(bare, "pidusage", "C loop");
  const timesFloor = (measured) =>
    atMost("times the C loop", ratio(measured, "pidentity", "C loop"), 1.1);
  return [
    toMeasurement({
      name: `${GROUP} processes at once, with arguments`,
      unit: "µs",
      rounds: full,
      targets: [
        timesFloor(full),
        atLeast("times faster than one ps for all", ratio(full, "one ps for all", "pidentity"), 3),
      ],
    }),
    toMeasurement({
      name: `${GROUP} processes at once, without arguments`,
      unit: "µs",
      rounds: bare,
      targets: [
        timesFloor(bare),
        atLeast(
          "times faster than pidusage, which reads no arguments either",
          ratio(bare, "pidusage", "pidentity"),
          2,
        ),
        atLeast("times faster than one ps for all", ratio(bare, "one ps for all", "pidentity"), 5),
      ],
      remarks: [
        `the C loop itself is ${reach.toFixed(2)} times as fast as pidusage, which keeps the stat of each process open from one call to the next, and reads in four threads`,
      ],
    }),
  ];
}

/** As many pids as a machine can have, most of them of nobody; the event loop must not notice. */
async function wholeMachine({ pids: alive }, rounds) {
  const pids = [...alive, ...absentPids(30_000 - alive.length)];
  const measured = [];
  const health = [];
  for (let round = -1; round < rounds; round++) {
    const { value, ...found } = await watchLoop(() => inspectProcesses(pids));
    const living = [...value.values()].filter(({ state }) => state === "alive");
    assert.deepEqual([value.size, living.length], [pids.length, alive.length]);
    if (round < 0) continue;
    measured.push({ pidentity: [found.ms] });
    health.push(found);
  }
  const p99 = median(health.map(({ delayP99Ms }) => delayP99Ms));
  const worst = median(health.map(({ delayMaxMs }) => delayMaxMs));
  return toMeasurement({
    name: "30 000 pids, 2 000 of them alive",
    unit: "ms",
    rounds: measured,
    targets: [
      atMost("event-loop delay, p99", p99, 5, "ms"),
      atMost("event-loop delay, longest", worst, 15, "ms"),
    ],
    remarks: [
      describeCollector(health),
      "a slice ends after 4 ms; a round has some 15 of them, so its p99 is its longest delay",
    ],
  });
}

/** What of the delay the garbage collector made: the answers alone are 4 MB that it has to copy. */
function describeCollector(health) {
  const pauses = health.map(({ gcMaxMs }) => gcMaxMs);
  const undisturbed = health.filter(({ gcMaxMs }) => gcMaxMs < 1);
  const without =
    undisturbed.length === 0
      ? "no round was without one"
      : `p99 of the ${undisturbed.length} of ${health.length} rounds without one of 1 ms or more: ${median(undisturbed.map(({ delayP99Ms }) => delayP99Ms)).toFixed(2)} ms`;
  return `the garbage collector's longest pause: ${median(pauses).toFixed(2)} ms (median of the rounds), ${Math.max(...pauses).toFixed(2)} ms (worst); ${without}`;
}

/** By entry point: at most so many milliseconds above an empty module. */
const IMPORT_MS = { pidentity: 5, "pidentity/session-lock": 8 };

/** Importing the package in a fresh process, beside a module that exports nothing. */
async function importCost(rounds) {
  const modules = {
    pidentity: productUrl("index.js"),
    "pidentity/session-lock": productUrl("session-lock/index.js"),
    "empty module": "data:text/javascript,export {}",
  };
  const measured = await interleave(
    Object.entries(modules).map(([name, url]) => ({
      name,
      run: async () => {
        const { ms, sharedObjects } = await runNode("import-once.mjs", [url]);
        const native = sharedObjects.filter((file) => file.endsWith(".node"));
        assert.deepEqual(native, [], `${name}: importing loads native code`);
        return [ms];
      },
    })),
    { rounds },
  );
  const above = (name) =>
    median(measured.map((round) => round[name][0] - round["empty module"][0]));
  return toMeasurement({
    name: "import in a fresh process",
    unit: "ms",
    rounds: measured,
    targets: Object.entries(IMPORT_MS).map(([name, limit]) =>
      atMost(`${name}, above an empty module`, above(name), limit, "ms"),
    ),
    remarks: [`${rounds} processes each; none had loaded native code`],
  });
}
