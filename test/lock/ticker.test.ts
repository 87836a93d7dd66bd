/** When waiters look, and that those of one thread share their wake-ups. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { tickAfter, Ticker, type TickerClock } from "../../lib/lock/ticker.js";
import { LockWatch, sightFile } from "../../lib/lock/watch.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.each<[string, number, boolean, number]>([
  ["at once", 0, false, 1],
  ["after half a millisecond", 0.5, false, 1],
  ["as long as nothing has happened", 7, false, 7],
  ["at most 50 ms", 51, false, 50],
  ["for the first ten seconds", 9999, false, 50],
  ["then 100 ms", 10_000, false, 100],
  ["and no more after a day", 86_400_000, false, 100],
  ["at once, also where the kernel tells", 0, true, 1],
  ["after three times as long there", 20, true, 60],
  ["after 100 ms at most there", 34, true, 100],
  ["and no later there after a day", 86_400_000, true, 100],
])("the next look comes %s (quiet for %d ms, told: %s)", (_name, quietMs, isTold, expected) => {
  expect(tickAfter(quietMs, isTold)).toBe(expected);
});

/** Time that goes on only when told, and the timers that wait for it. */
class ManualClock implements TickerClock {
  ms = 0;
  /** How often the process would have woken up. */
  wakeUps = 0;
  readonly timers = new Set<{ readonly at: number; readonly call: () => void }>();

  readonly now = (): number => this.ms;

  readonly after = (ms: number, call: () => void): (() => void) => {
    const timer = { at: this.ms + ms, call };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };

  /** To that time, from timer to timer. */
  goTo(ms: number): void {
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > ms) break;
      this.timers.delete(next);
      this.ms = Math.max(this.ms, next.at);
      this.wakeUps++;
      next.call();
    }
    this.ms = ms;
  }
}

describe("a ticker", () => {
  test("a ticker calls each waiter once, no earlier and no later than it asked for", () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    const called: [string, number][] = [];
    const note = (name: string) => () => void called.push([name, clock.ms]);
    ticker.between(30, 40, note("late"));
    ticker.between(10, 20, note("early"));
    clock.goTo(100);
    expect(called).toEqual([
      ["early", 20],
      ["late", 40],
    ]);
    expect(clock.timers.size).toBe(0);
  });

  test("a hundred waiters that look every 50 ms have one timer, and wake the process no oftener than one", () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    let looks = 0;
    const wait = (): void => {
      ticker.between(21, 42.5 + 7.5 * Math.random(), () => {
        looks++;
        wait();
      });
    };
    for (let waiter = 0; waiter < 100; waiter++) {
      clock.goTo(waiter);
      wait();
      expect(clock.timers.size).toBe(1);
    }
    clock.goTo(1000);
    clock.wakeUps = 0;
    looks = 0;
    clock.goTo(2000);
    expect(clock.wakeUps).toBeLessThanOrEqual(Math.ceil(1000 / 42.5));
    expect(looks).toBeGreaterThanOrEqual(100 * Math.floor(1000 / 50));
  });

  test("a waiter that is gone is not called, and the last one takes the timer along", () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    let calls = 0;
    const stops = [1, 2, 3].map((ms) => ticker.between(ms, ms, () => calls++));
    for (const stop of stops) stop();
    expect(clock.timers.size).toBe(0);
    clock.goTo(10);
    expect(calls).toBe(0);
  });

  test("a waiter that another one's look ends is not called at the same wake-up", () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    const called: string[] = [];
    ticker.between(1, 1, () => {
      called.push("first");
      stopSecond();
    });
    const stopSecond = ticker.between(1, 1, () => called.push("second"));
    clock.goTo(10);
    expect(called).toEqual(["first"]);
  });

  test("looks that take longer than a time slice are left to the next turn of the event loop", () => {
    const clock = new ManualClock();
    const ticker = new Ticker(clock);
    const seenAt: number[] = [];
    for (let waiter = 0; waiter < 5; waiter++) {
      ticker.between(10, 10, () => {
        seenAt.push(clock.wakeUps);
        clock.ms += 3;
      });
    }
    clock.goTo(100);
    expect(seenAt).toEqual([1, 1, 2, 2, 3]);
  });
});

test("the waiters of a thread share one timer, however many locks they wait for", async () => {
  const folder = temporaryFolder();
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
  const before = timers();
  const abort = new AbortController();
  const watches = Array.from({ length: 20 }, (_, i) => {
    const path = join(folder, String(i));
    writeFileSync(path, "");
    const sighting = sightFile(path, realLockFs);
    if (sighting === null) throw new Error(`not there: ${path}`);
    return new LockWatch(path, sighting, realLockFs);
  });
  const waits = watches.map((watch) => watch.wait(60_000, abort.signal));
  expect(timers() - before).toBe(1);
  abort.abort(new Error("enough"));
  const results = await Promise.allSettled(waits);
  expect(results.every(({ status }) => status === "rejected")).toBe(true);
  expect(timers() - before).toBe(0);
  for (const watch of watches) watch.close();
});
