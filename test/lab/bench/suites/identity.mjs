/** Naming a process for good, and asking whether it is still the same one, beside the same system calls in C. */
import assert from "node:assert/strict";

import { askBesideFloor } from "../ask.mjs";
import { compareSystemCalls } from "../measure/compare-system-calls.mjs";
import { atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { compileFloor, startFloors } from "../measure/floor.mjs";
import { interleave, timeEach } from "../measure/interleave.mjs";
import { startLiveProcess } from "../measure/live-processes.mjs";
import { importProduct } from "../product.mjs";

const { identifyProcess, nativeStatus, verifyProcess } = await importProduct("index.js");

export const title = "Identity: naming a process and asking for it again";

/** @param {{ rounds: number }} options */
export async function run({ rounds }) {
  assert.equal(process.platform, "linux", "floor.c is for Linux");
  assert.equal(nativeStatus().backend, "native", String(nativeStatus().error));
  const children = await Promise.all([5, 5, 5].map((count) => startLiveProcess(count)));
  const pids = children.map(({ pid }) => pid);
  const path = compileFloor();
  const floors = await startFloors(path);
  try {
    const tokens = new Map(pids.map((pid) => [pid, identifyProcess(pid)]));
    const checkAnswers = () => {
      for (const [pid, token] of tokens) {
        assert.match(String(token), /^pi1\./);
        assert.equal(identifyProcess(pid), token);
        assert.deepEqual(verifyProcess(token), { state: "same", reason: "running" });
      }
      assert.equal(new Set(tokens.values()).size, pids.length);
    };
    checkAnswers();
    const isCompared = compareSystemCalls(path, pids[0], ["identity"]);
    const identify = await askBesideFloor({ operation: "identity", pids }, floors, rounds);
    const verify = await askBesideFloor(
      { operation: "identity", pids, ask: (pid) => verifyProcess(tokens.get(pid)) },
      floors,
      rounds,
    );
    const own = await interleave(
      [{ name: "pidentity", run: () => timeEach(() => identifyProcess(), 100) }],
      { rounds },
    );
    checkAnswers();

    const ended = await startLiveProcess(5);
    const token = identifyProcess(ended.pid);
    await ended.end();
    assert.equal(verifyProcess(token).state, "gone");

    return {
      notes: [
        `Medians of ${rounds} interleaved rounds on live child processes; ratios are medians of each round's ratio.`,
        isCompared
          ? "System calls compared by strace: identifyProcess and the C loop make the same ones in the same order."
          : "System calls not compared: strace is not installed.",
      ],
      measurements: [
        toMeasurement({
          name: "identifyProcess, another process",
          unit: "µs",
          rounds: identify,
          targets: [atMost("times the C loop", ratio(identify, "pidentity", "C loop"), 1.08)],
        }),
        toMeasurement({ name: "verifyProcess, still running", unit: "µs", rounds: verify }),
        toMeasurement({
          name: "identifyProcess, this process (remembered)",
          unit: "µs",
          rounds: own,
        }),
      ],
    };
  } finally {
    await Promise.all(Object.values(floors).map((floor) => floor.end()));
    await Promise.all(children.map((child) => child.end()));
  }
}
