import { describe, expect, test } from "vitest";

import type { RetryOptions } from "../../lib/proper-lockfile/options.js";
import { scheduleOf } from "../../lib/proper-lockfile/retries.js";

function firstDelays(
  retries: number | RetryOptions | null | undefined,
  count: number,
  random = 0,
): (number | undefined)[] {
  const { delays } = scheduleOf(retries, () => random);
  return Array.from({ length: count }, () => delays.next().value);
}

describe("the schedule", () => {
  test.each([
    { retries: undefined, delays: [undefined] },
    { retries: null, delays: [undefined] },
    { retries: 0, delays: [undefined] },
    { retries: 3, delays: [1000, 2000, 4000, undefined] },
    { retries: {}, delays: [1000, 2000, 4000] },
    { retries: { retries: 2, minTimeout: 10, factor: 3 }, delays: [10, 30, undefined] },
    { retries: { retries: 3, minTimeout: 10, maxTimeout: 15 }, delays: [10, 15, 15, undefined] },
    { retries: { retries: 2, minTimeout: 0 }, delays: [1, 2, undefined] },
    // A factor below 1 gives shorter ones, and the shortest comes first.
    { retries: { retries: 3, minTimeout: 100, factor: 0.5 }, delays: [25, 50, 100, undefined] },
    { retries: { retries: 1, forever: true, minTimeout: 5 }, delays: [5, 5, 5] },
    { retries: { retries: 0, forever: true, minTimeout: 5 }, delays: [5, 5, 5] },
    { retries: Infinity, delays: [1000, 2000, 4000] },
    { retries: { factor: undefined, retries: 2 }, delays: [1000, 2000, undefined] },
  ])("of $retries is $delays", ({ retries, delays }) => {
    expect(firstDelays(retries, delays.length)).toEqual(delays);
  });

  test("chance makes delays longer, up to twice", () => {
    const retries = { retries: 2, minTimeout: 100, randomize: true };
    expect(firstDelays(retries, 2, 1)).toEqual([200, 400]);
    expect(firstDelays(retries, 2, 0.5)).toEqual([150, 300]);
  });

  test("maxRetryTime limits the attempts, else nothing does", () => {
    expect(scheduleOf({ maxRetryTime: 7 }).limitMs).toBe(7);
    expect(scheduleOf(3).limitMs).toBe(Infinity);
  });

  test("a shortest delay that is longer than the longest is refused", () => {
    expect(() => scheduleOf({ minTimeout: 10, maxTimeout: 5 })).toThrow(
      "options.retries.minTimeout must be at most maxTimeout (5), got 10",
    );
  });
});
