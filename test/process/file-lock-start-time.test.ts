/** The start time that a plain lock file carries: what its own writer would read, and what a judge takes for its owner's. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";

import { getFileLockProcessStartTime, getProcessStartTime } from "../../lib/index.js";
import { compareStartTime } from "../../lib/lock/verdict/start-time.js";
import { hostStartTime } from "../../lib/process/backends/procfs-parse.js";
import { fileLockStartTime } from "../../lib/process/file-lock-start-time.js";
import { inspectSessionLock } from "../../lib/session-lock/index.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { importDist } from "../support/locks/lock-holder.js";
import { requireLinux, requireNative, requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const IDLE = nodeArguments("console.log('ready'); process.stdin.resume();");

describe("in each platform's unit", () => {
  const at = 1_753_000_123_456_789;
  test.each([
    ["linux", 0, 132_119, 132_119],
    ["linux", 10_000, 132_119, 142_119],
    ["linux", -40_000, 132_119, 92_119],
    // Field 22 was 132 831 there: 132 831 - 712.3456789 rounded down.
    ["linux", 712.3456789, 132_118, 132_831],
    ["android", 0, 7, 7],
    ["darwin", 0, at, 1_753_000_123],
    ["win32", 0, at, 1_753_000_123_456],
  ] as const)("%s, offset %d: %d is written as %d", (platform, startTimeOffset, time, written) => {
    expect(fileLockStartTime(time, { platform, startTimeOffset })).toBe(written);
  });

  test("nothing is written where the time namespace is not known", () => {
    expect(fileLockStartTime(7, { platform: "linux", startTimeOffset: null })).toBeNull();
  });

  test("nothing is written of a process from before the zero of the time namespace", () => {
    // Field 22 shows a number near 2^64 ns there, which outside looks like a later boot's.
    expect(fileLockStartTime(7, { platform: "linux", startTimeOffset: -8 })).toBeNull();
  });
});

test("on Linux it is field 22 again, in whichever time namespace it was read", () => {
  // What timens_offsets can say: whole seconds and nanoseconds. Parts of a microsecond are lost in a double after years.
  const offset = fc
    .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 999_999 }))
    .map(([seconds, microseconds]) => seconds * 100 + microseconds / 1e4);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 36 }), offset, (field, startTimeOffset) => {
      fc.pre(field - startTimeOffset >= 0);
      const startTime = hostStartTime(field, startTimeOffset);
      expect(fileLockStartTime(startTime, { platform: "linux", startTimeOffset })).toBe(field);
    }),
    { numRuns: 5000 },
  );
});

test.each(["linux", "darwin", "win32"] as const)(
  "a judge on %s takes what was written for its owner's start time",
  (platform) => {
    const times = platform === "linux" ? { min: 0, max: 2 ** 40 } : { min: 1e15, max: 7.3e15 };
    fc.assert(
      fc.property(
        fc.integer(times),
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        (startTime, offset) => {
          const host = { platform, startTimeOffset: platform === "linux" ? offset : 0 };
          const written = fileLockStartTime(startTime, host);
          const compared = compareStartTime(written, startTime, host, () => null);
          expect(compared).toBe(written === null ? "unknown" : "equal");
        },
      ),
    );
  },
);

test.each<[string, unknown]>([
  ["0", 0],
  ["a negative number", -1],
  ["a fraction", 1.5],
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["a number beyond every pid", 2 ** 40],
  ["a text", String(process.pid)],
  ["null", null],
  ["nothing", undefined],
  ["a symbol", Symbol("pid")],
  ["an object", { valueOf: () => process.pid }],
])("%s has no start time", (_, pid) => {
  expect(getFileLockProcessStartTime(pid as number)).toBeNull();
});

test("a process that has ended has none", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  expect(getFileLockProcessStartTime(child.pid)).toBeNull();
});

test("on Linux it is what /proc shows to this process", async (context) => {
  requireLinux(context, "/proc");
  const child = await startReady(program("idle"));
  expect(getFileLockProcessStartTime(child.pid)).toBe(field22(child.pid));
});

describe("a plain lock file made of it", () => {
  beforeEach((context) => requireNative(context));

  test("is kept while its owner lives and removable once it is dead", async () => {
    const child = await startReady(process.execPath, IDLE);
    const lockPath = writePlainLock(child.pid, getFileLockProcessStartTime(child.pid));
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      pidAlive: true,
      ownerState: "same",
      ownerReason: "start-time-equal",
      removable: false,
    });
    await child.kill();
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      pidAlive: false,
      staleReasons: ["dead-pid"],
      removable: true,
    });
  });

  test("tells a later process of the same pid apart", async () => {
    const first = await startReady(process.execPath, IDLE);
    const startTime = getFileLockProcessStartTime(first.pid) ?? Number.NaN;
    // The same number with an earlier start, two seconds in its unit.
    const twoSeconds = process.platform === "win32" ? 2000 : process.platform === "linux" ? 200 : 2;
    const lockPath = writePlainLock(first.pid, startTime - twoSeconds);
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      ownerState: "gone",
      staleReasons: ["recycled-pid"],
      removable: true,
    });
  });
});

const OFFSETS = [
  ["100", "0"],
  ["-400", "0"],
  ["7", "123456789"],
  ["3600", "5000000"],
  ["12", "999999999"],
] as const;
const CASES = LINUX_BACKENDS.flatMap((name) => OFFSETS.map((offset) => [name, ...offset] as const));

test.for(CASES)(
  "%s: a lock written %s s and %s ns away says what its writer reads in /proc, and is its owner's to every judge",
  async ([name, seconds, nanoseconds], context) => {
    requireLinux(context, "time namespaces");
    requireRoot(context, "to make a time namespace");
    requireNative(context);
    backendNamed(name, context);
    const folder = temporaryFolder();
    const lockPath = join(folder, "plain.jsonl.lock");
    const inside = await startReady(
      program("in-time-namespace"),
      [
        seconds,
        nanoseconds,
        process.execPath,
        ...nodeArguments(
          `${importDist("acquireSessionWriteLockSync", "session-lock/index.js")}
           import { readFileSync, writeFileSync } from "node:fs";
           const lock = acquireSessionWriteLockSync({ sessionFile: ${JSON.stringify(join(folder, "own.jsonl"))} });
           const own = JSON.parse(readFileSync(lock.lockPath, "utf8")).starttime;
           const starttime = p.getFileLockProcessStartTime(process.pid);
           writeFileSync(${JSON.stringify(lockPath)}, JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString(), starttime }));
           const stat = readFileSync("/proc/self/stat", "latin1");
           const seen = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
           console.log(JSON.stringify({ seen, starttime, own }));
           process.stdin.resume();`,
        ),
      ],
      { env: environmentFor(name) },
    );
    const { seen, starttime, own } = JSON.parse(inside.first) as Record<string, number>;
    expect({ starttime, own }).toEqual({ starttime: seen, own: seen });
    expect(await inspectSessionLock(lockPath)).toMatchObject({ ownerState: "same" });
    const judgedInside = await runNode(
      `${importDist("inspectSessionLock", "session-lock/index.js")}
       console.log(JSON.stringify(await inspectSessionLock(${JSON.stringify(lockPath)})));`,
      { prefix: [program("in-time-namespace"), seconds, nanoseconds], env: environmentFor(name) },
    );
    expect(judgedInside).toMatchObject({ ownerState: "same", removable: false });
  },
);

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  test("it is what /proc shows", async (context) => {
    backendNamed(name, context);
    const child = await startReady(program("idle"));
    const seen = await runNode(
      `console.log(JSON.stringify([${child.pid}, 4_000_000, 0].map(p.getFileLockProcessStartTime)));`,
      { env: environmentFor(name) },
    );
    expect(seen).toEqual([field22(child.pid), null, null]);
  });
});

test("it is known wherever a start time is", () => {
  expect(getFileLockProcessStartTime(process.pid) === null).toBe(
    getProcessStartTime(process.pid) === null,
  );
});

function writePlainLock(pid: number, starttime: number | null): string {
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  writeFileSync(
    lockPath,
    JSON.stringify({ pid, createdAt: new Date().toISOString(), maxHoldMs: 300_000, starttime }),
  );
  return lockPath;
}

function field22(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}
