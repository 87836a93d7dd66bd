/** The facts that callers judge by, checked one by one. The rule itself: ../lock/verdict/classify.test.ts. */
import { describe, expect, test } from "vitest";

import { classifySessionLock, type SessionLockFacts } from "../../lib/session-lock/classify.js";
import { isProof, nameReasons } from "../../lib/session-lock/reasons.js";
import { plainPayload } from "../../lib/lock/protocol/payload.js";
import type { OwnerJudgement } from "../../lib/lock/verdict/owner-judgement.js";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");
const PAYLOAD = plainPayload(4711, { createdAt: "2026-06-01T11:59:00.000Z" });
const UNPROVEN: OwnerJudgement = {
  state: "unknown",
  reason: "unproven",
  end: null,
  undecidable: false,
  needsNestedLook: false,
};
const FACTS: SessionLockFacts = {
  nowMs: NOW,
  staleMs: 1_800_000,
  graceMs: 30_000,
  mtimeMs: null,
  monotonicNowMs: null,
  respectMaxHold: false,
  unreadable: false,
  owner: UNPROVEN,
  kernel: "silent",
  pidAlive: true,
  heldHere: false,
  isSelf: false,
  inWorkerThread: false,
  atAcquire: false,
  ownerArgs: null,
  isOwnerArgv: () => true,
};

const classify = (changed: object) => classifySessionLock(PAYLOAD, { ...FACTS, ...changed });

test("a lock is judged by whole facts", () => {
  expect(classify({})).toEqual({
    ageMs: 60_000,
    stale: false,
    staleReasons: [],
    removable: false,
    keptReason: null,
    ownerState: "unknown",
    ownerReason: "unproven",
  });
  expect(classifySessionLock(null, FACTS)).toMatchObject({
    stale: true,
    staleReasons: ["missing-pid", "invalid-createdAt"],
    keptReason: "in-grace",
  });
});

test("the lock of another program's process has the reason that session locks have for it", () => {
  expect(classify({ ownerArgs: ["vim"], isOwnerArgv: () => false })).toMatchObject({
    staleReasons: ["non-openclaw-owner"],
    removable: true,
  });
});

describe("every fact", () => {
  // Of each, what it may be, and what it may not be.
  const OWNERS = {
    state: [
      ["same", "gone", "unknown"],
      ["alive", "", null],
    ],
    reason: [
      ["unproven", "running"],
      ["", null, 1],
    ],
    end: [
      [null, "dead-pid", "recycled-pid", "holder-gone"],
      ["missing-pid", "", undefined],
    ],
    undecidable: [
      [true, false],
      [null, 1],
    ],
    needsNestedLook: [
      [true, false],
      [null, 1],
    ],
  } as const;
  const VALUES = {
    nowMs: [
      [0, 1.5],
      [null, "1", Number.NaN, Infinity],
    ],
    staleMs: [
      [0, 1.5, Infinity],
      [null, -1, Number.NaN],
    ],
    graceMs: [
      [0, 1.5, Infinity],
      [null, -1, Number.NaN],
    ],
    mtimeMs: [
      [null, 0, -1.5],
      [undefined, Infinity],
    ],
    monotonicNowMs: [
      [null, 0, -1.5],
      [undefined, Infinity],
    ],
    respectMaxHold: [
      [true, false],
      [null, 1],
    ],
    unreadable: [
      [true, false],
      [null, 1],
    ],
    kernel: [
      ["held", "free", "free-unconfirmed", "other-mount", "other-view", "silent"],
      ["busy", "", null],
    ],
    pidAlive: [
      [true, false],
      [null, 1],
    ],
    heldHere: [
      [true, false],
      [null, 1],
    ],
    isSelf: [
      [true, false],
      [null, 1],
    ],
    inWorkerThread: [
      [true, false],
      [null, 1],
    ],
    atAcquire: [
      [true, false],
      [null, 1],
    ],
    ownerArgs: [
      [null, [], ["openclaw"]],
      [undefined, "openclaw", [1]],
    ],
    isOwnerArgv: [[() => false], [null, "openclaw"]],
  } as const;

  test.each(Object.entries(VALUES))("%s is taken or refused by its name", (name, [good, bad]) => {
    for (const value of good) expect(() => classify({ [name]: value })).not.toThrow();
    for (const value of bad) {
      expect(() => classify({ [name]: value })).toThrow(
        new RegExp(`^facts\\.${name}\\S* must be `),
      );
    }
  });

  test.each(Object.entries(OWNERS))(
    "owner.%s is taken or refused by its name",
    (name, [good, bad]) => {
      for (const value of good) {
        expect(() => classify({ owner: { ...UNPROVEN, [name]: value } })).not.toThrow();
      }
      for (const value of bad) {
        expect(() => classify({ owner: { ...UNPROVEN, [name]: value } })).toThrow(
          new RegExp(`^facts\\.owner\\.${name} must be `),
        );
      }
    },
  );

  test("must be there: half of them would be a wrong verdict", () => {
    for (const name of Object.keys(FACTS)) {
      expect(() => classify({ [name]: undefined })).toThrow(TypeError);
    }
    expect(() => classify({ owner: null })).toThrow("facts.owner must be an object");
    expect(() => classifySessionLock(PAYLOAD, null as unknown as SessionLockFacts)).toThrow(
      "facts must be an object",
    );
  });

  test("is looked at after the payload, which is checked as well", () => {
    expect(() => classifySessionLock({ ...PAYLOAD, pid: 0 }, FACTS)).toThrow(
      "payload.pid must be ",
    );
    expect(() => classifySessionLock(undefined as never, FACTS)).toThrow("payload must be ");
  });
});

describe("reasons", () => {
  test("have the engine's names, but for one", () => {
    const shared = ["dead-pid", "too-old"] as const;
    expect(nameReasons(shared)).toBe(shared);
    expect(nameReasons(["too-old", "foreign-owner"])).toEqual(["too-old", "non-openclaw-owner"]);
  });

  test.each([
    ["dead-pid", true],
    ["recycled-pid", true],
    ["holder-gone", true],
    ["orphan-self-pid", true],
    ["non-openclaw-owner", true],
    ["missing-pid", false],
    ["invalid-createdAt", false],
    ["too-old", false],
    ["hold-exceeded", false],
  ] as const)("%s alone shows that a lock was given up: %s", (reason, expected) => {
    expect(isProof(reason)).toBe(expected);
  });
});
