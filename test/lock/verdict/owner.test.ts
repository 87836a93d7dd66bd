import { describe, expect, test } from "vitest";

import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../../lib/process/nested-processes.js";
import type { ProcessVerdict } from "../../../lib/process/judge-token.js";
import {
  formatToken,
  INITIAL_PID_NAMESPACE,
  type ProcessToken,
  type TokenHost,
} from "../../../lib/process/token.js";
import type { FileSystem, FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import { compareStartTime } from "../../../lib/lock/verdict/start-time.js";
import {
  isDiskOfThisMachine,
  type KernelEvidence,
  type KernelLockClaim,
  weighKernelLock,
} from "../../../lib/lock/verdict/kernel-evidence.js";
import { isPlain, tokenOf } from "../../../lib/lock/verdict/owner-token.js";
import { judgeOwner, type OwnerFacts } from "../../../lib/lock/verdict/owner.js";
import type { OwnerJudgement, OwnerReason } from "../../../lib/lock/verdict/owner-judgement.js";
import { parsePayload, type LockPayload } from "../../../lib/lock/protocol/payload.js";
import type { LockAttempt } from "../../../lib/lock/protocol/lock-fs.js";

const TOKEN: ProcessToken = {
  platform: "linux",
  hostDigest: "0123456789abcdef",
  hostnameDigest: "01234567",
  boot: "c0ffee",
  pidNamespace: INITIAL_PID_NAMESPACE,
  pid: 7,
  startTime: 1000,
  exactId: "55",
};
const EARLIER: ProcessToken = { ...TOKEN, boot: "deadbeef" };
const CONTAINER = "4026532001";

const HOST: TokenHost = {
  platform: "linux",
  hostDigest: "0123456789abcdef",
  hostnameDigest: "01234567",
  boot: "c0ffee",
  pidNamespace: INITIAL_PID_NAMESPACE,
  initialPidNamespace: true,
  isHostIdPinned: false,
};
const INSIDE: TokenHost = { ...HOST, pidNamespace: CONTAINER, initialPidNamespace: false };

function payload(fields: Record<string, unknown>): LockPayload {
  const parsed = parsePayload(Buffer.from(JSON.stringify({ pid: 7, ...fields })));
  if (parsed === null) throw new Error("no payload");
  return parsed;
}

const ALIVE: ProcessIdentity = {
  state: "alive",
  reason: "running",
  startTime: 1000,
  exactId: "55",
};
const ABSENT: ProcessIdentity = {
  state: "gone",
  reason: "no-such-process",
  startTime: null,
  exactId: null,
};

const RUNNING: ProcessVerdict = { state: "same", reason: "running" };
const DEAD: ProcessVerdict = { state: "gone", reason: "no-such-process" };
const HIDDEN: ProcessVerdict = { state: "unknown", reason: "other-pid-namespace" };

const never = (): never => {
  throw new Error("must not be asked");
};

/** What a look at containers found under the lock's pid. */
function look(
  processes: readonly Partial<NestedProcess>[] = [],
  { isComplete = true }: { isComplete?: boolean } = {},
): NestedProcesses {
  return {
    isComplete,
    having: (pid) => {
      expect(pid).toBe(7);
      return processes.map((known) => ({
        startTime: 9999,
        exactId: null,
        startTimeOffset: 0,
        pidNamespace: CONTAINER,
        ...known,
      }));
    },
  };
}

function on(kind: FileSystemKind, name: string | null = null): () => FileSystem {
  return () => ({ kind, name });
}

function facts(changes: Partial<OwnerFacts> = {}): OwnerFacts {
  return {
    kernel: "silent",
    verify: () => RUNNING,
    identity: () => ALIVE,
    host: { platform: "linux", startTimeOffset: 0 },
    tokenHost: HOST,
    sinceBootTicks: () => 50_000,
    startTimeOffsetOf: () => 0,
    fileSystem: on("local", "ext"),
    isOnOwnDisk: () => true,
    nested: look(),
    plainLocks: "judge",
    ...changes,
  };
}

describe("the kernel lock", () => {
  const locked = payload({ owner: formatToken(TOKEN), nonce: "n", kernelLock: "1:2" });

  test.each<[string, KernelEvidence, ProcessVerdict, Partial<OwnerJudgement>]>([
    ["held, token same", "held", RUNNING, { state: "same", reason: "kernel-lock-held" }],
    ["held, pid dead here", "held", DEAD, { state: "same", reason: "kernel-lock-held", end: null }],
    ["held, other pid namespace", "held", HIDDEN, { state: "same", undecidable: false }],
    [
      "free, token same: the thread that held it ended",
      "free",
      RUNNING,
      { state: "gone", end: "holder-gone" },
    ],
    [
      "free, pid dead: the plainer reason",
      "free",
      DEAD,
      { state: "gone", reason: "kernel-lock-free", end: "dead-pid" },
    ],
    ["free, pid recycled", "free", { state: "gone", reason: "recycled" }, { end: "recycled-pid" }],
    [
      "free, other pid namespace",
      "free",
      HIDDEN,
      { state: "gone", end: "holder-gone", undecidable: false, needsNestedLook: false },
    ],
    ["free on FUSE, token same", "free-unconfirmed", RUNNING, { state: "same", end: null }],
    [
      "free on FUSE, pid dead",
      "free-unconfirmed",
      DEAD,
      { state: "gone", reason: "kernel-lock-free", end: "dead-pid" },
    ],
    [
      "free on FUSE, a restarted container's predecessor",
      "free-unconfirmed",
      HIDDEN,
      { state: "gone", reason: "kernel-lock-free", end: "holder-gone", undecidable: false },
    ],
    [
      "free on FUSE, liveness denied",
      "free-unconfirmed",
      { state: "unknown", reason: "access-denied" },
      { state: "gone", reason: "kernel-lock-free", end: "holder-gone" },
    ],
    [
      "another mount of the overlay, token same",
      "other-mount",
      RUNNING,
      { state: "same", reason: "running", end: null },
    ],
    [
      "another mount of the overlay, pid dead",
      "other-mount",
      DEAD,
      { state: "gone", reason: "mount-gone", end: "dead-pid" },
    ],
    [
      "another mount of the overlay, a restarted container's predecessor",
      "other-mount",
      HIDDEN,
      { state: "gone", reason: "mount-gone", end: "holder-gone", undecidable: false },
    ],
    ["another view, token same", "other-view", RUNNING, { state: "same", reason: "running" }],
    ["another view, pid dead", "other-view", DEAD, { state: "gone", end: "dead-pid" }],
    ["another view, other pid namespace", "other-view", HIDDEN, { undecidable: true }],
    ["silent", "silent", RUNNING, { state: "same", reason: "running" }],
  ])("the kernel lock decides before anything else: %s", (_name, kernel, verdict, expected) => {
    expect(judgeOwner(locked, facts({ kernel, verify: () => verdict }))).toMatchObject(expected);
  });

  test.each<[string, Record<string, unknown>]>([
    ["no token", { nonce: "n" }],
    ["a token that cannot be read", { nonce: "n", owner: "garbage" }],
    ["a token of another pid", { nonce: "n", owner: formatToken({ ...TOKEN, pid: 9 }) }],
    ["a token of an earlier boot", { nonce: "n", owner: formatToken(EARLIER) }],
    ["a token of another machine", { owner: formatToken({ ...EARLIER, hostDigest: null }) }],
    ["no pid", { pid: null, nonce: "n" }],
    ["nothing but a pid and a kernel lock", {}],
  ])("a held kernel lock is respected whatever the lock says besides: %s", (_name, fields) => {
    const lock = payload({ kernelLock: "1:2", ...fields });
    const all = { verify: never, identity: never, fileSystem: never, isOnOwnDisk: never };
    expect(judgeOwner(lock, facts({ kernel: "held", ...all, nested: null }))).toEqual({
      state: "same",
      reason: "kernel-lock-held",
      end: null,
      undecidable: false,
      needsNestedLook: false,
    });
  });

  test("a free kernel lock ends a holder of an earlier boot, also on a disk that other machines may use", () => {
    const lock = payload({ owner: formatToken(EARLIER), nonce: "n", kernelLock: "1:2" });
    const judged = judgeOwner(lock, facts({ kernel: "free", isOnOwnDisk: () => false }));
    expect(judged).toMatchObject({ state: "gone", reason: "kernel-lock-free" });
  });

  // A token that would prove the owner alive is asked first, and may be asked only by a look at containers.
  test.each(["free-unconfirmed", "other-mount"] as const)(
    "a kernel lock that is %s ends no container's holder before its host has looked for it",
    (kernel) => {
      const inContainer = payload({
        owner: formatToken({ ...TOKEN, pidNamespace: CONTAINER }),
        nonce: "n",
        kernelLock: "1:2",
      });
      const unseen = facts({ kernel, verify: () => HIDDEN, nested: null });
      expect(judgeOwner(inContainer, unseen)).toMatchObject({
        state: "gone",
        needsNestedLook: true,
      });
      const seen = facts({ kernel, verify: () => HIDDEN });
      expect(judgeOwner(inContainer, seen)).toMatchObject({
        state: "gone",
        needsNestedLook: false,
      });
      // From another container there is no look.
      expect(judgeOwner(inContainer, { ...unseen, tokenHost: INSIDE })).toMatchObject({
        state: "gone",
        needsNestedLook: false,
      });
    },
  );
});

describe("the token", () => {
  const withToken = payload({ owner: formatToken(TOKEN) });

  test.each<[ProcessVerdict, Partial<OwnerJudgement>]>([
    [RUNNING, { state: "same", end: null, undecidable: false }],
    [DEAD, { state: "gone", end: "dead-pid" }],
    [
      { state: "gone", reason: "zombie" },
      { state: "gone", end: "dead-pid" },
    ],
    [
      { state: "gone", reason: "exited" },
      { state: "gone", end: "dead-pid" },
    ],
    [
      { state: "gone", reason: "recycled" },
      { state: "gone", end: "recycled-pid" },
    ],
    [
      { state: "unknown", reason: "other-host" },
      { state: "unknown", undecidable: true },
    ],
    [HIDDEN, { state: "unknown", undecidable: true }],
    [
      { state: "unknown", reason: "access-denied" },
      { state: "unknown", undecidable: true },
    ],
    [
      { state: "unknown", reason: "unsupported" },
      { state: "unknown", undecidable: true },
    ],
  ])("the token decides after the kernel lock: %j", (verdict, expected) => {
    const judged = judgeOwner(withToken, facts({ verify: () => verdict, identity: () => ABSENT }));
    expect(judged).toMatchObject({ reason: verdict.reason, needsNestedLook: false, ...expected });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["garbage", { owner: "garbage" }, "malformed"],
    ["a newer version", { owner: formatToken(TOKEN).replace("pi1.", "pi2.") }, "malformed"],
    ["no text", { owner: 12 }, "malformed"],
    ["null", { owner: null }, "malformed"],
    ["another pid than the lock's", { pid: 8, owner: formatToken(TOKEN) }, "pid-mismatch"],
    ["a lock without pid", { pid: null, owner: formatToken(TOKEN) }, "pid-mismatch"],
  ])("a token that cannot be relied on makes the owner unknown: %s", (_name, fields, reason) => {
    for (const kernel of ["silent", "free", "free-unconfirmed", "other-mount"] as const) {
      const judged = judgeOwner(payload(fields), facts({ kernel, identity: () => ABSENT }));
      expect(judged).toEqual({
        state: "unknown",
        reason,
        end: null,
        undecidable: true,
        needsNestedLook: false,
      });
    }
  });

  test.each<[ProcessVerdict, Partial<OwnerFacts>, ProcessToken, boolean]>([
    [HIDDEN, { nested: null }, { ...TOKEN, pidNamespace: CONTAINER }, true],
    [HIDDEN, { nested: null }, { ...TOKEN, pidNamespace: null }, true],
    [HIDDEN, { nested: look() }, { ...TOKEN, pidNamespace: CONTAINER }, false],
    [HIDDEN, { nested: null, tokenHost: INSIDE }, { ...TOKEN, pidNamespace: "4026532002" }, false],
    [{ state: "unknown", reason: "access-denied" }, { nested: null }, TOKEN, false],
    [
      { state: "unknown", reason: "other-host" },
      { nested: null },
      { ...TOKEN, boot: null, pidNamespace: CONTAINER },
      false,
    ],
  ])(
    "a look at containers may help after a token's verdict: %j, row %#",
    (verdict, changes, token, needsNestedLook) => {
      const lock = payload({ owner: formatToken(token), nonce: "n" });
      expect(judgeOwner(lock, facts({ verify: () => verdict, ...changes }))).toMatchObject({
        state: "unknown",
        undecidable: true,
        needsNestedLook,
      });
    },
  );
});

describe("a token of another boot", () => {
  const REBOOTED = { state: "gone", reason: "rebooted", end: "dead-pid", undecidable: false };
  const OTHER_HOST = { state: "unknown", reason: "other-host", end: null, undecidable: true };
  const lockOf = (token: ProcessToken) => payload({ owner: formatToken(token), nonce: "n" });

  test.each<[FileSystemKind, boolean, object]>([
    ["local", true, REBOOTED],
    // Virtual machines share folders and templates, and cloned ones their ids.
    ["local", false, OTHER_HOST],
    ["fuse", true, OTHER_HOST],
    ["network", true, OTHER_HOST],
    ["unlisted", true, OTHER_HOST],
  ])(
    "a token of another boot on a file system that is %s, on a disk of this machine only: %s",
    (kind, isOwnDisk, expected) => {
      const all = facts({
        fileSystem: on(kind),
        isOnOwnDisk: () => isOwnDisk,
        // Neither its pid nor its namespace means anything any more.
        verify: never,
        identity: never,
        nested: null,
      });
      for (const token of [EARLIER, { ...EARLIER, pidNamespace: CONTAINER, hostDigest: null }]) {
        expect(judgeOwner(lockOf(token), all)).toEqual({ ...expected, needsNestedLook: false });
      }
    },
  );

  test("a token is one of another boot only when both boots are known", () => {
    const unknown: ProcessVerdict = { state: "unknown", reason: "other-host" };
    const verify = (): ProcessVerdict => unknown;
    const without = facts({ verify, tokenHost: { ...HOST, boot: null } });
    expect(judgeOwner(lockOf(EARLIER), without)).toMatchObject(OTHER_HOST);
    const blank = lockOf({ ...TOKEN, boot: null });
    expect(judgeOwner(blank, facts({ verify }))).toMatchObject(OTHER_HOST);
    const foreign = lockOf({ ...EARLIER, platform: "darwin" });
    expect(judgeOwner(foreign, facts({ verify }))).toMatchObject(OTHER_HOST);
  });
});

describe("a lock of this package without token", () => {
  const tokenless = payload({ nonce: "n", starttime: 1000 });

  test.each<[string, Partial<OwnerFacts>]>([
    ["its pid is dead here", { identity: () => ABSENT }],
    ["its pid runs", {}],
    ["its pid is another process's", { identity: () => ({ ...ALIVE, startTime: 5 }) }],
    ["no look at containers was made", { identity: () => ABSENT, nested: null }],
    ["seen through another view", { kernel: "other-view", identity: () => ABSENT }],
    ["plain locks are kept", { plainLocks: "keep" }],
  ])(
    "a lock of this package without token is no plain lock, so its owner is unknown: %s",
    (_name, changes) => {
      expect(judgeOwner(tokenless, facts(changes))).toEqual({
        state: "unknown",
        reason: "no-token",
        end: null,
        undecidable: true,
        needsNestedLook: false,
      });
    },
  );

  test.each([
    ["free", "kernel-lock-free"],
    ["free-unconfirmed", "kernel-lock-free"],
    ["other-mount", "mount-gone"],
  ] as const)(
    "a lock of this package without token is ended by its kernel lock: %s",
    (kernel, reason) => {
      const lock = payload({ nonce: "n", kernelLock: "1:2" });
      expect(judgeOwner(lock, facts({ kernel }))).toMatchObject({
        state: "gone",
        reason,
        end: "holder-gone",
      });
    },
  );

  test.each<[Record<string, unknown>, boolean]>([
    [{}, true],
    [{ starttime: 1000, maxHoldMs: 5, createdAt: "x" }, true],
    // Other programs may write any further key of their own.
    [{ label: "x", kernelLock: "1:2", monotonicMs: 5, fileSystem: "ext", verified: true }, true],
    [{ nonce: "n" }, false],
    [{ owner: formatToken(TOKEN) }, false],
    [{ owner: null }, false],
    [{ nonce: "" }, true],
  ])("whether %j is a plain lock: %s", (fields, expected) => {
    expect(isPlain(payload(fields))).toBe(expected);
  });
});

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

describe("start times of other writers", () => {
  const us = 1_795_219_742_697_375;

  test.each<[string, NodeJS.Platform, number | null, number | null, number | null, string]>([
    ["Linux, as the host reads it", "linux", 0, 500, 500, "equal"],
    ["Linux, one tick off", "linux", 0, 501, 500, "differs"],
    ["Linux, as read in this process's time namespace", "linux", 100, 600, 500, "equal"],
    ["Linux, as read outside of it", "linux", 100, 500, 500, "equal"],
    ["Linux, neither", "linux", 100, 550, 500, "differs"],
    ["Linux, an offset of a fraction of a tick", "linux", 0.5, 501, 500, "equal"],
    ["Linux, this process's offset not known, equal as it is", "linux", null, 500, 500, "equal"],
    ["Linux, unknown", "linux", 0, 500, null, "unknown"],
    ["not recorded", "linux", 0, null, 500, "unknown"],
    ["macOS, seconds", "darwin", 0, 1_795_219_742, us, "equal"],
    ["macOS, rounded up", "darwin", 0, 1_795_219_743, us, "equal"],
    ["macOS, two seconds off", "darwin", 0, 1_795_219_744, us, "differs"],
    ["Windows, milliseconds", "win32", 0, 1_795_219_742_697, us, "equal"],
    ["Windows, two milliseconds off", "win32", 0, 1_795_219_742_699, us, "differs"],
    ["Windows, microseconds", "win32", 0, us, us, "equal"],
    ["Windows, seconds", "win32", 0, 1_795_219_742, us, "equal"],
    ["a unit that is not known", "win32", 0, 12_345, us, "unknown"],
    ["the least that is microseconds", "win32", 0, 1e14, 1e14, "equal"],
    ["the least that is milliseconds", "win32", 0, 1e11, 1e14, "equal"],
    ["the least that is seconds", "win32", 0, 1e9, 1e15, "equal"],
    ["Android, as read in this process's time namespace", "android", 100, 600, 500, "equal"],
  ])(
    "a start time of another writer is compared in its own unit: %s",
    (_name, platform, startTimeOffset, recorded, actual, expected) => {
      const host = { platform, startTimeOffset };
      expect(compareStartTime(recorded, actual, host, () => 0)).toBe(expected);
    },
  );

  test.each<[string, number | null, number, string]>([
    ["as read in the process's own time namespace", 250, 750, "equal"],
    ["neither in its own nor in this process's", 250, 751, "differs"],
    ["in its own, which is off by a fraction of a tick", 250.5, 751, "equal"],
    ["its own not known", null, 750, "differs"],
  ])(
    "a start time of another writer on Linux may be of any time namespace: %s",
    (_name, ofPid, recorded, expected) => {
      const host = { platform: "linux", startTimeOffset: 100 } as const;
      expect(compareStartTime(recorded, 500, host, () => ofPid)).toBe(expected);
    },
  );

  test("the process's own time namespace is asked for only when nothing else is equal", () => {
    const host = { platform: "linux", startTimeOffset: 100 } as const;
    expect(compareStartTime(500, 500, host, never)).toBe("equal");
    expect(compareStartTime(600, 500, host, never)).toBe("equal");
    expect(compareStartTime(null, 500, host, never)).toBe("unknown");
    const elsewhere = { platform: "darwin", startTimeOffset: 0 } as const;
    expect(compareStartTime(1e9, 1, elsewhere, never)).toBe("differs");
  });
});

// makedev(3)
const DISK = "2049"; // 8:1
const ANONYMOUS = "45"; // 0:45

describe("what a probe of the kernel lock is worth", () => {
  type Changes = Partial<KernelLockClaim["recorded"] & Omit<KernelLockClaim, "recorded">>;
  const claim = (changes: Changes = {}): KernelLockClaim => {
    const { kernelLock = `${DISK}:2`, fileSystem = "ext", verified = null, ...rest } = changes;
    const recorded = { kernelLock, fileSystem, verified };
    return { recorded, token: TOKEN, found: `${DISK}:2`, ...rest };
  };
  const anonymous = (changes: Changes): Changes => ({
    kernelLock: `${ANONYMOUS}:2`,
    found: `${ANONYMOUS}:2`,
    ...changes,
  });
  const OVERLAYS = { kernelLock: `${ANONYMOUS}:2`, fileSystem: "overlay", found: "46:2" };

  test.each<[string, KernelLockClaim, KernelEvidence]>([
    ["no kernel lock recorded", claim({ kernelLock: null }), "silent"],
    ["another inode of the device: a copied file", claim({ found: `${DISK}:3` }), "silent"],
    ["the same of an earlier boot", claim({ found: `${DISK}:3`, token: EARLIER }), "silent"],
    ["another device: another view of the file", claim({ found: "2050:2" }), "other-view"],
    [
      "another device with another inode",
      claim({ found: "2050:3", fileSystem: "ext" }),
      "other-view",
    ],
    [
      "another device after a reboot: disks are renumbered",
      claim({ found: "2050:2", token: EARLIER }),
      "silent",
    ],
    ["another device, without token", claim({ found: "2050:2", token: null }), "silent"],
  ])("a kernel lock is not even probed: %s", (_name, given, expected) => {
    const fileSystem = on("local", "ext");
    expect(weighKernelLock(given, HOST, fileSystem, never)).toBe(expected);
  });

  test.each<[string, KernelLockClaim, FileSystem, KernelEvidence]>([
    ["overlays both", claim(OVERLAYS), { kind: "local", name: "overlay" }, "other-mount"],
    [
      "overlays both, with another inode",
      claim({ ...OVERLAYS, found: "46:3" }),
      { kind: "local", name: "overlay" },
      "other-mount",
    ],
    [
      "an overlay there, its upper directory here",
      claim({ ...OVERLAYS, found: `${DISK}:2` }),
      { kind: "local", name: "ext" },
      "other-view",
    ],
    [
      "an upper directory there, its overlay here",
      claim({ ...OVERLAYS, fileSystem: "ext" }),
      { kind: "local", name: "overlay" },
      "other-view",
    ],
    [
      "written before file systems were",
      claim({ ...OVERLAYS, fileSystem: null }),
      { kind: "local", name: "overlay" },
      "other-view",
    ],
    [
      "overlays both, after a reboot",
      claim({ ...OVERLAYS, token: EARLIER }),
      { kind: "local", name: "overlay" },
      "silent",
    ],
    [
      "overlays both, without token",
      claim({ ...OVERLAYS, token: null }),
      { kind: "local", name: "overlay" },
      "silent",
    ],
  ])(
    "a lock file on another device may be another view: %s",
    (_name, given, fileSystem, expected) => {
      expect(weighKernelLock(given, HOST, () => fileSystem, never)).toBe(expected);
    },
  );

  describe.each<FileSystemKind>(["local", "fuse", "network", "unlisted"])("on %s", (kind) => {
    test("a held kernel lock is respected, in whatever boot and without token", () => {
      const tokens = [
        TOKEN,
        EARLIER,
        { ...TOKEN, boot: null },
        { ...TOKEN, platform: "darwin" },
        null,
      ];
      for (const token of tokens) {
        for (const host of [HOST, { ...HOST, boot: null }]) {
          const given = claim({ token });
          // Nothing has to be known of the file system.
          expect(weighKernelLock(given, host, never, () => "held")).toBe("held");
        }
      }
    });

    test.each<LockAttempt>([{ refused: "ENOLCK" }, { refused: "ENOSYS" }])(
      "a probe of the kernel lock that is answered with %j says nothing",
      (answer) => {
        expect(weighKernelLock(claim(), HOST, on(kind), () => answer)).toBe("silent");
      },
    );
  });

  const FOREIGN: ProcessToken = { ...EARLIER, hostDigest: "fedcba9876543210" };
  test.each<[string, FileSystemKind, KernelLockClaim, KernelEvidence]>([
    ["a disk, this boot", "local", claim(), "free"],
    ["a disk, an earlier boot", "local", claim({ token: EARLIER }), "free"],
    [
      "a disk, another machine's boot: it was moved here",
      "local",
      claim({ token: FOREIGN }),
      "free",
    ],
    ["a disk, without token", "local", claim({ token: null }), "free"],
    ["no disk, this boot", "local", claim(anonymous({})), "free"],
    [
      "no disk, an earlier boot of this host",
      "local",
      claim(anonymous({ token: EARLIER })),
      "free",
    ],
    ["no disk, another machine's boot", "local", claim(anonymous({ token: FOREIGN })), "silent"],
    [
      "no disk, a boot of an unknown machine",
      "local",
      claim(anonymous({ token: { ...EARLIER, hostDigest: null } })),
      "silent",
    ],
    ["no disk, without token", "local", claim(anonymous({ token: null })), "silent"],
    ["FUSE, this boot, verified", "fuse", claim({ verified: true }), "free-unconfirmed"],
    ["FUSE, this boot, not verified", "fuse", claim(), "silent"],
    [
      "FUSE, an earlier boot, verified",
      "fuse",
      claim({ verified: true, token: EARLIER }),
      "silent",
    ],
    ["FUSE, without token, verified", "fuse", claim({ verified: true, token: null }), "silent"],
    ["a network, this boot", "network", claim({ verified: true }), "silent"],
    ["not listed, this boot", "unlisted", claim({ verified: true }), "silent"],
  ])("a free kernel lock counts as its file system allows: %s", (_name, kind, given, expected) => {
    expect(weighKernelLock(given, HOST, on(kind), () => "acquired")).toBe(expected);
  });
});

describe("a disk that only this machine's kernel uses", () => {
  const FOREIGN: ProcessToken = { ...EARLIER, hostDigest: "fedcba9876543210" };

  test.each<[string, string, boolean]>([
    ["sda1, 8:1", "2049", true],
    ["vda, 254:0", "65024", true],
    ["nvme0n1p2, 259:2", "66306", true],
    ["a minor beyond 255, 8:300", "1050668", true],
    ["a major beyond 4095, 4096:0", "17592186044416", true],
    ["no major, 0:45", "45", false],
    ["no major and a minor beyond 255, 0:300", "1048620", false],
    ["no major and no minor", "0", false],
  ])(
    "a device number tells a disk that only this machine's kernel uses: %s",
    (_name, device, isDisk) => {
      for (const token of [null, FOREIGN]) {
        expect(isDiskOfThisMachine(`${device}:12`, token, HOST)).toBe(isDisk);
      }
      expect(isDiskOfThisMachine(`${device}:12`, EARLIER, HOST)).toBe(true);
    },
  );

  test("every disk that counts as local on macOS and Windows is one that only this machine's kernel uses", () => {
    for (const platform of ["darwin", "win32"]) {
      expect(isDiskOfThisMachine("45:12", null, { ...HOST, platform })).toBe(true);
    }
    expect(isDiskOfThisMachine("45:12", null, { ...HOST, platform: "android" })).toBe(false);
  });
});

test("a token speaks of its own pid only", () => {
  expect(tokenOf(payload({}))).toBe("absent");
  expect(tokenOf(payload({ owner: "?" }))).toBe("malformed");
  expect(tokenOf(payload({ owner: formatToken({ ...TOKEN, pid: 9 }) }))).toBe("pid-mismatch");
  expect(tokenOf(payload({ owner: formatToken(TOKEN) }))).toEqual(TOKEN);
});

test("every reason for an owner's state is given by some lock", () => {
  type Given = readonly [Record<string, unknown>, Partial<OwnerFacts>];
  const owner = formatToken(TOKEN);
  const verified = (verdict: ProcessVerdict): Given => [{ owner }, { verify: () => verdict }];
  const gone = (reason: ProcessIdentity["reason"]): Given => [
    {},
    { identity: () => ({ ...ABSENT, reason }) },
  ];
  const plain = (starttime: number): Given => [{ starttime }, {}];
  // A reason that is added to the type and not here does not compile. The two left out say that nothing was judged;
  // classify.test.ts has them.
  const reasons: Readonly<Record<Exclude<OwnerReason, "held-here" | "unreadable">, Given>> = {
    "kernel-lock-held": [{ owner }, { kernel: "held" }],
    "kernel-lock-free": [{ owner }, { kernel: "free" }],
    "mount-gone": [{ owner }, { kernel: "other-mount", verify: () => HIDDEN }],
    running: verified({ state: "same", reason: "running" }),
    "no-such-process": gone("no-such-process"),
    zombie: gone("zombie"),
    exited: gone("exited"),
    "thread-id": gone("thread-id"),
    "invalid-pid": gone("invalid-pid"),
    recycled: verified({ state: "gone", reason: "recycled" }),
    rebooted: [{ owner: formatToken(EARLIER) }, {}],
    "other-host": [{}, { fileSystem: on("network") }],
    "other-pid-namespace": verified({ state: "unknown", reason: "other-pid-namespace" }),
    "access-denied": verified({ state: "unknown", reason: "access-denied" }),
    unsupported: verified({ state: "unknown", reason: "unsupported" }),
    malformed: [{ owner: "garbage" }, {}],
    "pid-mismatch": [{ pid: 8, owner }, {}],
    "no-token": [{ nonce: "n" }, {}],
    "start-time-equal": plain(1000),
    "start-time-differs": plain(999),
    "earlier-boot": plain(60_000),
    unproven: [{}, {}],
    "plain-lock": [{}, { plainLocks: "keep" }],
    "missing-pid": [{ pid: null }, {}],
  };
  const given = Object.values(reasons).map(
    ([fields, changes]) => judgeOwner(payload(fields), facts(changes)).reason,
  );
  expect(given).toEqual(Object.keys(reasons));
});
