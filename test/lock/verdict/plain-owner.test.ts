/** The owner of a plain lock, by its pid and start time. */
import { describe, expect, test } from "vitest";
import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import { judgeOwner, type OwnerFacts } from "../../../lib/lock/verdict/owner.js";
import type { OwnerJudgement } from "../../../lib/lock/verdict/owner-judgement.js";
import { HOST, INSIDE, payload, ALIVE, ABSENT, never, look, on, facts } from "./owner-facts.js";

describe("a plain lock's pid and start time", () => {
  const identity = (changes: Partial<ProcessIdentity>) => () => ({ ...ALIVE, ...changes });

  test.each<[string, Record<string, unknown>, Partial<OwnerFacts>, Partial<OwnerJudgement>]>([
    ["equal start time", { starttime: 1000 }, {}, { state: "same", reason: "start-time-equal" }],
    [
      "another start time",
      { starttime: 1001 },
      {},
      { state: "gone", reason: "start-time-differs", end: "recycled-pid" },
    ],
    [
      "another start time, but the one that its process reads in its time namespace",
      { starttime: 1250 },
      { startTimeOffsetOf: () => 250 },
      { state: "same", reason: "start-time-equal" },
    ],
    [
      "no start time recorded",
      {},
      {},
      { state: "unknown", reason: "unproven", undecidable: false },
    ],
    [
      "start time hidden now",
      { starttime: 1000 },
      { identity: identity({ startTime: null }) },
      { state: "unknown", reason: "access-denied", undecidable: true },
    ],
    [
      "start time not to be had",
      { starttime: 1000 },
      { identity: identity({ startTime: null, reason: "unsupported", state: "unknown" }) },
      { reason: "unsupported", undecidable: true },
    ],
    [
      "pid absent",
      { starttime: 1000 },
      { identity: () => ABSENT },
      { state: "gone", reason: "no-such-process", end: "dead-pid" },
    ],
    [
      "pid a zombie",
      {},
      { identity: identity({ state: "gone", reason: "zombie" }) },
      { reason: "zombie", end: "dead-pid" },
    ],
    [
      "pid exited",
      {},
      { identity: identity({ state: "gone", reason: "exited" }) },
      { reason: "exited", end: "dead-pid" },
    ],
    [
      "pid a thread's",
      {},
      { identity: identity({ state: "gone", reason: "thread-id" }) },
      { reason: "thread-id", end: "dead-pid" },
    ],
    [
      "pid impossible",
      {},
      { identity: identity({ state: "gone", reason: "invalid-pid" }) },
      { reason: "invalid-pid", end: "dead-pid" },
    ],
    [
      "denied",
      {},
      { identity: identity({ state: "unknown", reason: "access-denied", startTime: null }) },
      { state: "unknown", reason: "access-denied", undecidable: true },
    ],
    [
      "denied, another start time seen all the same",
      { starttime: 1001 },
      { identity: identity({ state: "unknown", reason: "access-denied" }) },
      { state: "unknown", reason: "access-denied", undecidable: true },
    ],
    [
      "started after the time since boot",
      { starttime: 60_000 },
      {},
      { state: "gone", reason: "earlier-boot", end: "dead-pid" },
    ],
    [
      // A container's time since boot may be lxcfs's: then a live owner would have started after it.
      "started after the time since boot, hidden now",
      { starttime: 60_000 },
      { identity: identity({ startTime: null }) },
      { state: "unknown", reason: "access-denied", undecidable: true },
    ],
    [
      "started after the time since boot, liveness denied",
      { starttime: 60_000 },
      { identity: identity({ state: "unknown", reason: "access-denied", startTime: null }) },
      { state: "unknown", reason: "access-denied", undecidable: true },
    ],
    [
      "started after the time since boot, which is not known",
      { starttime: 60_000 },
      { sinceBootTicks: () => null },
      { state: "gone", reason: "start-time-differs", end: "recycled-pid" },
    ],
    [
      "started at the time since boot",
      { starttime: 50_000 },
      { identity: identity({ startTime: 50_000 }) },
      { reason: "start-time-equal" },
    ],
    [
      "started within the rounding of the time since boot",
      { starttime: 50_002 },
      {},
      { reason: "start-time-differs" },
    ],
    ["no pid", { pid: null }, {}, { state: "unknown", reason: "missing-pid", undecidable: false }],
    [
      "no start time recorded, and none shown either",
      {},
      { identity: identity({ startTime: null }) },
      { state: "unknown", reason: "unproven", undecidable: false },
    ],
    [
      "a start time in a unit that is not known",
      { starttime: 1000 },
      { host: { platform: "win32", startTimeOffset: 0 } },
      { state: "unknown", reason: "unproven", undecidable: false },
    ],
    [
      "Android counts from boot as Linux does",
      { starttime: 60_000 },
      { host: { platform: "android", startTimeOffset: 0 } },
      { state: "gone", reason: "earlier-boot", end: "dead-pid" },
    ],
  ])("a plain lock is judged by pid and start time: %s", (_name, fields, changes, expected) => {
    const judged = judgeOwner(payload(fields), facts(changes));
    expect(judged).toMatchObject({ needsNestedLook: false, ...expected });
  });

  test("the time since boot says nothing about other platforms' start times", () => {
    const judged = judgeOwner(
      payload({ starttime: 60_000 }),
      facts({ host: { platform: "darwin", startTimeOffset: 0 }, sinceBootTicks: never }),
    );
    expect(judged).toMatchObject({ state: "unknown", end: null });
  });

  test.each([
    // The host has been up for 50 000 ticks, and this process's namespace adds so many.
    [-10_000, 45_000, "start-time-differs"],
    [10_000, 55_000, "start-time-differs"],
    [10_000, 60_003, "earlier-boot"],
    [-10_000, 50_003, "earlier-boot"],
  ] as const)(
    "in a time namespace of %s ticks a start at %s is: %s",
    (startTimeOffset, starttime, reason) => {
      const host = { platform: "linux", startTimeOffset } as const;
      expect(judgeOwner(payload({ starttime }), facts({ host }))).toMatchObject({ reason });
    },
  );

  test("no start proves an earlier boot in a time namespace whose offset is not known", () => {
    const host = { platform: "linux", startTimeOffset: null } as const;
    const judged = judgeOwner(payload({ starttime: 60_000 }), facts({ host }));
    expect(judged.reason).not.toBe("earlier-boot");
  });
});

describe("a plain lock names no host", () => {
  const lock = payload({ starttime: 1000 });
  const UNDECIDABLE = { state: "unknown", end: null, undecidable: true, needsNestedLook: false };

  test.each(["network", "unlisted"] as const)(
    "a plain lock's pid means nothing on a file system that is %s",
    (kind) => {
      const all = { fileSystem: on(kind), identity: never, nested: null };
      for (const plainLocks of ["judge", "keep"] as const) {
        expect(judgeOwner(lock, facts({ ...all, plainLocks }))).toEqual({
          ...UNDECIDABLE,
          reason: "other-host",
        });
      }
    },
  );

  test.each(["local", "fuse"] as const)(
    "a plain lock's pid counts on a file system that is %s",
    (kind) => {
      expect(judgeOwner(lock, facts({ fileSystem: on(kind) }))).toMatchObject({ state: "same" });
      const dead = facts({ fileSystem: on(kind), identity: () => ABSENT });
      expect(judgeOwner(lock, dead)).toMatchObject({ state: "gone" });
    },
  );

  test("a lock without pid is the same on every file system", () => {
    const without = payload({ pid: null });
    for (const kind of ["local", "network", "unlisted"] as const) {
      expect(judgeOwner(without, facts({ fileSystem: on(kind) }))).toMatchObject({
        reason: "missing-pid",
        undecidable: false,
      });
    }
  });
});

describe("a plain lock names no pid namespace", () => {
  const GONE = { state: "gone", end: "dead-pid" } as const;
  const dead = { identity: () => ABSENT };
  const KEPT = { state: "unknown", reason: "other-pid-namespace", undecidable: true } as const;
  const ALIVE_THERE = { state: "same", reason: "start-time-equal", end: null } as const;

  test.each<[string, Record<string, unknown>, Partial<OwnerFacts>, Partial<OwnerJudgement>]>([
    ["no container has that pid", { starttime: 1000 }, { nested: look() }, GONE],
    [
      "a container's process has it, with that start time",
      { starttime: 1000 },
      { nested: look([{ startTime: 1000 }]) },
      ALIVE_THERE,
    ],
    [
      "with that start time as read in this process's time namespace",
      { starttime: 1300 },
      {
        nested: look([{ startTime: 1000 }]),
        host: { platform: "linux", startTimeOffset: 300 },
      },
      ALIVE_THERE,
    ],
    [
      "with that start time as read in its own",
      { starttime: 1700 },
      { nested: look([{ startTime: 1000, startTimeOffset: 700 }]) },
      ALIVE_THERE,
    ],
    [
      "with that start time, its own offset not known",
      { starttime: 1000 },
      { nested: look([{ startTime: 1000, startTimeOffset: null }]) },
      ALIVE_THERE,
    ],
    ["with another start time", { starttime: 1000 }, { nested: look([{ startTime: 1001 }]) }, GONE],
    [
      "one of several has that start time",
      { starttime: 1000 },
      { nested: look([{ startTime: 1 }, { startTime: 1000 }, { startTime: null }]) },
      ALIVE_THERE,
    ],
    [
      "its start time may not be read",
      { starttime: 1000 },
      { nested: look([{ startTime: 1 }, { startTime: null }]) },
      KEPT,
    ],
    ["no start time was recorded", {}, { nested: look([{}]) }, KEPT],
    ["no start time was recorded, and none has that pid", {}, { nested: look() }, GONE],
    [
      "some process may be hidden from the host",
      { starttime: 1000 },
      { nested: look([], { isComplete: false }) },
      KEPT,
    ],
    [
      "some process may be hidden, and another has that start time",
      { starttime: 1000 },
      { nested: look([{ startTime: 1000 }], { isComplete: false }) },
      ALIVE_THERE,
    ],
    [
      // Other containers' processes cannot be seen: as in other programs the pid decides.
      "some process may be hidden inside a container",
      { starttime: 1000 },
      { nested: look([], { isComplete: false }), tokenHost: INSIDE },
      GONE,
    ],
    [
      "a container in the container has that pid",
      { starttime: 1000 },
      { nested: look([{ startTime: 1000 }]), tokenHost: INSIDE },
      ALIVE_THERE,
    ],
    [
      "where this process runs is not known, and some process may be hidden",
      { starttime: 1000 },
      {
        nested: look([], { isComplete: false }),
        tokenHost: { ...HOST, pidNamespace: null, initialPidNamespace: false },
      },
      KEPT,
    ],
  ])(
    "a plain lock's pid that is dead on the host may be a container's: %s",
    (_name, fields, changes, expected) => {
      expect(judgeOwner(payload(fields), facts({ ...dead, ...changes }))).toMatchObject({
        needsNestedLook: false,
        ...expected,
      });
    },
  );

  test.each<[string, number | null, Partial<ProcessIdentity>]>([
    ["recycled here", 1001, {}],
    ["of an earlier boot", 60_000, {}],
    ["unproven here", null, {}],
    ["a zombie here", null, { state: "gone", reason: "zombie" }],
  ])("a plain lock whose pid is alive in a container is kept: %s", (_name, starttime, changes) => {
    const nested = look([{ startTime: starttime ?? 4711 }]);
    const judged = judgeOwner(
      payload(starttime === null ? {} : { starttime }),
      facts({ identity: () => ({ ...ALIVE, ...changes }), nested }),
    );
    expect(judged).toMatchObject(starttime === null ? KEPT : ALIVE_THERE);
  });

  test.each<[string, Partial<OwnerFacts>, boolean]>([
    ["dead, on a host", dead, true],
    ["dead, in a container", { ...dead, tokenHost: INSIDE }, true],
    ["dead, on Android", { ...dead, host: { platform: "android", startTimeOffset: 0 } }, true],
    ["dead, on macOS", { ...dead, host: { platform: "darwin", startTimeOffset: 0 } }, false],
    ["dead, on Windows", { ...dead, host: { platform: "win32", startTimeOffset: 0 } }, false],
    ["recycled", { identity: () => ({ ...ALIVE, startTime: 5 }) }, true],
    ["alive", {}, false],
    ["denied", { identity: () => ({ ...ALIVE, startTime: null }) }, false],
    ["another machine's", { ...dead, fileSystem: on("network") }, false],
    ["kept anyway", { ...dead, plainLocks: "keep" }, false],
  ])(
    "nothing follows from a plain lock's pid until its host has looked: %s",
    (_name, changes, expected) => {
      const judged = judgeOwner(payload({ starttime: 1000 }), facts({ nested: null, ...changes }));
      expect(judged.needsNestedLook).toBe(expected);
    },
  );

  test("an unproven owner is not foreign before its host has looked", () => {
    expect(judgeOwner(payload({}), facts({ nested: null }))).toMatchObject({
      reason: "unproven",
      needsNestedLook: true,
    });
  });
});

test.each<[string, Record<string, unknown>, Partial<OwnerFacts>, string]>([
  ["dead", {}, { identity: () => ABSENT }, "plain-lock"],
  ["recycled", { starttime: 1001 }, {}, "plain-lock"],
  ["of an earlier boot", { starttime: 60_000 }, {}, "plain-lock"],
  ["unproven", {}, {}, "plain-lock"],
  // Overdue, or an orphan of this process's pid: neither may cost it its lock.
  ["alive", { starttime: 1000 }, {}, "plain-lock"],
  ["denied", {}, { identity: () => ({ ...ALIVE, state: "unknown" }) }, "access-denied"],
])(
  "a caller who keeps plain locks keeps one whose owner is %s",
  (_name, fields, changes, reason) => {
    const judged = judgeOwner(
      payload(fields),
      facts({ ...changes, plainLocks: "keep", nested: null }),
    );
    expect(judged).toEqual({
      state: "unknown",
      reason,
      end: null,
      undecidable: true,
      needsNestedLook: false,
    });
  },
);
