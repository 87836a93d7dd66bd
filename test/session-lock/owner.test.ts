import { describe, expect, test } from "vitest";

import type { ProcessIdentity } from "../../lib/process/backend.js";
import {
  formatToken,
  INITIAL_PID_NAMESPACE,
  type ProcessToken,
  type ProcessVerdict,
} from "../../lib/process/token.js";
import {
  compareStartTime,
  judgeOwner,
  type KernelEvidence,
  type OwnerFacts,
  type OwnerJudgement,
  type OwnerReason,
  tokenOf,
  weighKernelLock,
} from "../../lib/session-lock/owner.js";
import { parsePayload, type SessionLockPayload } from "../../lib/session-lock/payload.js";
import type { LockAttempt } from "../../lib/util/lock-fs.js";

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

function payload(fields: Record<string, unknown>): SessionLockPayload {
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

function facts(changes: Partial<OwnerFacts> = {}): OwnerFacts {
  return {
    kernel: "silent",
    verify: () => ({ state: "same", reason: "running" }),
    identity: () => ALIVE,
    host: { platform: "linux", startTimeOffset: 0 },
    uptimeTicks: () => 50_000,
    fileSystem: () => "local",
    ...changes,
  };
}

describe("the kernel lock decides before anything else", () => {
  const ours = payload({ owner: formatToken(TOKEN), nonce: "n", kernelLock: "1:2" });
  const dead: ProcessVerdict = { state: "gone", reason: "no-such-process" };

  test.each<[string, KernelEvidence, ProcessVerdict, Partial<OwnerJudgement>]>([
    [
      "held, token same",
      "held",
      { state: "same", reason: "running" },
      { state: "same", reason: "kernel-lock-held" },
    ],
    ["held, pid dead here", "held", dead, { state: "same", reason: "kernel-lock-held", end: null }],
    [
      "held, other pid namespace",
      "held",
      { state: "unknown", reason: "other-pid-namespace" },
      { state: "same", undecidable: false },
    ],
    [
      "free, token same: the thread that held it ended",
      "free",
      { state: "same", reason: "running" },
      { state: "gone", end: "holder-gone" },
    ],
    [
      "free, pid dead: the plainer word",
      "free",
      dead,
      { state: "gone", reason: "kernel-lock-free", end: "dead-pid" },
    ],
    ["free, pid recycled", "free", { state: "gone", reason: "recycled" }, { end: "recycled-pid" }],
    [
      "free, other pid namespace",
      "free",
      { state: "unknown", reason: "other-pid-namespace" },
      { state: "gone", end: "holder-gone", undecidable: false },
    ],
    [
      "free on FUSE, token same",
      "free-unconfirmed",
      { state: "same", reason: "running" },
      { state: "same", end: null },
    ],
    ["free on FUSE, pid dead", "free-unconfirmed", dead, { state: "gone", end: "dead-pid" }],
    [
      "free on FUSE, other pid namespace",
      "free-unconfirmed",
      { state: "unknown", reason: "other-pid-namespace" },
      { state: "unknown", undecidable: true },
    ],
    ["another view, pid dead", "other-view", dead, { state: "gone", end: "dead-pid" }],
    [
      "silent",
      "silent",
      { state: "same", reason: "running" },
      { state: "same", reason: "running" },
    ],
  ])("%s", (_name, kernel, verdict, expected) => {
    expect(judgeOwner(ours, facts({ kernel, verify: () => verdict }))).toMatchObject(expected);
  });
});

describe("the token decides next", () => {
  const ours = payload({ owner: formatToken(TOKEN) });

  test.each<[ProcessVerdict, Partial<OwnerJudgement>]>([
    [
      { state: "same", reason: "running" },
      { state: "same", end: null, undecidable: false },
    ],
    [
      { state: "gone", reason: "no-such-process" },
      { state: "gone", end: "dead-pid" },
    ],
    [
      { state: "gone", reason: "zombie" },
      { state: "gone", end: "dead-pid" },
    ],
    [
      { state: "gone", reason: "exited" },
      { state: "gone", end: "dead-pid" },
    ],
    [
      { state: "gone", reason: "rebooted" },
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
    [
      { state: "unknown", reason: "other-pid-namespace" },
      { state: "unknown", undecidable: true },
    ],
    [
      { state: "unknown", reason: "access-denied" },
      { state: "unknown", undecidable: true },
    ],
    [
      { state: "unknown", reason: "unsupported" },
      { state: "unknown", undecidable: true },
    ],
  ])("%j", (verdict, expected) => {
    const judged = judgeOwner(ours, facts({ verify: () => verdict, identity: () => ABSENT }));
    expect(judged).toMatchObject({ reason: verdict.reason, ...expected });
  });

  test.each(["fuse", "other"] as const)(
    "an earlier boot proves nothing on a shared disk (%s): cloned machines share ids",
    (kind) => {
      const verify = (): ProcessVerdict => ({ state: "gone", reason: "rebooted" });
      expect(judgeOwner(ours, facts({ verify, fileSystem: () => kind }))).toEqual({
        state: "unknown",
        reason: "other-host",
        end: null,
        undecidable: true,
      });
    },
  );

  test.each<[string, Record<string, unknown>, string]>([
    ["garbage", { owner: "garbage" }, "malformed"],
    ["a newer version", { owner: formatToken(TOKEN).replace("pi1.", "pi2.") }, "malformed"],
    ["no text", { owner: 12 }, "malformed"],
    ["null", { owner: null }, "malformed"],
    ["another pid than the lock's", { pid: 8, owner: formatToken(TOKEN) }, "pid-mismatch"],
    ["a lock without pid", { pid: null, owner: formatToken(TOKEN) }, "pid-mismatch"],
  ])("a token that cannot be relied on makes the owner unknown: %s", (_name, fields, reason) => {
    for (const kernel of ["silent", "free", "held"] as const) {
      const judged = judgeOwner(payload(fields), facts({ kernel, identity: () => ABSENT }));
      expect(judged).toEqual({ state: "unknown", reason, end: null, undecidable: true });
    }
  });
});

describe("a plain lock is judged by pid and start time", () => {
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
      "started after the uptime",
      { starttime: 60_000 },
      {},
      { state: "gone", reason: "earlier-boot", end: "dead-pid" },
    ],
    [
      "started after the uptime, hidden now",
      { starttime: 60_000 },
      { identity: identity({ startTime: null }) },
      { reason: "earlier-boot", end: "dead-pid" },
    ],
    [
      "started at the uptime",
      { starttime: 50_000 },
      { identity: identity({ startTime: 50_000 }) },
      { reason: "start-time-equal" },
    ],
    [
      "started within the rounding of the uptime",
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
      "a start time in a unit that nobody knows",
      { starttime: 1000 },
      { host: { platform: "win32", startTimeOffset: 0 } },
      { state: "unknown", reason: "unproven", undecidable: false },
    ],
    [
      "Android counts its uptime as Linux does",
      { starttime: 60_000 },
      { host: { platform: "android", startTimeOffset: 0 } },
      { state: "gone", reason: "earlier-boot", end: "dead-pid" },
    ],
  ])("%s", (_name, fields, changes, expected) => {
    expect(judgeOwner(payload(fields), facts(changes))).toMatchObject(expected);
  });

  test("the uptime says nothing about other platforms' start times", () => {
    const judged = judgeOwner(
      payload({ starttime: 60_000 }),
      facts({ host: { platform: "darwin", startTimeOffset: 0 }, identity: identity({}) }),
    );
    expect(judged).toMatchObject({ state: "unknown", end: null });
  });

  test("an uptime seen from inside a time namespace does not make live owners old", () => {
    // The host has been up for 50 000 ticks, our namespace pretends 40 000.
    const host = { platform: "linux", startTimeOffset: -10_000 } as const;
    const judged = judgeOwner(
      payload({ starttime: 45_000 }),
      facts({ host, uptimeTicks: () => 40_000, identity: identity({ startTime: null }) }),
    );
    expect(judged).toMatchObject({ state: "unknown", end: null });
  });
});

describe("start times of other writers", () => {
  const us = 1_795_219_742_697_375;

  test.each<[string, NodeJS.Platform, number, number | null, number | null, string]>([
    ["Linux, as the host reads it", "linux", 0, 500, 500, "equal"],
    ["Linux, one tick off", "linux", 0, 501, 500, "differs"],
    ["Linux, as read in our time namespace", "linux", 100, 600, 500, "equal"],
    ["Linux, as read outside of it", "linux", 100, 500, 500, "equal"],
    ["Linux, neither", "linux", 100, 550, 500, "differs"],
    ["Linux, an offset of a fraction of a tick", "linux", 0.5, 501, 500, "equal"],
    ["Linux, unknown", "linux", 0, 500, null, "unknown"],
    ["not recorded", "linux", 0, null, 500, "unknown"],
    ["macOS, seconds", "darwin", 0, 1_795_219_742, us, "equal"],
    ["macOS, rounded up", "darwin", 0, 1_795_219_743, us, "equal"],
    ["macOS, two seconds off", "darwin", 0, 1_795_219_744, us, "differs"],
    ["Windows, milliseconds", "win32", 0, 1_795_219_742_697, us, "equal"],
    ["Windows, two milliseconds off", "win32", 0, 1_795_219_742_699, us, "differs"],
    ["Windows, microseconds", "win32", 0, us, us, "equal"],
    ["Windows, seconds", "win32", 0, 1_795_219_742, us, "equal"],
    ["a unit nobody knows", "win32", 0, 12_345, us, "unknown"],
    ["the least that is microseconds", "win32", 0, 1e14, 1e14, "equal"],
    ["the least that is milliseconds", "win32", 0, 1e11, 1e14, "equal"],
    ["the least that is seconds", "win32", 0, 1e9, 1e15, "equal"],
    ["Android, as read in our time namespace", "android", 100, 600, 500, "equal"],
  ])("%s", (_name, platform, startTimeOffset, recorded, actual, expected) => {
    expect(compareStartTime(recorded, actual, { platform, startTimeOffset })).toBe(expected);
  });
});

describe("what a probe of the kernel lock is worth", () => {
  const never = (): never => {
    throw new Error("must not be asked");
  };

  test.each<[string, string | null, boolean, KernelEvidence]>([
    ["no kernel lock recorded", null, true, "silent"],
    ["another boot", "1:2", false, "silent"],
    ["another inode of the device: a copied file", "1:3", true, "silent"],
    ["another device: another view of the file", "9:2", true, "other-view"],
  ])("%s is not even probed", (_name, recorded, bootIsOurs, expected) => {
    expect(weighKernelLock(recorded, "1:2", bootIsOurs, never, never)).toBe(expected);
  });

  test("a file system that may keep locks elsewhere is not even probed", () => {
    expect(weighKernelLock("1:2", "1:2", true, () => "other", never)).toBe("silent");
  });

  test.each<["local" | "fuse", LockAttempt, KernelEvidence]>([
    ["local", "held", "held"],
    ["local", "acquired", "free"],
    ["local", { refused: "ENOLCK" }, "silent"],
    ["fuse", "held", "held"],
    ["fuse", "acquired", "free-unconfirmed"],
    ["fuse", { refused: "ENOSYS" }, "silent"],
  ])("%s, %j", (kind, answer, expected) => {
    expect(
      weighKernelLock(
        "1:2",
        "1:2",
        true,
        () => kind,
        () => answer,
      ),
    ).toBe(expected);
  });
});

test("a token speaks of its own pid only", () => {
  expect(tokenOf(payload({}))).toBe("absent");
  expect(tokenOf(payload({ owner: "?" }))).toBe("malformed");
  expect(tokenOf(payload({ owner: formatToken({ ...TOKEN, pid: 9 }) }))).toBe("pid-mismatch");
  expect(tokenOf(payload({ owner: formatToken(TOKEN) }))).toEqual(TOKEN);
});

test("every word for an owner is given: a word that is added and not brought about does not compile", () => {
  type Case = readonly [Record<string, unknown>, Partial<OwnerFacts>];
  const owner = formatToken(TOKEN);
  const verified = (verdict: ProcessVerdict): Case => [{ owner }, { verify: () => verdict }];
  const gone = (reason: ProcessIdentity["reason"]): Case => [
    {},
    { identity: () => ({ ...ABSENT, reason }) },
  ];
  const plain = (starttime: number): Case => [{ starttime }, {}];
  // Those two say that nothing was judged; classify.test.ts has them.
  const words: Readonly<Record<Exclude<OwnerReason, "held-here" | "unreadable">, Case>> = {
    "kernel-lock-held": [{ owner }, { kernel: "held" }],
    "kernel-lock-free": [{ owner }, { kernel: "free" }],
    running: verified({ state: "same", reason: "running" }),
    "no-such-process": gone("no-such-process"),
    zombie: gone("zombie"),
    exited: gone("exited"),
    "thread-id": gone("thread-id"),
    "invalid-pid": gone("invalid-pid"),
    recycled: verified({ state: "gone", reason: "recycled" }),
    rebooted: verified({ state: "gone", reason: "rebooted" }),
    "other-host": verified({ state: "unknown", reason: "other-host" }),
    "other-pid-namespace": verified({ state: "unknown", reason: "other-pid-namespace" }),
    "access-denied": verified({ state: "unknown", reason: "access-denied" }),
    unsupported: verified({ state: "unknown", reason: "unsupported" }),
    malformed: [{ owner: "garbage" }, {}],
    "pid-mismatch": [{ pid: 8, owner }, {}],
    "start-time-equal": plain(1000),
    "start-time-differs": plain(999),
    "earlier-boot": plain(60_000),
    unproven: [{}, {}],
    "missing-pid": [{ pid: null }, {}],
  };
  const given = Object.values(words).map(
    ([fields, changes]) => judgeOwner(payload(fields), facts(changes)).reason,
  );
  expect(given).toEqual(Object.keys(words));
});
