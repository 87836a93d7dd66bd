/** All processes and the children of one: beside the same system calls in C, and beside the packages that spawn. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";

import { atLeast, atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { compileFloor, startFloors } from "../measure/floor.mjs";
import { interleave, timeEach } from "../measure/interleave.mjs";
import { startCrowd, startLiveProcess } from "../measure/live-processes.mjs";
import { importProduct } from "../product.mjs";

const { getProcessChildren, listProcesses } = await importProduct("index.js");

// CommonJS.
const pidtree = createRequire(import.meta.url)("pidtree");
const execFileAsync = promisify(execFile);

export const title = "Lists: all processes and one's children, beside C and beside other packages";

const CROWD = 200;

/** @param {{ rounds: number }} options */
export async function run({ rounds }) {
  assert.equal(process.platform, "linux", "floor.c is for Linux");
  const { default: psList } = await import("ps-list");
  const crowd = await startCrowd(CROWD);
  const child = await startLiveProcess(5);
  const floors = await startFloors(compileFloor());
  try {
    const has = (pids) => {
      for (const pid of crowd.pids) assert.ok(pids.has(pid), String(pid));
    };
    const ours = (args) => async () => {
      const listed = await listProcesses({ args });
      has(new Set(listed.map(({ pid }) => pid)));
    };
    const ps = (fields) => async () => {
      const { stdout } = await execFileAsync("ps", ["-A", "-o", fields]);
      has(new Set(stdout.split("\n").map((line) => Number(line.trim().split(" ", 1)[0]))));
    };
    const inC = (operation) => () =>
      floors["C loop"].measure(operation, process.pid, { samples: 3, batch: 1 });
    const full = await compare(
      {
        pidentity: ours(true),
        "ps-list": async () => has(new Set((await psList()).map(({ pid }) => pid))),
        "one ps": ps("pid=,ppid=,lstart=,args="),
      },
      inC("list"),
      rounds,
    );
    const bare = await compare(
      { pidentity: ours(false), "one ps": ps("pid=,ppid=,lstart=") },
      inC("listWithoutArgs"),
      rounds,
    );
    const children = await compare(
      {
        pidentity: async () => {
          const found = await getProcessChildren(process.pid);
          assert.ok(found.some(({ pid }) => pid === child.pid));
        },
        pidtree: async () => assert.ok((await pidtree(process.pid)).includes(child.pid)),
      },
      inC("listWithoutArgs"),
      rounds,
    );
    const timesC = (measured) =>
      atMost("times the C loop", ratio(measured, "pidentity", "C loop"), 1.15);
    const faster = (measured, side, times) =>
      atLeast(`times faster than ${side}`, ratio(measured, side, "pidentity"), times);
    return {
      notes: [
        `Medians of ${rounds} interleaved rounds on this machine's processes and ${CROWD} more.`,
        "ps-list spawns one ps and reads its output; pidtree spawns one ps for the tree of one process.",
      ],
      measurements: [
        toMeasurement({
          name: "all processes, with arguments",
          unit: "µs",
          rounds: full,
          targets: [timesC(full), faster(full, "ps-list", 50), faster(full, "one ps", 5)],
        }),
        toMeasurement({
          name: "all processes, without arguments",
          unit: "µs",
          rounds: bare,
          targets: [timesC(bare)],
        }),
        toMeasurement({
          name: "children of one process",
          unit: "µs",
          rounds: children,
          targets: [faster(children, "pidtree", 100)],
        }),
      ],
    };
  } finally {
    await Promise.all(Object.values(floors).map((floor) => floor.end()));
    await child.end();
    await crowd.end();
  }
}

/** @returns {Promise<Record<string, number[]>[]>} microseconds */
async function compare(sides, inC, rounds) {
  for (const ask of Object.values(sides)) await ask();
  return await interleave(
    [
      ...Object.entries(sides).map(([name, ask]) => ({ name, run: () => timeEach(ask, 3) })),
      { name: "C loop", run: inC },
    ],
    { rounds },
  );
}
