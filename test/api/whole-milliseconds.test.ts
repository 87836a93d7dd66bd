/** What leaves the package as a number of milliseconds is a whole one: in results, callbacks, errors and traces. */
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "vitest";

import {
  acquireFileLock,
  acquireFileLockSync,
  checkFileLock,
  heldLocks,
} from "../../lib/file-lock/index.js";
import { acquireLease, memoryLeases } from "../../lib/lease/index.js";
import { inspectProcess } from "../../lib/index.js";
import { createSessionAttentionMonitor } from "../../lib/session-attention/index.js";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  inspectSessionLock,
} from "../../lib/session-lock/index.js";
import { COMPILED, startReady, nodeArguments } from "../support/processes/child.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const TRACES = ["acquire", "release", "reclaim", "sweep", "lease"].map((name) =>
  tracingChannel<object>(`pidentity:${name}`),
);
const told: unknown[] = [];
const tell = (message: unknown): void => void told.push(copyOf(message));
const subscriber = { start: tell, end: tell, asyncStart: tell, asyncEnd: tell, error: tell };

beforeAll(() => {
  for (const channel of TRACES) channel.subscribe(subscriber);
  subscribe("pidentity:attention", tell);
});
afterAll(() => {
  for (const channel of TRACES) channel.unsubscribe(subscriber);
  unsubscribe("pidentity:attention", tell);
});

/** Messages are filled in later, errors have their facts in fields. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, fact]) => [key, copyOf(fact)]));
}

/** Every `…Ms` in it, by its path. */
function milliseconds(value: unknown, path = ""): [path: string, ms: unknown][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, fact]): [string, unknown][] =>
    /Ms$/u.test(key) ? [[`${path}${key}`, fact]] : milliseconds(fact, `${path}${key}.`),
  );
}

/** @param expected - Names that must be among them, or the test would look at nothing. */
function expectWhole(facts: unknown, expected: readonly string[]): void {
  const found = milliseconds(facts);
  const names = new Set(found.map(([path]) => path.slice(path.lastIndexOf(".") + 1)));
  expect([...names]).toEqual(expect.arrayContaining([...expected]));
  const broken = found.filter(([, ms]) => {
    return typeof ms === "number" && !Number.isInteger(ms) && ms !== Infinity;
  });
  expect(broken).toEqual([]);
}

test("of locks", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "a.jsonl");
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      const { acquireSessionWriteLock } = await import(${JSON.stringify(`${COMPILED}session-lock/index.js`)});
      const lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(path)}, maxHoldMs: 700 });
      console.log("held");
      process.stdin.resume();`),
  );
  const facts: unknown[] = [];
  const timeout: unknown = await acquireSessionWriteLock({
    sessionFile: path,
    timeoutMs: 0,
  }).catch((error: unknown) => error);
  facts.push(copyOf(timeout), await inspectSessionLock(`${path}.lock`));
  facts.push(await inspectSessionLock(`${path}.lock`), await checkFileLock({ path }));
  facts.push(await cleanStaleLockFiles({ sessionsDir: folder, nowMs: Date.now() + 0.375 }));
  // Displaces the holder, which is past its own limit.
  const lock = await acquireSessionWriteLock({
    sessionFile: path,
    onReclaimed: (reclaimed) => void facts.push(reclaimed),
  });
  facts.push(heldLocks());
  const waiting = acquireFileLock({
    path: join(folder, "b"),
    onWait: (wait) => void facts.push(wait),
  });
  await (await waiting).release();
  await lock.release();
  await holder.kill();
  expectWhole(facts, ["ageMs", "heldMs", "maxHoldMs", "timeoutMs"]);
});

test("of a waiter", async () => {
  const path = join(temporaryFolder(), "a");
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      const { acquireFileLock } = await import(${JSON.stringify(`${COMPILED}file-lock/index.js`)});
      await acquireFileLock({ path: ${JSON.stringify(path)} });
      console.log("held");
      process.stdin.resume();`),
  );
  const waits: unknown[] = [];
  const lock = await acquireFileLock({
    path,
    onWait: (wait) => {
      waits.push(wait);
      void holder.kill();
    },
  });
  await lock.release();
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: 2 ** 22 + 1 }));
  acquireFileLockSync({ path }).releaseSync();
  expectWhole(waits, ["waitedMs"]);
});

test("of leases", async () => {
  const store = memoryLeases();
  const lease = await acquireLease({ store, key: "a", ttlMs: 3000 });
  const waits: unknown[] = [];
  const attempt = await store.tryAcquire({
    key: "a",
    holder: "b",
    nonce: "n",
    ttlMs: 1000,
    signal: new AbortController().signal,
  });
  const error: unknown = await acquireLease({
    store,
    key: "a",
    timeoutMs: 1200,
    onWait: (wait) => void waits.push(wait),
  }).catch((reason: unknown) => reason);
  expect(lease.deadline()).toSatisfy(Number.isInteger);
  await lease.release();
  expectWhole([waits, attempt, copyOf(error)], ["waitedMs", "leftMs", "timeoutMs"]);
});

test("of processes and sessions", async () => {
  let beat = (): void => {};
  let now = 0.25;
  const asked: unknown[] = [];
  const monitor = createSessionAttentionMonitor({
    recover: (request) => {
      asked.push(copyOf(request));
      return Promise.resolve({ status: "aborted" });
    },
    warnMs: 1000,
    abortMs: 2000,
    clock: () => now,
    startTimer: (callback) => {
      beat = callback;
      return () => {};
    },
    log: {},
  });
  const session = monitor.register({ sessionKey: "s", state: "processing", queueDepth: 1 });
  now += 500_000.5;
  // The first one after a long time only shows that the process has stood still.
  beat();
  beat();
  await new Promise(setImmediate);
  asked.push(session.snapshot());
  monitor.stop();
  expectWhole([asked, inspectProcess(process.pid)], ["ageMs", "startedAtMs"]);
});

test("of traces", () => {
  expectWhole(told, ["waitedMs", "heldMs", "leftMs", "tookMs", "ageMs", "durationMs"]);
});
