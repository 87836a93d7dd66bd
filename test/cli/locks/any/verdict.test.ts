import { describe, expect, test } from "vitest";

import { claim, type Claim } from "../../../../lib/cli/locks/forms/form.js";
import {
  type ClaimFacts,
  judgeClaim,
  type Verdict,
} from "../../../../lib/cli/locks/any/verdict.js";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A process has the pid and ran an hour before the lock was written; the machine runs for a month. */
const FACTS: ClaimFacts = {
  kernel: { state: "free" },
  owner: { state: "unknown", reason: "unproven" },
  isThisHost: true,
  pidNamespace: "4026531836",
  writtenMs: NOW,
  startedMs: NOW - HOUR,
  program: "node",
  bootedMs: NOW - 30 * DAY,
};

function judge(known: Partial<Claim>, facts: Partial<ClaimFacts> = {}): Verdict {
  return judgeClaim(claim({ pid: 7, ...known }), { ...FACTS, ...facts });
}

const lock = { type: "flock", pid: 9 } as const;

describe("when the process with the pid started decides where nothing else does", () => {
  const later = (ms: number, facts: Partial<ClaimFacts> = {}): Verdict =>
    judge({}, { startedMs: NOW + ms, ...facts });

  test("one that ran before the lock was written holds it", () => {
    expect(judge({})).toEqual({ state: "held", reason: "started-before" });
  });

  test("one that seems to have started with it holds it: both times are rounded", () => {
    expect(later(1500)).toEqual({ state: "held", reason: "started-before" });
  });

  test("one that started some seconds later proves nothing: clocks are set", () => {
    expect(later(30_000)).toEqual({ state: "undecided", reason: "clock-set" });
  });

  test("one that started later cannot have written it", () => {
    expect(later(HOUR)).toEqual({ state: "stale", reason: "started-after" });
  });

  test("a machine that got its time after its first programs started is not believed", () => {
    const bootedMs = NOW + DAY;
    const startedMs = bootedMs + 20_000;
    expect(judge({}, { bootedMs, startedMs })).toEqual({ state: "undecided", reason: "clock-set" });
    expect(judge({}, { bootedMs: null, startedMs })).toEqual({
      state: "undecided",
      reason: "clock-set",
    });
  });

  test("it is, when that process is another program besides, or started long after the boot", () => {
    const bootedMs = NOW + DAY;
    const stale = { state: "stale", reason: "started-after" };
    const programs = /^postgres/;
    expect(judge({ programs }, { bootedMs, startedMs: bootedMs + 20_000 })).toEqual(stale);
    expect(judge({}, { bootedMs, startedMs: bootedMs + HOUR })).toEqual(stale);
  });

  test("without a start time nothing is proven", () => {
    expect(judge({}, { startedMs: null })).toEqual({ state: "undecided", reason: "unproven" });
  });
});

describe("a program that does not write such locks", () => {
  const programs = /^postgres/;

  test("is not called the holder, nor is the lock called stale", () => {
    expect(judge({ programs })).toEqual({ state: "undecided", reason: "other-program" });
  });

  test("is not seen where the name is not known", () => {
    const facts = { program: null };
    expect(judge({ programs }, facts)).toEqual({ state: "held", reason: "started-before" });
  });

  test("has the lock when the start time says so, or the kernel", () => {
    const owner = { state: "same", reason: "start-time-equal" } as const;
    expect(judge({ programs }, { owner })).toEqual({ state: "held", reason: "start-time-equal" });
    const kernel = { state: "held", lock } as const;
    expect(judge({ programs }, { kernel })).toEqual({ state: "held", reason: "kernel-lock-held" });
  });
});

describe("a process that cannot be asked here is never called gone", () => {
  const owner = { state: "gone", reason: "no-such-process" } as const;

  test("on another host", () => {
    const facts = { owner, isThisHost: false };
    expect(judge({ host: "x" }, facts)).toEqual({ state: "undecided", reason: "other-host" });
  });

  test.for([["4026532000"], [null]])("in another pid namespace than %s", ([pidNamespace]) => {
    expect(judge({ pidNamespace: "1" }, { owner, pidNamespace: pidNamespace ?? null })).toEqual({
      state: "undecided",
      reason: "other-pid-namespace",
    });
  });

  test.for(["access-denied", "other-pid-namespace", "other-host", "plain-lock"] as const)(
    "as the rules for plain locks say: %s",
    (reason) => {
      const unknown = { state: "unknown", reason } as const;
      expect(judge({}, { owner: unknown })).toEqual({ state: "undecided", reason });
    },
  );

  test("a kernel lock holds it in spite of all", () => {
    const kernel = { state: "held", lock } as const;
    expect(judge({ host: "x" }, { owner, isThisHost: false, kernel }).state).toBe("held");
  });

  test("here it is gone", () => {
    expect(judge({}, { owner })).toEqual({ state: "stale", reason: "no-such-process" });
  });
});

describe("a lock that names no process", () => {
  test("is never free nor stale", () => {
    for (const kernel of [{ state: "free" }, { state: "unknown" }] as const) {
      const verdict = judge({ pid: null }, { kernel });
      expect(verdict).toEqual({ state: "undecided", reason: "no-owner" });
    }
  });

  test("is free only where the kernel's lock is the lock, and the kernel says so", () => {
    const known = { pid: null, isKernelLock: true };
    expect(judge(known)).toEqual({ state: "free", reason: "kernel-lock-free" });
    expect(judge(known, { kernel: { state: "unknown" } })).toEqual({
      state: "undecided",
      reason: "kernel-lock-unknown",
    });
    expect(judge(known, { kernel: { state: "held", lock } }).state).toBe("held");
  });
});
