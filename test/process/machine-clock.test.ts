/** One time line for all processes of a boot, whatever runs them and whatever their namespaces pretend. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import {
  continuousMs,
  continuousReader,
  machineMonotonicMs,
  machineSinceBootMs,
  steadyMs,
} from "../../lib/process/machine-clock.js";
import { type RunningChild, runNode, start } from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { program } from "../support/processes/programs.js";
import {
  requireBinding,
  requireLinux,
  requireNative,
  requireRoot,
  requireRuntime,
  RUNTIMES,
} from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Clocks {
  readonly monotonicMs: number | null;
  readonly sinceBootMs: number | null;
  readonly steadyMs: number;
}

const READ = `
  ${importCompiled("machineMonotonicMs, machineSinceBootMs, steadyMs", "process/machine-clock.js")}
  console.log(JSON.stringify({
    monotonicMs: machineMonotonicMs(),
    sinceBootMs: machineSinceBootMs(),
    steadyMs: steadyMs(),
  }));`;

function readHere(): Clocks {
  return {
    monotonicMs: machineMonotonicMs(),
    sinceBootMs: machineSinceBootMs(),
    steadyMs: steadyMs(),
  };
}

/** A fraction of a nanosecond is lost in each of them, and an offset of a namespace has its own. */
const ROUNDING_MS = 0.001;

/** Those clocks of which `seen` was not read between `before` and `after`. */
function clocksAstray(before: Clocks, seen: Clocks, after: Clocks): unknown[] {
  return (["monotonicMs", "sinceBootMs"] as const).flatMap((clock) => {
    const [least, answer, most] = [before[clock], seen[clock], after[clock]];
    const isBetween =
      least === null || most === null || answer === null
        ? least === answer
        : answer >= least - ROUNDING_MS && answer <= most + ROUNDING_MS;
    return isBetween ? [] : [{ clock, least, answer, most }];
  });
}

describe.each(RUNTIMES)("%s", (runtime) => {
  test("reads the machine's clocks, not one that began with the process", async (context) => {
    requireNative(context);
    const script = join(temporaryFolder(), "clocks.mjs");
    writeFileSync(script, READ);
    const [file, ...args] = [...requireRuntime(context, runtime), script];
    const before = readHere();
    const child: RunningChild = await start(file, args);
    const seen = JSON.parse(await child.line()) as Clocks;
    expect(clocksAstray(before, seen, readHere())).toEqual([]);
  });
});

test.for([
  ["1000", "0"],
  ["-100", "0"],
  ["86400", "123456789"],
] as const)(
  "a time namespace that is off by %s s and %s ns changes nothing",
  async ([seconds, nanoseconds], context) => {
    requireRoot(context, "to make a time namespace");
    requireNative(context);
    const prefix = [program("in-time-namespace"), seconds, nanoseconds];
    const before = readHere();
    const seen = (await runNode(READ, { prefix })) as Clocks;
    expect(clocksAstray(before, seen, readHere())).toEqual([]);
  },
);

test("a time namespace of the boot clock only, and of the monotonic one only, change nothing", async (context) => {
  requireRoot(context, "to make a time namespace");
  requireNative(context);
  for (const clock of ["--boottime", "--monotonic"]) {
    const prefix = ["unshare", "--time", clock, "36000", "--fork", "--kill-child"];
    const before = readHere();
    const seen = (await runNode(READ, { prefix })) as Clocks;
    expect(clocksAstray(before, seen, readHere())).toEqual([]);
  }
});

test("where the namespace's offset cannot be known there is no machine's clock, and still a steady one", async (context) => {
  requireRoot(context, "to hide /proc");
  requireNative(context);
  if ("ASAN_OPTIONS" in process.env) context.skip("sanitizers read their options from /proc");
  const prefix = ["unshare", "--mount", "sh", "-ec", `mount -t tmpfs none /proc\nexec "$@"`, "sh"];
  const before = steadyMs();
  const seen = (await runNode(READ, { prefix })) as Clocks;
  expect(seen).toMatchObject({ monotonicMs: null, sinceBootMs: null });
  expect(seen.steadyMs).toBeGreaterThan(before);
});

test("without the addon there is no machine's clock, and a steady one of the process's own", async () => {
  const env = { ...process.env, PIDENTITY_NO_NATIVE: "1" };
  const seen = (await runNode(READ, { env })) as Clocks;
  expect(seen).toMatchObject({ monotonicMs: null, sinceBootMs: null });
  expect(seen.steadyMs).toBeGreaterThan(0);
});

test("the steady clock is the machine's where it can be read: suspended time does not count", (context) => {
  const binding = requireBinding(context);
  const before = binding.monotonicMs() ?? Number.NaN;
  const steady = steadyMs();
  expect(steady).toBeGreaterThanOrEqual(before);
  expect(steady).toBeLessThanOrEqual(binding.monotonicMs() ?? Number.NaN);
});

test("the time since boot is known on Linux only", (context) => {
  requireNative(context);
  const isKnown = machineSinceBootMs() !== null;
  expect(isKnown).toBe(process.platform === "linux");
});

describe("the clock that goes on in suspend", () => {
  test("is the boot clock on Linux", (context) => {
    requireLinux(context, "CLOCK_BOOTTIME");
    const binding = requireBinding(context);
    const [before, now, after] = [binding.sinceBootMs(), continuousMs(), binding.sinceBootMs()];
    expect(now).toBeGreaterThanOrEqual(before ?? Infinity);
    expect(now).toBeLessThanOrEqual(after ?? 0);
  });

  test("counts without the addon what only the coarse clock has counted", () => {
    let [exactMs, uptimeMs] = [5, 70_000];
    const read = continuousReader(
      () => exactMs,
      () => uptimeMs,
    );
    expect(read()).toBe(5);
    exactMs += 1000.25;
    // In hundredths of a second.
    uptimeMs += 1010;
    expect(read()).toBe(1005.25);
    // Suspended for an hour.
    uptimeMs += 3_600_000;
    expect(read()).toBe(1005.25 + 3_600_010 - 0.25);
    // The coarse clock's rounding does not set it back, nor on.
    const resumed = read();
    exactMs += 1;
    uptimeMs += 10;
    expect(read()).toBe(resumed + 1);
    uptimeMs -= 10;
    expect(read()).toBe(resumed + 1);
  });
});
