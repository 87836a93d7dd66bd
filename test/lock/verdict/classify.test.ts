import { describe, expect, test } from "vitest";

import {
  classifySessionLock,
  type SessionLockClassification,
  type SessionLockFacts,
} from "../../../lib/session-lock/classify.js";
import { dependsOnNestedLook, needsOwnerArgs } from "../../../lib/lock/verdict/classify.js";
import type { OwnerJudgement } from "../../../lib/lock/verdict/owner-judgement.js";
import type { LockPayload } from "../../../lib/lock/protocol/payload.js";
import {
  NOW,
  MINUTE,
  UNPROVEN,
  SAME,
  HELD,
  DEAD,
  RECYCLED,
  FREE,
  OTHER_HOST,
  MOUNT_GONE,
  NO_TOKEN,
  MISSING_PID,
  payload,
  facts,
  createdAgo,
} from "./lock-facts.js";

type Row = [
  name: string,
  payload: LockPayload | null,
  facts: Partial<SessionLockFacts>,
  expected: Partial<SessionLockClassification>,
];

function check(_name: string, lock: Row[1], changes: Row[2], expected: Row[3]): void {
  expect(classifySessionLock(lock, facts(changes))).toMatchObject(expected);
}

const KEPT = { removable: false };
const REMOVED = { removable: true, keptReason: null };
const OLD = createdAgo(31 * MINUTE);

describe("rule 1: how the owner ended", () => {
  test.each<Row>([
    [
      "dead pid",
      payload(),
      { owner: DEAD, pidAlive: false },
      { staleReasons: ["dead-pid"], ...REMOVED },
    ],
    [
      "recycled pid",
      payload(),
      { owner: RECYCLED },
      { staleReasons: ["recycled-pid"], ...REMOVED },
    ],
    [
      "kernel lock free",
      payload(),
      { owner: FREE, kernel: "free" },
      { staleReasons: ["holder-gone"], ...REMOVED },
    ],
    [
      "no pid, young",
      payload({ pid: null }),
      { owner: MISSING_PID, mtimeMs: NOW - 1000 },
      { staleReasons: ["missing-pid"], keptReason: "in-grace", ...KEPT },
    ],
    [
      "no payload",
      null,
      { owner: MISSING_PID, mtimeMs: NOW - 31_000 },
      { staleReasons: ["missing-pid", "invalid-createdAt"], ...REMOVED },
    ],
    [
      "no pid, but a kernel lock that is free",
      payload({ pid: null, nonce: "n", kernelLock: "1:2" }),
      { owner: FREE, kernel: "free", pidAlive: false, mtimeMs: NOW },
      { staleReasons: ["holder-gone"], ...REMOVED },
    ],
    [
      "kernel lock held: nothing of the kind",
      payload(),
      { owner: HELD, kernel: "held", pidAlive: false },
      { staleReasons: [], stale: false, keptReason: null, ...KEPT },
    ],
    [
      "owner unknown: nothing of the kind",
      payload(),
      { owner: OTHER_HOST, pidAlive: false },
      { staleReasons: [], stale: false, ...KEPT },
    ],
    [
      "a token without a pid: unknown, not missing",
      payload({ pid: null }),
      { owner: OTHER_HOST, pidAlive: false, mtimeMs: 0 },
      { staleReasons: [], ...KEPT },
    ],
  ])("rule 1 tells how the owner ended: %s", check);
});

describe("rule 2: age", () => {
  test.each<Row>([
    [
      "exactly at the limit",
      payload(createdAgo(30 * MINUTE)),
      {},
      { staleReasons: [], ageMs: 30 * MINUTE },
    ],
    [
      "one millisecond beyond",
      payload(createdAgo(30 * MINUTE + 1)),
      {},
      { staleReasons: ["too-old"], keptReason: "owner-alive", ...KEPT },
    ],
    [
      "createdAt in the future is new",
      payload(createdAgo(-10 * MINUTE)),
      {},
      { staleReasons: [], ageMs: 0 },
    ],
    [
      "createdAt absent",
      payload({ createdAt: 12 }),
      {},
      { staleReasons: ["invalid-createdAt"], ageMs: null, keptReason: "owner-alive", ...KEPT },
    ],
    [
      "createdAt unparsable",
      payload({ createdAt: "yesterday" }),
      {},
      { staleReasons: ["invalid-createdAt"], ageMs: null, keptReason: "owner-alive" },
    ],
    [
      "both reasons, in order",
      payload(OLD),
      { owner: DEAD, pidAlive: false },
      { staleReasons: ["dead-pid", "too-old"], ...REMOVED },
    ],
  ])("rule 2 tells what is too old: %s", check);
});

describe("rule 3: the holder's own limit", () => {
  const overdue = payload({ maxHoldMs: MINUTE / 2 });

  test.each<Row>([
    ["a sweep never asks", overdue, {}, { staleReasons: [], ...KEPT }],
    [
      "acquire asks",
      overdue,
      { respectMaxHold: true },
      { staleReasons: ["hold-exceeded"], ...REMOVED },
    ],
    [
      "exactly at the limit",
      payload({ maxHoldMs: MINUTE }),
      { respectMaxHold: true },
      { staleReasons: [] },
    ],
    ["no limit written", payload(), { respectMaxHold: true }, { staleReasons: [] }],
    [
      "no age",
      payload({ maxHoldMs: 5, createdAt: "?" }),
      { respectMaxHold: true },
      { staleReasons: ["invalid-createdAt"], keptReason: "owner-alive" },
    ],
    [
      "no age, whatever the monotonic clock says",
      payload({ maxHoldMs: 5, createdAt: "?", monotonicMs: 1000 }),
      { respectMaxHold: true, monotonicNowMs: 9000 },
      { staleReasons: ["invalid-createdAt"], keptReason: "owner-alive" },
    ],
    [
      "the monotonic clock decides: suspended, not overdue",
      payload({ maxHoldMs: MINUTE / 2, monotonicMs: 1000 }),
      { respectMaxHold: true, monotonicNowMs: 2000 },
      { staleReasons: [] },
    ],
    [
      "the monotonic clock decides: overdue",
      payload({ maxHoldMs: 500, monotonicMs: 1000 }),
      { respectMaxHold: true, monotonicNowMs: 1501 },
      { staleReasons: ["hold-exceeded"], ...REMOVED },
    ],
    [
      "exactly at the limit by the monotonic clock",
      payload({ maxHoldMs: 500, monotonicMs: 1000 }),
      { respectMaxHold: true, monotonicNowMs: 1500 },
      { staleReasons: [] },
    ],
    [
      // A runtime's clock that began with the process, taken for the machine's, says that it was held for days.
      "a monotonic reading that says more than the wall clock is another clock's",
      payload({ maxHoldMs: 2 * MINUTE, monotonicMs: 40 }),
      { respectMaxHold: true, monotonicNowMs: 90 * 24 * 60 * MINUTE },
      { staleReasons: [] },
    ],
    [
      "another clock's monotonic reading, overdue by the wall clock",
      payload({ maxHoldMs: MINUTE / 2, monotonicMs: 40 }),
      { respectMaxHold: true, monotonicNowMs: 90 * 24 * 60 * MINUTE },
      { staleReasons: ["hold-exceeded"], ...REMOVED },
    ],
    [
      "not overdue when the wall clock stepped back: its own watchdog sees to it",
      payload({ maxHoldMs: 500, monotonicMs: 1000, ...createdAgo(0) }),
      { respectMaxHold: true, monotonicNowMs: 2000 },
      { staleReasons: [] },
    ],
    [
      "a monotonic reading from the future was held for no time",
      payload({ maxHoldMs: 5, monotonicMs: 9000 }),
      { respectMaxHold: true, monotonicNowMs: 2000 },
      { staleReasons: [] },
    ],
    [
      "another boot's monotonic reading is not used",
      payload({ maxHoldMs: MINUTE / 2, monotonicMs: 1000 }),
      { respectMaxHold: true },
      { staleReasons: ["hold-exceeded"] },
    ],
    [
      "held here: never",
      overdue,
      { respectMaxHold: true, heldHere: true },
      { staleReasons: [], ownerState: "same", ownerReason: "held-here" },
    ],
    [
      "owner unknown: reported, kept",
      overdue,
      { respectMaxHold: true, owner: OTHER_HOST },
      { staleReasons: ["hold-exceeded"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "kernel lock held: displaced all the same",
      payload({ maxHoldMs: 5, nonce: "n", kernelLock: "1:2" }),
      { respectMaxHold: true, owner: HELD, kernel: "held" },
      { staleReasons: ["hold-exceeded"], ...REMOVED },
    ],
    [
      "written by this package without a kernel lock: it has no fence",
      payload({ maxHoldMs: 5, nonce: "n" }),
      { respectMaxHold: true },
      { staleReasons: ["hold-exceeded"], keptReason: "no-guard", ...KEPT },
    ],
    [
      "written by this package without a kernel lock, its owner dead",
      payload({ maxHoldMs: 5, nonce: "n" }),
      { respectMaxHold: true, owner: DEAD },
      { staleReasons: ["dead-pid", "hold-exceeded"], ...REMOVED },
    ],
  ])("rule 3 tells who is past its own limit: %s", check);
});

describe("rule 4, first half: an orphan of this process's pid", () => {
  const self = { isSelf: true };
  const selfUnproven = { isSelf: true, owner: UNPROVEN };
  const withNonce = payload({ nonce: "n", kernelLock: "1:2" });

  test.each<Row>([
    [
      "this process's start time, not held here",
      payload(),
      self,
      { staleReasons: ["orphan-self-pid"], ...REMOVED },
    ],
    ["held here", payload(), { ...self, heldHere: true }, { staleReasons: [], ...KEPT }],
    [
      "kernel lock held: by another thread",
      withNonce,
      { ...self, owner: HELD, kernel: "held" },
      { staleReasons: [] },
    ],
    [
      "this package's by nonce, kernel silent: maybe another thread's",
      withNonce,
      self,
      { staleReasons: [], ...KEPT },
    ],
    [
      "this package's by nonce, kernel lock free",
      withNonce,
      { ...self, owner: FREE, kernel: "free" },
      { staleReasons: ["holder-gone", "orphan-self-pid"], ...REMOVED },
    ],
    ...(["free-unconfirmed", "other-mount"] as const).map((kernel): Row => [
      `this package's by nonce, and free is not for sure: ${kernel}`,
      withNonce,
      { ...self, owner: FREE, kernel },
      { staleReasons: ["holder-gone"], ...REMOVED },
    ]),
    [
      "this package's by nonce, without token: maybe another thread's",
      payload({ nonce: "n" }),
      { ...self, owner: NO_TOKEN, atAcquire: true },
      { staleReasons: [], ...KEPT },
    ],
    [
      "plain, and the caller said to keep those",
      payload(),
      { ...self, owner: { ...OTHER_HOST, reason: "plain-lock" }, atAcquire: true },
      { staleReasons: [], ...KEPT },
    ],
    [
      "judged from a worker: maybe the main thread's",
      payload(),
      { ...self, inWorkerThread: true },
      { staleReasons: [] },
    ],
    ["no start time, in a sweep", payload(), selfUnproven, { staleReasons: [] }],
    [
      "no start time, at acquire",
      payload(),
      { ...selfUnproven, atAcquire: true },
      { staleReasons: ["orphan-self-pid"], ...REMOVED },
    ],
    [
      "no start time, at acquire, from a worker",
      payload(),
      { ...selfUnproven, atAcquire: true, inWorkerThread: true },
      { staleReasons: [] },
    ],
    [
      "another start time: recycled, not orphaned",
      payload(),
      { ...self, owner: RECYCLED },
      { staleReasons: ["recycled-pid"], ...REMOVED },
    ],
    ["another host's pid", payload(), { ...self, owner: OTHER_HOST }, { staleReasons: [] }],
    ["another process's pid", payload(), {}, { staleReasons: [] }],
  ])("rule 4 tells an orphan of this process's pid: %s", check);
});

describe("rule 4, second half: another program", () => {
  const foreign = { owner: UNPROVEN, ownerArgs: ["sleep", "9"] };

  test.each<Row>([
    [
      "argv not recognised",
      payload(),
      foreign,
      { staleReasons: ["non-openclaw-owner"], ...REMOVED },
    ],
    [
      "argv recognised",
      payload(),
      { owner: UNPROVEN, ownerArgs: ["openclaw"] },
      { staleReasons: [] },
    ],
    ["argv unreadable", payload(), { owner: UNPROVEN, ownerArgs: null }, { staleReasons: [] }],
    ["argv empty", payload(), { owner: UNPROVEN, ownerArgs: [] }, { staleReasons: [] }],
    ["argv blank", payload(), { owner: UNPROVEN, ownerArgs: ["", " \t"] }, { staleReasons: [] }],
    [
      "identity proven: never foreign, whatever the title",
      payload(),
      { ...foreign, owner: SAME },
      { staleReasons: [] },
    ],
    [
      "kernel lock held",
      payload(),
      { ...foreign, owner: HELD, kernel: "held" },
      { staleReasons: [] },
    ],
    ["owner unknown", payload(), { ...foreign, owner: OTHER_HOST }, { staleReasons: [] }],
    [
      "written by this package without token: never foreign",
      payload({ nonce: "n" }),
      { ...foreign, owner: NO_TOKEN },
      { staleReasons: [], stale: false, ...KEPT },
    ],
    [
      "pid dead",
      payload(),
      { ...foreign, owner: DEAD, pidAlive: false },
      { staleReasons: ["dead-pid"] },
    ],
    [
      "pid recycled",
      payload(),
      { ...foreign, owner: RECYCLED },
      { staleReasons: ["recycled-pid"] },
    ],
    ["held here", payload(), { ...foreign, heldHere: true }, { staleReasons: [] }],
    [
      "old as well, in order",
      payload(OLD),
      foreign,
      { staleReasons: ["too-old", "non-openclaw-owner"], ...REMOVED },
    ],
  ])("rule 4 tells a foreign program's pid: %s", check);
});

describe("what is done", () => {
  const abandoned = { owner: MISSING_PID, pidAlive: false };

  test.each<Row>([
    [
      "0: unreadable",
      null,
      { unreadable: true },
      {
        staleReasons: [],
        stale: false,
        keptReason: "unreadable",
        ownerState: "unknown",
        ownerReason: "unreadable",
        ...KEPT,
      },
    ],
    [
      "a: nothing wrong",
      payload(),
      {},
      { staleReasons: [], stale: false, keptReason: null, ...KEPT },
    ],
    [
      "b: owner unknown and old",
      payload(OLD),
      { owner: OTHER_HOST },
      { staleReasons: ["too-old"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "b: owner unknown without createdAt",
      payload({ createdAt: 1 }),
      { owner: OTHER_HOST },
      { staleReasons: ["invalid-createdAt"], keptReason: "owner-unknown", ...KEPT },
    ],
    ["c beats e", payload(OLD), { owner: DEAD, pidAlive: false }, REMOVED],
    [
      "e: unproven but alive",
      payload(OLD),
      { owner: UNPROVEN },
      { staleReasons: ["too-old"], keptReason: "owner-alive", ...KEPT },
    ],
    ["e: token same", payload(OLD), { owner: SAME }, { keptReason: "owner-alive", ...KEPT }],
    [
      "e: kernel lock held",
      payload(OLD),
      { owner: HELD, kernel: "held", pidAlive: false },
      { keptReason: "owner-alive", ...KEPT },
    ],
    [
      "f: no pid and too old, whatever the file time",
      payload({ pid: null, ...OLD }),
      { ...abandoned, mtimeMs: NOW },
      { staleReasons: ["missing-pid", "too-old"], ...REMOVED },
    ],
    [
      "g: no pid, within the grace",
      payload({ pid: null }),
      { ...abandoned, mtimeMs: NOW - 30_000 },
      { keptReason: "in-grace", ...KEPT },
    ],
    [
      "g: no pid, past the grace",
      payload({ pid: null }),
      { ...abandoned, mtimeMs: NOW - 30_001 },
      REMOVED,
    ],
    [
      "g: staleMs below the grace",
      payload({ pid: null, ...createdAgo(0) }),
      { ...abandoned, staleMs: 5000, mtimeMs: NOW - 5001 },
      REMOVED,
    ],
    [
      "g: a short acquire's grace",
      null,
      { ...abandoned, graceMs: 5000, mtimeMs: NOW - 5001 },
      REMOVED,
    ],
    [
      "g: file time in the future",
      null,
      { ...abandoned, mtimeMs: NOW + 99_999 },
      { keptReason: "in-grace", ...KEPT },
    ],
    ["g: file time unknown", null, abandoned, { keptReason: "in-grace", ...KEPT }],
    [
      "another view of the file is not removed",
      payload(),
      { owner: DEAD, pidAlive: false, kernel: "other-view" },
      { staleReasons: ["dead-pid"], keptReason: "other-view", ...KEPT },
    ],
    [
      "its overlay is mounted no more",
      payload({ nonce: "n" }),
      { owner: MOUNT_GONE, kernel: "other-mount" },
      { staleReasons: ["holder-gone"], ownerReason: "mount-gone", ...REMOVED },
    ],
    [
      "another view, nothing wrong",
      payload(),
      { kernel: "other-view" },
      { staleReasons: [], keptReason: null, ...KEPT },
    ],
    [
      "another view, old",
      payload(OLD),
      { kernel: "other-view" },
      { keptReason: "owner-alive", ...KEPT },
    ],
  ])("the first rule that matches decides what is done: %s", check);
});

describe("before a look at containers", () => {
  const unseen = (owner: OwnerJudgement): OwnerJudgement => ({ ...owner, needsNestedLook: true });
  const foreign = { ownerArgs: ["sleep", "9"] };

  test.each<Row>([
    [
      "dead pid",
      payload(),
      { owner: unseen(DEAD), pidAlive: false },
      { staleReasons: ["dead-pid"], keptReason: "owner-unknown", ownerState: "gone", ...KEPT },
    ],
    [
      "recycled pid",
      payload(),
      { owner: unseen(RECYCLED) },
      { staleReasons: ["recycled-pid"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "a foreign program",
      payload(),
      { owner: unseen(UNPROVEN), ...foreign },
      { staleReasons: ["non-openclaw-owner"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "an orphan of this process's pid",
      payload(),
      { owner: unseen(UNPROVEN), isSelf: true, atAcquire: true },
      { staleReasons: ["orphan-self-pid"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "overdue",
      payload({ maxHoldMs: 5 }),
      { owner: unseen(UNPROVEN), respectMaxHold: true },
      { staleReasons: ["hold-exceeded"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "a mount that is gone",
      payload({ nonce: "n" }),
      { owner: unseen(MOUNT_GONE), kernel: "other-mount" },
      { staleReasons: ["holder-gone"], keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "dead in another view",
      payload(),
      { owner: unseen(DEAD), pidAlive: false, kernel: "other-view" },
      { keptReason: "owner-unknown", ...KEPT },
    ],
    [
      "too old only: kept for that",
      payload(OLD),
      { owner: unseen(UNPROVEN) },
      { staleReasons: ["too-old"], keptReason: "owner-alive", ...KEPT },
    ],
    [
      "nothing wrong",
      payload(),
      { owner: unseen(UNPROVEN) },
      { staleReasons: [], keptReason: null, ...KEPT },
    ],
    [
      "without a guard",
      payload({ nonce: "n", maxHoldMs: 5 }),
      { owner: unseen(UNPROVEN), respectMaxHold: true },
      { keptReason: "no-guard", ...KEPT },
    ],
  ])("nothing is removed before a look at containers that may change the verdict: %s", check);

  test.each<[string | null, OwnerJudgement, boolean]>([
    ["owner-unknown", unseen(DEAD), true],
    ["owner-unknown", unseen(UNPROVEN), true],
    // Kept for another reason, or not stale at all: it would not be removed after a look either.
    ["owner-alive", unseen(UNPROVEN), false],
    ["no-guard", unseen(UNPROVEN), false],
    [null, unseen(UNPROVEN), false],
    // A look may prove its end, or its life.
    [null, unseen(OTHER_HOST), true],
    ["owner-unknown", unseen(OTHER_HOST), true],
    ["owner-unknown", DEAD, false],
    ["owner-unknown", OTHER_HOST, false],
    [null, OTHER_HOST, false],
  ])(
    "a look at containers may change a verdict that is kept as %s: row %#",
    (keptReason, owner, expected) => {
      expect(dependsOnNestedLook({ keptReason }, owner)).toBe(expected);
    },
  );
});

test("the command line is asked for only where it can change the verdict", () => {
  const asked = (changes: Partial<SessionLockFacts>): boolean =>
    needsOwnerArgs(payload(), facts(changes));
  expect(asked({ owner: UNPROVEN })).toBe(true);
  expect(asked({ owner: SAME })).toBe(false);
  expect(asked({ owner: DEAD, pidAlive: false })).toBe(false);
  expect(asked({ owner: OTHER_HOST })).toBe(false);
  expect(asked({ owner: NO_TOKEN })).toBe(false);
  expect(asked({ owner: UNPROVEN, heldHere: true })).toBe(false);
  expect(asked({ owner: UNPROVEN, unreadable: true })).toBe(false);
  expect(asked({ owner: UNPROVEN, isSelf: true, atAcquire: true })).toBe(false);
});
