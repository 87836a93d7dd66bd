/** A caller's function that never answers must not keep anything waiting for good. */
import { getEventListeners } from "node:events";

import { expect, test } from "vitest";

import { answerWithin } from "../../lib/util/answer-within.js";

const NEVER = new Promise<string>(() => {});
const LONG = { limitMs: 2_000_000_000 };

test("an answer in time is given, a rejection is passed on, and the signal is left alone afterwards", async () => {
  const { signal } = new AbortController();
  expect(await answerWithin(Promise.resolve("yes"), { ...LONG, signal })).toBe("yes");
  expect(await answerWithin("at once", { ...LONG, signal })).toBe("at once");
  const failure = new Error("no");
  await expect(answerWithin(Promise.reject(failure), { ...LONG, signal })).rejects.toBe(failure);
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("what never comes ends with the limit", async () => {
  expect(await answerWithin(NEVER, { limitMs: 1 })).toBeUndefined();
});

test("what never comes ends with the signal, whether it aborts now or has before", async () => {
  const controller = new AbortController();
  const waiting = answerWithin(NEVER, { ...LONG, signal: controller.signal });
  controller.abort();
  expect(await waiting).toBeUndefined();
  expect(await answerWithin(NEVER, { ...LONG, signal: controller.signal })).toBeUndefined();
});

test("a rejection that comes too late is handled", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    let fail = (): void => {};
    const late = new Promise<string>((_, reject) => {
      fail = () => reject(new Error("late"));
    });
    expect(await answerWithin(late, { limitMs: 1 })).toBeUndefined();
    expect(await answerWithin(late, { ...LONG, signal: AbortSignal.abort() })).toBeUndefined();
    fail();
    // Reported, where it is, when the microtasks are done.
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
  }
});
