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
    key.endsWith("Ms") ? [[`${path}${key}`, fact]] : milliseconds(fact, `${path}${key}.`),
  );
}

interface Found {
  /** Of every `…Ms` in it, once. */
  readonly names: readonly string[];
  readonly fractions: readonly unknown[];
}

function lookAt(facts: unknown): Found {
  const found = milliseconds(facts);
  return {
    names: [...new Set(found.map(([path]) => path.slice(path.lastIndexOf(".") + 1)))],
    fractions: found.filter(([, ms]) => {
      return typeof ms === "number" && !Number.isInteger(ms) && ms !== Infinity;
    }),
  };
}

/** @param names - That must be among them, or nothing was looked at. */
const whole = (names: readonly string[]): Found => ({
  names: expect.arrayContaining([...names]) as readonly string[],
  fractions: [],
});

test("of locks", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "a.jsonl");
  const overdue = join(folder, "overdue.jsonl");
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      const { acquireSessionWriteLock } = await import(${JSON.stringify(`${COMPILED}session-lock/index.js`)});
      await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(path)} });
      await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(overdue)}, maxHoldMs: 1 });
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
    sessionFile: overdue,
    onReclaimed: (reclaimed) => void facts.push(reclaimed),
  });
  facts.push(heldLocks());
  await lock.release();
  await holder.kill();
  expect(lookAt(facts)).toEqual(whole(["ageMs", "heldMs", "maxHoldMs", "timeoutMs"]));
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
  expect(lookAt(waits)).toEqual(whole(["waitedMs"]));
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
  const error: unknown = await acquireLease({ store, key: "a", timeoutMs: 0 }).catch(
    (reason: unknown) => reason,
  );
  const enough = new AbortController();
  await acquireLease({
    store,
    key: "a",
    signal: enough.signal,
    onWait: (wait) => {
      waits.push(wait);
      enough.abort();
    },
  }).catch(() => {});
  expect(lease.deadline()).toSatisfy(Number.isInteger);
  await lease.release();
  expect(lookAt([waits, attempt, copyOf(error)])).toEqual(
    whole(["waitedMs", "leftMs", "timeoutMs"]),
  );
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
  expect(lookAt([asked, inspectProcess(process.pid)])).toEqual(whole(["ageMs", "startedAtMs"]));
});

test("of traces", () => {
  expect(lookAt(told)).toEqual(
    whole(["waitedMs", "heldMs", "leftMs", "tookMs", "ageMs", "durationMs"]),
  );
});
