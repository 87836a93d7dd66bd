/** Many waiters on one AbortSignal: one listener, each told once, and no warning of a leak. */
import { getEventListeners } from "node:events";
import { join } from "node:path";
import { setTimeout as later } from "node:timers/promises";

import { expect, onTestFinished, test, vi } from "vitest";

import { identifyProcess, waitForProcessExit } from "../../lib/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { onAbort } from "../../lib/util/on-abort.js";
import { start } from "../support/processes/child.js";
import { writePlainLock } from "../support/locks/lock-holder.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const MANY = 25;

/** Warnings of this process from now on. */
function collectWarnings(): string[] {
  const warnings: string[] = [];
  const collect = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", collect);
  onTestFinished(() => void process.off("warning", collect));
  return warnings;
}

async function rejectionsOf(waiting: readonly Promise<unknown>[]): Promise<unknown[]> {
  const ends = await Promise.allSettled(waiting);
  return ends.map((end) => (end.status === "rejected" ? end.reason : end.value));
}

test("each waiter is told once, in order, and no listener is left", () => {
  const controller = new AbortController();
  const told: number[] = [];
  for (let i = 0; i < 3; i++) onAbort(controller.signal, () => told.push(i));
  controller.abort();
  expect(told).toEqual([0, 1, 2]);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("a waiter that has stopped is not told, also when another waiter stops it while being told", () => {
  const controller = new AbortController();
  const told: string[] = [];
  const same = (): void => void told.push("same");
  onAbort(controller.signal, same);
  const stopSecond = onAbort(controller.signal, same);
  stopSecond();
  stopSecond();
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
  controller.abort();
  expect(told).toEqual(["same"]);
});

test("the listener is removed with the last waiter that stops, and added with the next", () => {
  const { signal } = new AbortController();
  const stops = Array.from({ length: MANY }, () => onAbort(signal, () => {}));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  for (const stop of stops) stop();
  expect(getEventListeners(signal, "abort")).toEqual([]);
  onAbort(signal, () => {})();
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("undefined is a signal that never aborts", () => {
  const callback = vi.fn();
  onAbort(undefined, callback)();
  expect(callback).not.toHaveBeenCalled();
});

test("many acquires in one process may wait on one signal", async () => {
  const warnings = collectWarnings();
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: MANY }, () =>
    acquireSessionWriteLock({ sessionFile, signal, env: {} }),
  );
  await vi.waitFor(() => expect(getEventListeners(signal, "abort")).toHaveLength(1));
  controller.abort("enough");
  expect(await rejectionsOf(waiting)).toEqual(waiting.map(() => "enough"));
  expect(getEventListeners(signal, "abort")).toEqual([]);
  await lock.release();
  // A warning is told in a later turn.
  await later(1);
  expect(warnings).toEqual([]);
});

test("many acquires that wait for other processes may wait on one signal", async () => {
  const warnings = collectWarnings();
  const folder = temporaryFolder();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: MANY }, (_, i) => {
    writePlainLock(folder, String(i), { pid: process.ppid });
    const sessionFile = join(folder, `${String(i)}.jsonl`);
    return acquireSessionWriteLock({ sessionFile, signal, env: {}, isOwnerArgv: () => true });
  });
  await vi.waitFor(() => expect(getEventListeners(signal, "abort")).toHaveLength(1));
  // All of them have come to wait by then.
  await later(100);
  controller.abort("enough");
  expect(await rejectionsOf(waiting)).toEqual(waiting.map(() => "enough"));
  expect(warnings).toEqual([]);
});

test("many waits for the end of a process may wait on one signal", async () => {
  const warnings = collectWarnings();
  const child = await start(process.execPath, ["--eval", "setInterval(() => {}, 1e6)"]);
  const token = identifyProcess(child.pid) ?? "";
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = Array.from({ length: MANY }, () => waitForProcessExit(token, { signal }));
  await vi.waitFor(() => expect(getEventListeners(signal, "abort")).toHaveLength(1));
  await later(60);
  controller.abort("enough");
  expect(await rejectionsOf(waiting)).toEqual(waiting.map(() => "enough"));
  expect(warnings).toEqual([]);
});
