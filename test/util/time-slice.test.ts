import { readFile } from "node:fs/promises";

import { expect, test } from "vitest";

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
