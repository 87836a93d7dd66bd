/** A lock's owner, by the chain of evidence. */
import { describe, expect, test } from "vitest";
import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import type { ProcessVerdict } from "../../../lib/process/judge-token.js";
import { formatToken, type ProcessToken } from "../../../lib/process/token.js";
import type { FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import { type KernelEvidence } from "../../../lib/lock/verdict/kernel-evidence.js";
import { isPlain, tokenOf } from "../../../lib/lock/verdict/owner-token.js";
import { judgeOwner, type OwnerFacts } from "../../../lib/lock/verdict/owner.js";
import type { OwnerJudgement, OwnerReason } from "../../../lib/lock/verdict/owner-judgement.js";
import {
  TOKEN,
  EARLIER,
  CONTAINER,
  HOST,
  INSIDE,
  payload,
  ALIVE,
  ABSENT,
  RUNNING,
  DEAD,
  HIDDEN,
  never,
  look,
  on,
  facts,
} from "./owner-facts.js";

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
  const lockOf = (token: ProcessToken, fields: object = { fileSystem: "ext" }) =>
    payload({ owner: formatToken(token), nonce: "n", ...fields });

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
        fileSystem: on(kind, "ext"),
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

  // A folder of this disk that a virtual machine or a network's client uses: its writer may be alive in there.
  test.each<[string, string | null, ProcessToken, object]>([
    ["9p, from a clone of this machine", "9p", EARLIER, OTHER_HOST],
    ["9p, from another machine", "9p", { ...EARLIER, hostDigest: "f".repeat(16) }, OTHER_HOST],
    ["virtiofs", "fuse", EARLIER, OTHER_HOST],
    ["NFS", "nfs", EARLIER, OTHER_HOST],
    ["nothing, on this machine", null, EARLIER, REBOOTED],
    ["nothing, on another", null, { ...EARLIER, hostDigest: "f".repeat(16) }, OTHER_HOST],
    ["nothing, on one without id", null, { ...EARLIER, hostDigest: null }, OTHER_HOST],
  ])(
    "a lock of another boot whose writer saw another file system than this disk's is kept: %s",
    (_name, fileSystem, token, expected) => {
      const all = facts({
        fileSystem: on("local", "ext"),
        isOnOwnDisk: () => true,
        verify: never,
        identity: never,
      });
      const lock = lockOf(token, fileSystem === null ? {} : { fileSystem });
      expect(judgeOwner(lock, all)).toMatchObject(expected);
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
    "lease-superseded": [
      { owner, lease: { store: "s", key: "k", epoch: "41" } },
      { kernel: "held", lease: { store: "s", key: "k", epoch: 42n } },
    ],
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
