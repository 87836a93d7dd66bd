/** Waits of any length, on a clock of the test's own. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { startTimer } from "../../lib/util/timers.js";
import { type CallerQueues, waitInQueue } from "../../lib/util/queue.js";

vi.mock("../../lib/util/clocks.js", async () =>
  (await import("../support/global-clocks.js")).globalClocks(),
);
vi.mock("../../lib/util/node-modules.js", async (original) =>
  (await import("../support/global-clocks.js")).withGlobalTimers(original),
);

const LIMIT = 2 ** 31;
const keepsAlive = { keepsAlive: true };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([5, 60_000, LIMIT - 1, LIMIT - 0.4, LIMIT, LIMIT + 0.5, 3 * LIMIT])(
  "a timer of %s ms waits that long, and calls back once",
  (ms) => {
    const callback = vi.fn();
    startTimer(callback, ms, keepsAlive);
    vi.advanceTimersByTime(Math.floor(ms) - 1);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(3);
    expect(callback).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(4 * LIMIT);
    expect(callback).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  },
);

test("a timer of Infinity never calls back, and waits", () => {
  const callback = vi.fn();
  const stop = startTimer(callback, Infinity, keepsAlive);
  vi.advanceTimersByTime(5 * LIMIT);
  expect(callback).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(1);
  stop();
  expect(vi.getTimerCount()).toBe(0);
});

test("a stopped timer calls back no more, also when it is made of several timers", () => {
  const callback = vi.fn();
  const stop = startTimer(callback, 3 * LIMIT, keepsAlive);
  vi.advanceTimersByTime(LIMIT + 5000);
  stop();
  vi.advanceTimersByTime(5 * LIMIT);
  expect(callback).not.toHaveBeenCalled();
});

test.each([LIMIT - 0.4, LIMIT, LIMIT + 0.5, 10 * LIMIT])(
  "a waiter in a queue with a budget of %s ms gets no timeout before it is used up",
  async (budgetMs) => {
    const queues: CallerQueues = new Map();
    const options = { mayJoin: false, signal: undefined };
    const first = await waitInQueue(queues, "lock", 1000, options);
    let result: string | null = null;
    const waiting = waitInQueue(queues, "lock", budgetMs, options).then(({ kind }) => {
      result = kind;
    });
    await vi.advanceTimersByTimeAsync(Math.floor(budgetMs) - 10);
    expect(result).toBeNull();
    await vi.advanceTimersByTimeAsync(20);
    expect(result).toBe("timeout");
    await waiting;
    if (first.kind === "first") first.leave();
    expect(queues.size).toBe(0);
  },
);
