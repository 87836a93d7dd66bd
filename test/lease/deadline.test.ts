/** Until when a holder may believe: the arithmetic, with every order in which answers can come. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  deadlineAfter,
  deadlineExtendedBy,
  leftUntil,
  renewalIntervalMs,
  renewalRetryMs,
} from "../../lib/lease/deadline.js";

const terms = { ttlMs: 10_000, marginMs: 2000 };

describe("the deadline of a lease", () => {
  test("counts from when the request was sent, and ends a margin before the ttl", () => {
    expect(deadlineAfter(100, terms)).toBe(8100);
  });

  test("moves with a renewal that is answered before it", () => {
    expect(deadlineExtendedBy(8100, { sentMs: 3000, answeredMs: 8099 }, terms)).toBe(11_000);
  });

  test("does not move by an answer that comes at it or after it", () => {
    expect(deadlineExtendedBy(8100, { sentMs: 3000, answeredMs: 8100 }, terms)).toBe(8100);
    expect(deadlineExtendedBy(8100, { sentMs: 8000, answeredMs: 20_000 }, terms)).toBe(8100);
  });

  test("does not fall back when an earlier renewal is answered after a later one", () => {
    const later = deadlineExtendedBy(8100, { sentMs: 6000, answeredMs: 6100 }, terms);
    expect(deadlineExtendedBy(later, { sentMs: 3000, answeredMs: 6200 }, terms)).toBe(later);
  });

  test("has nothing left at it and after it", () => {
    expect(leftUntil(8100, 8099)).toBe(1);
    expect(leftUntil(8100, 8100)).toBe(0);
    expect(leftUntil(8100, 9000)).toBe(0);
  });

  test("leaves time for two renewals that fail", () => {
    expect(3 * renewalIntervalMs(terms)).toBeLessThanOrEqual(terms.ttlMs);
    expect(renewalRetryMs(terms)).toBeLessThan(renewalIntervalMs(terms));
  });

  // The engine executes a request some time after it was sent, and counts the ttl from then; it lets another in when all
  // that it has executed has run out.
  test("passes before the engine lets another in, whatever answers come, when and in whichever order", () => {
    const renewal = fc.record({
      sentMs: fc.nat({ max: 100_000 }),
      onItsWayMs: fc.nat({ max: 20_000 }),
      backMs: fc.nat({ max: 20_000 }),
      isAnswered: fc.boolean(),
    });
    const world = fc.record({
      ttlMs: fc.integer({ min: 100, max: 60_000 }),
      marginShare: fc.double({ min: 0, max: 0.99, noNaN: true }),
      renewals: fc.array(renewal, { maxLength: 30 }),
    });
    fc.assert(
      fc.property(world, ({ ttlMs, marginShare, renewals }) => {
        const own = { ttlMs, marginMs: ttlMs * marginShare };
        let engineUntil = ttlMs;
        let deadline = deadlineAfter(0, own);
        const byAnswer = renewals
          .map((each) => ({ ...each, executedMs: each.sentMs + each.onItsWayMs }))
          .map((each) => ({ ...each, answeredMs: each.executedMs + each.backMs }))
          .toSorted((a, b) => a.executedMs - b.executedMs)
          // What has run out the engine renews no more.
          .filter(({ executedMs }) => {
            if (executedMs >= engineUntil) return false;
            engineUntil = Math.max(engineUntil, executedMs + ttlMs);
            return true;
          })
          .toSorted((a, b) => a.answeredMs - b.answeredMs);
        for (const { sentMs, answeredMs, isAnswered } of byAnswer) {
          if (isAnswered) deadline = deadlineExtendedBy(deadline, { sentMs, answeredMs }, own);
        }
        expect(deadline).toBeLessThanOrEqual(engineUntil - own.marginMs + 1e-6);
      }),
    );
  });
});
