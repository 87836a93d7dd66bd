/**
 * The verdict on one lock against the table of the documentation, written down a second time as a list of
 * rules that are all asked, over facts that need not even make sense together.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  type ClassifiedKeptReason,
  dependsOnNestedLook,
  needsOwnerArgs,
} from "../../lib/lock/verdict/classify.js";
import { classifySessionLock, type SessionLockFacts } from "../../lib/session-lock/classify.js";
import type { StaleReason } from "../../lib/session-lock/reasons.js";
import type { KernelEvidence } from "../../lib/lock/verdict/kernel-evidence.js";
import type { OwnerJudgement } from "../../lib/lock/verdict/owner-judgement.js";
import type { LockPayload } from "../../lib/lock/protocol/payload.js";
import { runs } from "./runs.js";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");

const KNOWN = { undecidable: false, needsNestedLook: false } as const;
const UNDECIDABLE = { state: "unknown", end: null, undecidable: true } as const;
const judgements = fc.constantFrom<OwnerJudgement>(
  { state: "same", reason: "kernel-lock-held", end: null, ...KNOWN },
  { state: "same", reason: "running", end: null, ...KNOWN },
  { state: "same", reason: "start-time-equal", end: null, ...KNOWN },
  { state: "gone", reason: "no-such-process", end: "dead-pid", ...KNOWN },
  { state: "gone", reason: "recycled", end: "recycled-pid", ...KNOWN },
  { state: "gone", reason: "kernel-lock-free", end: "holder-gone", ...KNOWN },
  { state: "gone", reason: "mount-gone", end: "holder-gone", ...KNOWN },
  { state: "unknown", reason: "unproven", end: null, ...KNOWN },
  { state: "unknown", reason: "missing-pid", end: null, ...KNOWN },
  { ...UNDECIDABLE, reason: "other-host", needsNestedLook: false },
  { ...UNDECIDABLE, reason: "malformed", needsNestedLook: false },
  { ...UNDECIDABLE, reason: "no-token", needsNestedLook: false },
  { ...UNDECIDABLE, reason: "plain-lock", needsNestedLook: false },
);
// The rule takes them apart, whether that makes sense or not.
const owners = fc
  .tuple(judgements, fc.boolean())
  .map(([judged, needsNestedLook]): OwnerJudgement => ({ ...judged, needsNestedLook }));
// Small numbers, so that limits are met exactly, missed by one and passed by one.
const times = fc.integer({ min: 0, max: 8 });
const leaseClaims = fc.record({
  store: fc.constant("s"),
  key: fc.constant("k"),
  epoch: fc.constant(1n),
});
const payloads = fc.option(
  fc.record<LockPayload>({
    pid: fc.option(fc.constant(7)),
    createdAt: fc.option(
      fc.oneof(
        fc.integer({ min: -2, max: 8 }).map((ago) => new Date(NOW - ago).toISOString()),
        fc.constantFrom("", "yesterday", "2026-13-01T00:00:00Z"),
      ),
    ),
    maxHoldMs: fc.option(fc.integer({ min: 1, max: 6 })),
    starttime: fc.option(times),
    owner: fc.option(fc.string()),
    nonce: fc.option(fc.constant("n")),
    kernelLock: fc.option(fc.constant("1:2")),
    monotonicMs: fc.option(times),
    label: fc.constant(null),
    fileSystem: fc.option(fc.constant("ext")),
    guard: fc.option(fc.constant("inode")),
    verified: fc.option(fc.constant(true as const)),
    lease: fc.option(leaseClaims),
  }),
);
const allFacts = fc.record<SessionLockFacts>({
  nowMs: fc.constant(NOW),
  staleMs: times,
  graceMs: times,
  mtimeMs: fc.option(fc.integer({ min: -2, max: 8 }).map((ago) => NOW - ago)),
  monotonicNowMs: fc.option(times),
  respectMaxHold: fc.boolean(),
  unreadable: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.boolean()),
  owner: owners,
  kernel: fc.constantFrom<KernelEvidence>(
    "held",
    "free",
    "free-unconfirmed",
    "silent",
    "other-mount",
    "other-view",
  ),
  pidAlive: fc.boolean(),
  heldHere: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.boolean()),
  isSelf: fc.boolean(),
  inWorkerThread: fc.boolean(),
  atAcquire: fc.boolean(),
  ownerArgs: fc.option(fc.constantFrom([], ["", " \t"], ["openclaw"], [" ", "sleep"])),
  isOwnerArgv: fc.constant((args: readonly string[]) => args[0] === "openclaw"),
});

/** In the order in which reasons are listed. */
const EVERY_REASON: readonly StaleReason[] = [
  "missing-pid",
  "dead-pid",
  "recycled-pid",
  "holder-gone",
  "invalid-createdAt",
  "too-old",
  "hold-exceeded",
  "orphan-self-pid",
  "non-openclaw-owner",
];

/** The reasons section of the documentation: which of them hold. */
function expectedReasons(payload: LockPayload | null, facts: SessionLockFacts) {
  const { owner, kernel } = facts;
  if (facts.unreadable || facts.heldHere) return [];
  const created = Date.parse(payload?.createdAt ?? "");
  const age = Number.isNaN(created) ? null : Math.max(0, NOW - created);
  // The monotonic clock where it was read at both ends, and never more than the wall clock's age.
  const heldFor =
    age !== null &&
    facts.monotonicNowMs !== null &&
    payload !== null &&
    payload.monotonicMs !== null
      ? Math.min(age, Math.max(0, facts.monotonicNowMs - payload.monotonicMs))
      : age;
  const endCounts = kernel !== "held" && !owner.undecidable;
  const hasPid = payload !== null && payload.pid !== null;
  const isDeadOrRecycled = owner.end === "dead-pid" || owner.end === "recycled-pid";
  const isOrphan =
    payload !== null &&
    facts.isSelf &&
    endCounts &&
    !isDeadOrRecycled &&
    (payload.nonce === null
      ? !facts.inWorkerThread &&
        (owner.reason === "start-time-equal" || (facts.atAcquire && payload.starttime === null))
      : kernel === "free" && owner.end !== null);
  const isProvenOrEnded = owner.reason !== "unproven";
  const holds: Record<StaleReason, boolean> = {
    // A lock without pid may name its holder otherwise: then the end of that holder says more.
    "missing-pid": endCounts && !hasPid && owner.end === null,
    "dead-pid": endCounts && owner.end === "dead-pid",
    "recycled-pid": endCounts && owner.end === "recycled-pid",
    "holder-gone": endCounts && owner.end === "holder-gone",
    "invalid-createdAt": age === null,
    "too-old": age !== null && age > facts.staleMs,
    "hold-exceeded":
      facts.respectMaxHold &&
      payload !== null &&
      payload.maxHoldMs !== null &&
      heldFor !== null &&
      heldFor > payload.maxHoldMs,
    "orphan-self-pid": isOrphan,
    "non-openclaw-owner":
      !isOrphan &&
      !isProvenOrEnded &&
      facts.pidAlive &&
      facts.ownerArgs !== null &&
      facts.ownerArgs.some((argument) => argument.trim() !== "") &&
      !facts.isOwnerArgv(facts.ownerArgs),
  };
  return EVERY_REASON.filter((reason) => holds[reason]);
}

/** The table "what is done": every row with its condition, the first that holds counts. */
function expectedKeeping(
  payload: LockPayload | null,
  facts: SessionLockFacts,
  reasons: readonly StaleReason[],
): ClassifiedKeptReason {
  const has = (...some: StaleReason[]) => some.some((reason) => reasons.includes(reason));
  const isPastGrace =
    facts.mtimeMs !== null && NOW - facts.mtimeMs > Math.min(facts.staleMs, facts.graceMs);
  const hasGuard = payload === null || payload.nonce === null || payload.kernelLock !== null;
  const isOtherView = facts.kernel === "other-view";
  const removal = facts.owner.needsNestedLook ? "owner-unknown" : isOtherView ? "other-view" : null;
  const rows: readonly (readonly [boolean, ClassifiedKeptReason])[] = [
    [facts.unreadable, "unreadable"],
    [reasons.length === 0, null],
    [facts.owner.undecidable, "owner-unknown"],
    [
      has("dead-pid", "recycled-pid", "holder-gone", "orphan-self-pid", "non-openclaw-owner"),
      removal,
    ],
    [has("hold-exceeded"), hasGuard ? removal : "no-guard"],
    [!has("missing-pid"), "owner-alive"],
    [has("too-old") || isPastGrace, removal],
    [true, "in-grace"],
  ];
  return rows.find(([holds]) => holds)?.[1] ?? null;
}

test("every verdict on a lock is the documented one", () => {
  fc.assert(
    fc.property(payloads, allFacts, (payload, facts) => {
      const reasons = expectedReasons(payload, facts);
      const keptReason = expectedKeeping(payload, facts, reasons);
      expect(classifySessionLock(payload, facts)).toMatchObject({
        staleReasons: reasons,
        stale: reasons.length > 0,
        keptReason,
        removable: reasons.length > 0 && keptReason === null,
      });
    }),
    runs(20_000),
  );
});

describe("locks that are never removed", () => {
  const never: Readonly<Record<string, Partial<SessionLockFacts>>> = {
    "that cannot be read": { unreadable: true },
    "that this process holds": { heldHere: true },
    "whose owner cannot be judged": {
      owner: { ...UNDECIDABLE, reason: "other-host", needsNestedLook: false },
    },
    "of a live container, as far as is known before a look at containers": {
      owner: {
        state: "gone",
        reason: "no-such-process",
        end: "dead-pid",
        undecidable: false,
        needsNestedLook: true,
      },
    },
    "that is seen from another side": { kernel: "other-view" },
  };
  test.each(Object.entries(never))("no lock %s is removed, whatever the facts", (_, fact) => {
    fc.assert(
      fc.property(payloads, allFacts, (payload, facts) => {
        expect(classifySessionLock(payload, { ...facts, ...fact }).removable).toBe(false);
      }),
      runs(2000),
    );
  });
});

test("a look at containers is asked for only where it can make a removal, or tell who the owner is", () => {
  fc.assert(
    fc.property(payloads, allFacts, (payload, facts) => {
      const { owner } = facts;
      const unseen = classifySessionLock(payload, facts);
      const seen = classifySessionLock(payload, {
        ...facts,
        owner: { ...owner, needsNestedLook: false },
      });
      const isAsked = dependsOnNestedLook(unseen, owner);
      // Reasons do not depend on it, and what would not be removed after it is not worth it.
      expect(unseen.staleReasons).toEqual(seen.staleReasons);
      expect(seen.removable && owner.needsNestedLook && !isAsked).toBe(false);
      expect(unseen.removable && owner.needsNestedLook).toBe(false);
      expect(isAsked && !owner.needsNestedLook).toBe(false);
    }),
    runs(5000),
  );
});

test("a command line that is not asked for cannot change the verdict", () => {
  fc.assert(
    fc.property(payloads, allFacts, (payload, facts) => {
      fc.pre(!needsOwnerArgs(payload, facts));
      const unasked = classifySessionLock(payload, { ...facts, ownerArgs: null });
      expect(classifySessionLock(payload, facts)).toEqual(unasked);
    }),
    runs(2000),
  );
});
