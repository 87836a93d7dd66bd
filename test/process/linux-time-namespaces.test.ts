/** A time namespace shifts the clocks of its processes; names must stay. */
import { beforeEach, expect, test } from "vitest";

import { identifyProcess, inspectProcess, verifyProcess } from "../../lib/index.js";
import { machineMonotonicMs, machineSinceBootMs } from "../../lib/process/machine-clock.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";

beforeEach((context) => requireLinux(context, "time namespaces"));

/** Seconds and nanoseconds. -400 s: before it the machine's own init seems to have started. */
const OFFSETS = [
  ["100", "0"],
  ["-400", "0"],
  ["3600", "5000000"],
  ["7", "123456789"],
] as const;
const CASES = LINUX_BACKENDS.flatMap((name) => OFFSETS.map((offset) => [name, ...offset] as const));

test.for(CASES)(
  "%s: %s s and %s ns change no name and no start time",
  async ([name, seconds, nanoseconds], context) => {
    requireRoot(context, "to make a time namespace");
    backendNamed(name, context);
    const prefix = [program("in-time-namespace"), seconds, nanoseconds];
    const env = environmentFor(name);
    const tokens = [identifyProcess(), identifyProcess(1)];
    const seen = (await runNode(
      `${importCompiled("hostFacts", "process/identity.js")}
       const tokens = ${JSON.stringify(tokens)};
       const pids = [${process.pid}, 1];
       ${importCompiled("machineMonotonicMs, machineSinceBootMs", "process/machine-clock.js")}
       const { startTimeOffset, monotonicOffsetMs } = hostFacts();
       console.log(JSON.stringify({
         verdicts: tokens.map((token) => p.verifyProcess(token).state),
         starts: pids.map((pid) => p.getProcessStartTime(pid)),
         startedAt: p.inspectProcess(pids[0]).startedAtMs,
         startTimeOffset,
         monotonicOffsetMs,
         monotonicMs: machineMonotonicMs(),
         sinceBootMs: machineSinceBootMs(),
       }));`,
      { prefix, env },
    )) as {
      readonly verdicts: string[];
      readonly starts: number[];
      readonly startedAt: number;
      readonly startTimeOffset: number;
      readonly monotonicOffsetMs: number;
      readonly monotonicMs: number | null;
      readonly sinceBootMs: number | null;
    };

    const offset = Number(seconds) + Number(nanoseconds) / 1e9;
    expect(seen.startTimeOffset).toBeCloseTo(offset * 100, 6);
    expect(seen.monotonicOffsetMs).toBeCloseTo(offset * 1000, 5);
    // One time line for all: without the addon there is none.
    for (const [inside, outside] of [
      [seen.monotonicMs, machineMonotonicMs()],
      [seen.sinceBootMs, machineSinceBootMs()],
    ] as const) {
      const distance = Math.abs((inside ?? NaN) - (outside ?? NaN));
      const isAsItShould = name === "procfs" ? inside === null : distance < 5000;
      expect({ inside, outside, isAsItShould }).toMatchObject({ isAsItShould: true });
    }

    expect(seen.verdicts).toEqual(["same", "same"]);
    // A tick of rounding where the offset is no whole tick; none otherwise.
    const tolerance = Number.isInteger(offset * 100) ? 0 : 1;
    for (const [index, pid] of [process.pid, 1].entries()) {
      const difference =
        (seen.starts[index] ?? Number.NaN) - (inspectProcess(pid).startTime ?? Number.NaN);
      expect(Math.abs(difference)).toBeLessThanOrEqual(tolerance);
    }
    expect(Math.abs(seen.startedAt - (inspectProcess(process.pid).startedAtMs ?? 0))).toBeLessThan(
      50,
    );

    // And the other way round: named inside, verified outside.
    const [file = "", ...args] = prefix;
    const script = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
    const inner = await startReady(file, [...args, process.execPath, ...script], { env });
    expect(verifyProcess(inner.first)).toEqual({ state: "same", reason: "running" });
  },
);
