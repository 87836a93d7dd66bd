import { readFile } from "node:fs/promises";

import { expect, onTestFinished, test, vi } from "vitest";

import { nextTurn, TimeSlice } from "../../lib/util/time-slice.js";

function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test("is exhausted by work, not before", () => {
  const slice = new TimeSlice(20);
  expect(slice.exhausted()).toBe(false);
  work(20);
  expect(slice.exhausted()).toBe(true);
});

test("starts anew after its turn", async () => {
  const slice = new TimeSlice(5);
  work(5);
  await slice.next();
  expect(slice.exhausted()).toBe(false);
});

test("restart forgets what was spent waiting for something else", () => {
  const slice = new TimeSlice(20);
  work(20);
  slice.restart();
  expect(slice.exhausted()).toBe(false);
});

test("timers and I/O run between slices", async () => {
  let timerRan = false;
  let fileRead = false;
  setTimeout(() => (timerRan = true), 0);
  void readFile(import.meta.filename).then(() => (fileRead = true));
  const deadline = performance.now() + 10_000;
  while (!(timerRan && fileRead) && performance.now() < deadline) {
    work(1);
    await nextTurn();
  }
  expect(timerRan && fileRead).toBe(true);
});

test("many loops together hold the event loop for one slice at a time", async () => {
  const order: string[] = [];
  const loop = async (name: string): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await nextTurn();
      order.push(name);
    }
  };
  let isDone = false;
  const watch = async (): Promise<void> => {
    while (!isDone) {
      await new Promise((resolve) => setImmediate(resolve));
      order.push("|");
    }
  };
  const watching = watch();
  await Promise.all(["a", "b", "c"].map(loop));
  isDone = true;
  await watching;
  // Never two names without a turn of the event loop between them.
  expect(order.join("")).not.toMatch(/[abc]{2}/u);
  expect(order.filter((entry) => entry !== "|").join("")).toBe("abcabcabc");
});

test("timers do not wait for other long work of a turn and for a slice as well", async () => {
  const order: string[] = [];
  // Queued first, so it runs just before the turn that is asked for next.
  setImmediate(() => {
    setTimeout(() => order.push("timer"), 1);
    work(5);
  });
  await nextTurn();
  order.push("slice");
  expect(order).toEqual(["timer", "slice"]);
});

test("gets its turn although something else takes long in each one", async () => {
  let isDone = false;
  let turns = 0;
  const beBusy = (): void => {
    if (isDone) return;
    turns++;
    work(5);
    setImmediate(beBusy);
  };
  setImmediate(beBusy);
  for (let round = 0; round < 3; round++) await nextTurn();
  isDone = true;
  expect(turns).toBeLessThanOrEqual(6);
});

/** The module as a thread has it at its beginning, on a clock that only this test moves. */
async function inYoungThread(): Promise<{
  readonly slice: TimeSlice;
  readonly advance: (ms: number) => void;
  /** Milliseconds of work, in steps of `stepMs`, after which the slice is exhausted. */
  readonly lengthOf: (stepMs: number) => number;
}> {
  let now = 0;
  vi.doMock("../../lib/util/clocks.js", () => ({ runtimeMs: () => now }));
  onTestFinished(() => {
    vi.doUnmock("../../lib/util/clocks.js");
  });
  vi.resetModules();
  const fresh = await import("../../lib/util/time-slice.js");
  const slice = new fresh.TimeSlice();
  const lengthOf = (stepMs: number): number => {
    const started = now;
    while (!slice.exhausted()) now += stepMs;
    return now - started;
  };
  return { slice, advance: (ms) => void (now += ms), lengthOf };
}

test("a thread's first slice is short, and each one that ends in time makes the next longer, up to the default", async () => {
  const { slice, lengthOf } = await inYoungThread();
  const lengths: number[] = [];
  for (let i = 0; i < 20; i++) {
    lengths.push(lengthOf(0.125));
    await slice.next();
  }
  expect(lengths[0]).toBe(1);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(lengths.at(-1)).toBe(4);
});

test("a first slice that overran makes the next ones shorter again, but never none", async () => {
  const { slice, advance, lengthOf } = await inYoungThread();
  for (let i = 0; i < 8; i++) {
    lengthOf(0.125);
    await slice.next();
  }
  expect(lengthOf(0.125)).toBe(3);
  advance(6);
  await slice.next();
  expect(lengthOf(0.125)).toBe(1.5);
  for (let i = 0; i < 4; i++) {
    advance(6);
    await slice.next();
  }
  expect(lengthOf(0.125)).toBe(1);
});

test("slices that have once grown to the default stay so", async () => {
  const { slice, advance, lengthOf } = await inYoungThread();
  for (let i = 0; i < 20; i++) {
    lengthOf(0.125);
    await slice.next();
  }
  advance(50);
  await slice.next();
  expect(lengthOf(0.125)).toBe(4);
});
