/** From a reading to a judgement: which facts are gathered, from where, and which questions are left out. */
import { describe, expect, test, vi } from "vitest";

import { parsePayload } from "../../../lib/lock/protocol/payload.js";
import type { EvidenceSource } from "../../../lib/lock/verdict/evidence.js";
import {
  afterLook,
  clockAt,
  DEFAULT_GRACE_MS,
  judge,
  type JudgeBy,
  judgeFully,
  judgeFullyAtOnce,
  judgeNow,
  type JudgingPolicy,
  type PresentReading,
  waitsForNestedLook,
} from "../../../lib/lock/verdict/judge.js";
import { OwnerArgsMemo } from "../../../lib/lock/verdict/owner-args.js";
import type { ReadLock } from "../../../lib/lock/verdict/reading.js";
import { formatToken } from "../../../lib/process/token.js";
import { machineMonotonicMs } from "../../../lib/process/machine-clock.js";
import { isMainThread } from "../../../lib/util/thread.js";
import { requireLinux } from "../../support/require.js";
import { ABSENT, ALIVE, HIDDEN, HOST, INSIDE, look, on, RUNNING, TOKEN } from "./owner-facts.js";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");
const LOCK = "/locks/s.lock";
const CREATED = new Date(NOW - 1000).toISOString();

const policy: JudgingPolicy = {
  nowMs: () => NOW,
  staleMs: 60_000,
  graceMs: 5000,
  respectMaxHold: false,
  atAcquire: false,
  isHeldHere: () => false,
  isOwnerArgv: () => true,
  plainLocks: "judge",
  present: (inspection) => inspection,
};

function evidenceOf(changes: Partial<EvidenceSource> = {}): EvidenceSource {
  const source: EvidenceSource = {
    host: {
      platform: "linux",
      machineId: "machine",
      hostname: "host",
      bootId: HOST.boot,
      pidNamespace: HOST.pidNamespace,
      initialPidNamespace: true,
      startTimeOffset: 0,
      monotonicOffsetMs: 0,
    },
    tokenHost: HOST,
    identity: () => ALIVE,
    verify: () => RUNNING,
    sinceBootTicks: () => 50_000,
    startTimeOffsetOf: () => 0,
    nested: null,
    fileSystem: on("local", "ext"),
    fresh: () => source,
    ...changes,
  };
  return source;
}

function reading(
  fields: Record<string, unknown> | null,
  changes: Partial<ReadLock> = {},
): ReadLock {
  const bytes = Buffer.from(fields === null ? "" : JSON.stringify(fields));
  return {
    kind: "lock",
    lockPath: LOCK,
    bytes,
    payload: parsePayload(bytes),
    kernel: "silent",
    guard: null,
    isUnaskable: false,
    fileId: null,
    mtimeMs: null,
    ctimeMs: null,
    ...changes,
  };
}

const UNREADABLE: PresentReading = {
  kind: "unreadable",
  lockPath: LOCK,
  error: new Error("no entry"),
};

const noArgs = (): null => null;
const judged = (
  from: PresentReading,
  changes: Partial<JudgingPolicy> = {},
  evidence: EvidenceSource = evidenceOf(),
  argsOf: Parameters<typeof judgeNow>[3] = noArgs,
) => judgeNow(from, { ...policy, ...changes }, evidence, argsOf);

const PLAIN = { pid: 7, createdAt: CREATED };
const OWN = { ...PLAIN, nonce: "n", owner: formatToken(TOKEN) };

test("a lock without a payload may be being written for thirty seconds by default", () => {
  expect(DEFAULT_GRACE_MS).toBe(30_000);
});

test("a clock stands still where it is given, and goes on where it is not", () => {
  expect(clockAt(7)()).toBe(7);
  expect(clockAt(0)()).toBe(0);
  expect(clockAt(undefined)).toBe(Date.now);
});

test("an inspection says what the lock says and what follows", () => {
  const lease = { store: "s", key: "k", epoch: "12" };
  const { inspection, payload, content, facts } = judged(reading({ ...OWN, lease }));
  expect(inspection).toEqual({
    lockPath: LOCK,
    pid: 7,
    pidAlive: true,
    createdAt: CREATED,
    ageMs: 1000,
    stale: false,
    staleReasons: [],
    removable: false,
    keptReason: null,
    removed: false,
    ownerState: "same",
    ownerReason: "running",
    lease,
  });
  expect(content?.payload).toBe(payload);
  expect(facts).toMatchObject({
    nowMs: NOW,
    staleMs: 60_000,
    graceMs: 5000,
    mtimeMs: null,
    monotonicNowMs: null,
    unreadable: false,
    isSelf: false,
    inWorkerThread: !isMainThread(),
  });
});

test("a lock that says nothing names no process, no time and no lease", () => {
  const { inspection, facts } = judged(reading(null, { mtimeMs: NOW - 10, ctimeMs: NOW - 10 }));
  expect(inspection).toMatchObject({
    pid: null,
    createdAt: null,
    lease: null,
    pidAlive: false,
    staleReasons: ["missing-pid", "invalid-createdAt"],
    keptReason: "in-grace",
    ownerReason: "missing-pid",
  });
  expect(facts.mtimeMs).toBe(NOW - 10);
});

test("what cannot be read is kept, with the error", () => {
  const { inspection, payload, content, facts } = judged(UNREADABLE);
  expect(inspection).toMatchObject({
    lockPath: LOCK,
    keptReason: "unreadable",
    error: { message: "no entry" },
    pid: null,
    removable: false,
  });
  expect(payload).toBeNull();
  expect(content).toBeNull();
  expect(facts).toMatchObject({ unreadable: true, kernel: "silent", mtimeMs: null });
  expect(facts.owner).toMatchObject({ state: "unknown", reason: "missing-pid" });
  expect(judged(reading(PLAIN)).inspection).not.toHaveProperty("error");
});

describe("the facts", () => {
  test("are the policy's", () => {
    const isHeldHere = vi.fn(() => true);
    const { facts, inspection } = judged(reading(PLAIN), {
      isHeldHere,
      respectMaxHold: true,
      atAcquire: true,
    });
    expect(isHeldHere).toHaveBeenCalledWith(LOCK);
    expect(facts).toMatchObject({ heldHere: true, respectMaxHold: true, atAcquire: true });
    expect(inspection.ownerReason).toBe("held-here");
  });

  test("are the reading's", () => {
    const { facts } = judged(reading(OWN, { kernel: "held" }));
    expect(facts).toMatchObject({ kernel: "held", owner: { reason: "kernel-lock-held" } });
  });

  test("say whether the pid is this process's", () => {
    expect(judged(reading({ ...PLAIN, pid: process.pid })).facts.isSelf).toBe(true);
    expect(judged(reading(PLAIN)).facts.isSelf).toBe(false);
  });

  test("say that a pid is alive unless it is gone", () => {
    const aliveness = (state: "alive" | "gone" | "unknown") =>
      judged(reading(PLAIN), {}, evidenceOf({ identity: () => ({ ...ALIVE, state }) })).facts
        .pidAlive;
    expect([aliveness("alive"), aliveness("unknown"), aliveness("gone")]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("take no time of a file of which one time is missing", () => {
    const times = { mtimeMs: NOW - 10, ctimeMs: NOW - 5 };
    expect(judged(reading(null, times)).facts.mtimeMs).toBe(NOW - 10);
    expect(judged(reading(null, { ...times, mtimeMs: null })).facts.mtimeMs).toBeNull();
    expect(judged(reading(null, { ...times, ctimeMs: null })).facts.mtimeMs).toBeNull();
  });

  test("take the time for which a file was watched", () => {
    const times = { mtimeMs: NOW + 10, ctimeMs: NOW + 10 };
    const watched = { ...times, unchangedForMs: 400 };
    expect(judged(reading(null, times), { watched }).facts.mtimeMs).toBe(NOW - 400);
  });

  test("have the machine's monotonic clock where the lock's reading of it is of this boot", () => {
    const monotonicMs = 5;
    const clock = (fields: Record<string, unknown>, changes: Partial<ReadLock> = {}) =>
      judged(reading(fields, changes)).facts.monotonicNowMs;
    const machine = machineMonotonicMs();
    expect(machine).not.toBeNull();
    expect(clock({ ...OWN, monotonicMs })).toBeGreaterThanOrEqual(machine ?? Infinity);
    expect(clock(OWN)).toBeNull();
    const earlier = formatToken({ ...TOKEN, boot: "deadbeef" });
    expect(clock({ ...OWN, owner: earlier, monotonicMs })).toBeNull();
    expect(clock({ ...PLAIN, monotonicMs })).toBeNull();
    expect(clock({ ...OWN, owner: "pi9", monotonicMs })).toBeNull();
    // Its holder lives, and so does its boot.
    for (const owner of [earlier, "pi9", undefined]) {
      const held = clock({ ...OWN, owner, monotonicMs }, { kernel: "held" });
      expect(held).toBeGreaterThanOrEqual(machine ?? Infinity);
    }
  });

  test("look for the disk of a lock only where its file is known", () => {
    // Gone with an earlier boot of this machine, where the disk is this machine's.
    const owner = formatToken({ ...TOKEN, boot: "deadbeef", hostDigest: null });
    const reason = (fileId: string | null) =>
      judged(
        reading({ ...OWN, owner }, { fileId }),
        {},
        evidenceOf({
          verify: () => ({ state: "unknown", reason: "other-host" }),
        }),
      ).inspection.ownerState;
    expect(reason(null)).toBe("unknown");
  });
});

describe("a lock that names no owner", () => {
  const owner = (fields: Record<string, unknown> | null, changes: Partial<ReadLock> = {}) =>
    judged(reading(fields, changes)).inspection.ownerReason;
  const NO_PID = { createdAt: CREATED };

  test("is its holder's while the kernel lock is held, whatever it says", () => {
    for (const fields of [null, NO_PID]) {
      const { inspection } = judged(reading(fields, { kernel: "held" }));
      expect(inspection).toMatchObject({
        ownerState: "same",
        ownerReason: "kernel-lock-held",
        removable: false,
      });
      expect(owner(fields)).toBe("missing-pid");
      expect(owner(fields, { kernel: "free" })).not.toBe("kernel-lock-held");
    }
  });

  test("may be any process's where its kernel lock cannot be asked for", () => {
    for (const fields of [null, NO_PID]) {
      const { inspection } = judged(reading(fields, { isUnaskable: true }));
      expect(inspection).toMatchObject({ ownerState: "unknown", ownerReason: "unsupported" });
    }
    expect(owner({ ...NO_PID, nonce: "n" }, { isUnaskable: true })).toBe("no-token");
    expect(owner(PLAIN, { isUnaskable: true })).toBe("unproven");
    expect(owner(OWN, { isUnaskable: true })).toBe("running");
  });
});

describe("a lock of an earlier boot", () => {
  const DISK = "2049:7";
  const ANONYMOUS = "42:7";
  const lockOf = (token: Partial<typeof TOKEN>, fileId: string | null): ReadLock => {
    const earlier = formatToken({ ...TOKEN, boot: "deadbeef", ...token });
    return reading({ ...OWN, owner: earlier, fileSystem: "ext" }, { fileId });
  };
  const STRANGER = { hostDigest: "fedcba9876543210", hostnameDigest: "76543210" };

  test.each<[string, Partial<typeof TOKEN>, string | null, string]>([
    ["on a disk", {}, DISK, "rebooted"],
    ["on a disk, of a machine that calls itself otherwise", STRANGER, DISK, "rebooted"],
    ["of this machine, not on a disk", {}, ANONYMOUS, "rebooted"],
    ["of another machine, not on a disk", STRANGER, ANONYMOUS, "other-host"],
    ["in a file that is not known", {}, null, "other-host"],
  ])("%s", (_, token, fileId, reason) => {
    const { inspection } = judged(lockOf(token, fileId));
    expect(inspection.ownerReason).toBe(reason);
    expect(inspection.removable).toBe(reason === "rebooted");
  });

  test("that is held says that its pid is a number of there", () => {
    const { inspection } = judged({ ...lockOf({}, DISK), kernel: "held" });
    expect(inspection).toMatchObject({ ownerState: "same", heldFrom: "other-host" });
    expect(judged(reading(OWN, { kernel: "held" })).inspection).not.toHaveProperty("heldFrom");
  });
});

describe("a file in another format", () => {
  const OTHER = parsePayload(Buffer.from('{"pid":9}'));

  test("is asked about where the lock format says no pid, or no time", () => {
    for (const [fields, isAsked] of [
      [null, true],
      [{ pid: 7 }, true],
      [{ createdAt: CREATED }, true],
      [{ pid: 7, nonce: "n" }, false],
      [PLAIN, false],
    ] as const) {
      const readOther = vi.fn(() => OTHER);
      const { inspection } = judged(reading(fields, { mtimeMs: 3, ctimeMs: 4 }), { readOther });
      expect(readOther).toHaveBeenCalledTimes(isAsked ? 1 : 0);
      expect(inspection.pid).toBe(isAsked ? 9 : 7);
    }
  });

  test("is asked about with its bytes and its time", () => {
    const readOther = vi.fn(() => null);
    const from = reading(null, { bytes: Buffer.from("12"), mtimeMs: 3, ctimeMs: 4 });
    expect(judged(from, { readOther }).payload).toBeNull();
    expect(readOther).toHaveBeenCalledWith(Buffer.from("12"), 3);
  });

  test("is not asked about where the file cannot be read", () => {
    const readOther = vi.fn(() => OTHER);
    expect(judged(UNREADABLE, { readOther }).payload).toBeNull();
    expect(readOther).not.toHaveBeenCalled();
  });

  test("is a lock without more than the lock format says, where it is no other", () => {
    const { inspection } = judged(reading({ pid: 7 }), { readOther: () => null });
    expect(inspection.pid).toBe(7);
    expect(judged(reading({ pid: 7 })).inspection.pid).toBe(7);
  });

  test("that is no lock is not touched", () => {
    const { inspection, facts, payload, content } = judged(reading(null), {
      readOther: () => "no-lock",
    });
    expect(inspection).toMatchObject({ keptReason: "unreadable", removable: false });
    expect(facts.unreadable).toBe(true);
    expect([payload, content]).toEqual([null, null]);
  });

  test("has the guard whose kernel lock was asked for, unless it says which", () => {
    const guardOf = (guard: string | null, own: string | null) =>
      judged(reading(null, { guard }), {
        readOther: () => (OTHER === null ? null : { ...OTHER, guard: own }),
      }).payload?.guard;
    expect(guardOf("inode", null)).toBe("inode");
    expect(guardOf("inode", "later")).toBe("later");
    expect(guardOf(null, "later")).toBe("later");
    expect(guardOf(null, null)).toBeNull();
  });
});

describe("the owner's command line", () => {
  const UNPROVEN = reading(PLAIN);
  const by = (args: OwnerArgsMemo, changes: Partial<JudgingPolicy> = {}): JudgeBy => ({
    policy: { ...policy, ...changes },
    evidence: evidenceOf({ nested: look() }),
    args,
  });
  const foreign = { isOwnerArgv: () => false };

  test("is read where it can decide, once", async () => {
    const read = vi.fn(() => ["sh"]);
    const args = new OwnerArgsMemo(read, () => ALIVE);
    const first = judge(UNPROVEN, by(args, foreign));
    expect(first).toBeInstanceOf(Promise);
    expect((await first).inspection).toMatchObject({
      staleReasons: ["foreign-owner"],
      removable: true,
    });
    expect((await first).ownerArgs).toEqual({ args: ["sh"], process: ALIVE });
    const second = judge(UNPROVEN, by(args, foreign));
    expect(second).not.toBeInstanceOf(Promise);
    expect((await second).inspection.staleReasons).toEqual(["foreign-owner"]);
    expect(read).toHaveBeenCalledTimes(1);
    expect(read).toHaveBeenCalledWith(7);
  });

  test("is not read where it cannot decide", () => {
    const args = new OwnerArgsMemo(
      () => expect.unreachable("asked for a command line"),
      () => ALIVE,
    );
    const judgement = judge(reading(OWN), by(args, foreign));
    if (judgement instanceof Promise) throw new Error("awaited");
    expect(judgement.ownerArgs).toBeNull();
    expect(
      judgeNow(reading(OWN), policy, evidenceOf(), () => expect.unreachable()).inspection.stale,
    ).toBe(false);
  });

  test("is taken from what is known where nothing may be awaited", () => {
    const argsOf = vi.fn(() => ({ args: ["sh"], process: ALIVE }));
    const evidence = evidenceOf({ nested: look() });
    const { inspection } = judged(UNPROVEN, foreign, evidence, argsOf);
    expect(inspection.staleReasons).toEqual(["foreign-owner"]);
    expect(argsOf).toHaveBeenCalledWith(7);
    expect(judged(UNPROVEN, foreign, evidence).inspection.staleReasons).toEqual([]);
  });
});

describe("a look at nested pid namespaces", () => {
  const identity = vi.fn(() => ABSENT);
  // Its pid is gone here, and may be a container's.
  const lock = reading(PLAIN);
  const by: JudgeBy = {
    policy,
    evidence: evidenceOf({ identity, tokenHost: HOST }),
    args: new OwnerArgsMemo(
      () => null,
      () => ALIVE,
    ),
  };

  test("is waited for before a lock is removed", async () => {
    const first = await judge(lock, by);
    expect(first.inspection).toMatchObject({ removable: false, keptReason: "owner-unknown" });
    expect(waitsForNestedLook(first)).toBe(true);
    const after = await judge(lock, afterLook(by, look()));
    expect(waitsForNestedLook(after)).toBe(false);
    expect(after.inspection).toMatchObject({ removable: true, staleReasons: ["dead-pid"] });
    expect(afterLook(by, look()).policy).toBe(policy);
  });

  test("is made where the verdict depends on it, and only there", async (context) => {
    requireLinux(context, "pid namespaces");
    for (const judgement of [await judgeFully(lock, by), judgeFullyAtOnce(lock, by)]) {
      expect(judgement.evidence.nested).not.toBeNull();
      expect(judgement.inspection.keptReason === "owner-unknown").toBe(
        !(judgement.evidence.nested?.isComplete ?? false),
      );
    }
    const alive = { ...by, evidence: evidenceOf() };
    for (const judgement of [
      await judgeFully(reading(OWN), alive),
      judgeFullyAtOnce(reading(OWN), alive),
    ]) {
      expect(judgement.evidence.nested).toBeNull();
    }
  });

  test("counts for a token of a container, too", async () => {
    const inside = reading({
      ...OWN,
      owner: formatToken({ ...TOKEN, pidNamespace: "4026532001" }),
    });
    const hidden = { ...by, evidence: evidenceOf({ verify: () => HIDDEN }) };
    const { inspection } = await judge(inside, hidden);
    expect(inspection).toMatchObject({ ownerState: "unknown", ownerReason: "other-pid-namespace" });
    const elsewhere = { ...by, evidence: evidenceOf({ verify: () => HIDDEN, tokenHost: INSIDE }) };
    expect(waitsForNestedLook(await judge(inside, elsewhere))).toBe(false);
  });

  test("reads command lines at once where nothing may be awaited", () => {
    const args = new OwnerArgsMemo(
      () => Promise.resolve(["sh"]),
      () => ALIVE,
    );
    const evidence = evidenceOf({ nested: look() });
    expect(() => judgeFullyAtOnce(reading(PLAIN), { policy, evidence, args })).toThrow(TypeError);
  });
});

test("the lease that this process holds counts against a lock of an earlier hold", () => {
  const lock = reading({ ...OWN, lease: { store: "s", key: "k", epoch: "1" } });
  const lease = { store: "s", key: "k", epoch: 2n };
  expect(judged(lock, { lease }).inspection).toMatchObject({
    ownerState: "gone",
    ownerReason: "lease-superseded",
  });
  expect(judged(lock).inspection.ownerReason).toBe("running");
});

test("plain locks are kept where the policy says so", () => {
  const dead = evidenceOf({ identity: () => ABSENT, nested: look() });
  expect(judged(reading(PLAIN), {}, dead).inspection.removable).toBe(true);
  expect(judged(reading(PLAIN), { plainLocks: "keep" }, dead).inspection).toMatchObject({
    removable: false,
    ownerReason: "plain-lock",
  });
});

test("the file system is asked about by the lock's path", () => {
  const fileSystem = vi.fn(on("network", "nfs"));
  const { inspection } = judged(reading(PLAIN), {}, evidenceOf({ fileSystem, nested: look() }));
  expect(fileSystem).toHaveBeenCalledWith(LOCK);
  expect(inspection.ownerReason).toBe("other-host");
});
