/** A lease above a controller's lock: given up and taken with it, and once it is lost nothing is written any more. */
import { readFileSync, writeFileSync } from "node:fs";

import { expect, test } from "vitest";

import { acquireLease, type LeaseStore, memoryLeases } from "../../lib/lease/index.js";
import { createSessionController } from "../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { FIRST_LINE, onRealLock } from "../support/locks/run-controller.js";

const LINE = '{"role":"user"}\n';
const LEASE_LOST = { code: "SESSION_TAKEOVER", reason: "lock-lost", found: "lease-lost" };

test("it is free while the lock is given up, and taken again with the lock", async () => {
  const store = memoryLeases();
  const { controller } = await onRealLock({ lease: { store, key: "k" } });
  const take = () => acquireLease({ store, key: "k", timeoutMs: 0 });
  await expect(take()).rejects.toMatchObject({ code: "LEASE_TIMEOUT" });
  await controller.releaseForPrompt();
  const other = await take();
  await other.release();
  await controller.reacquireAfterPrompt();
  await expect(take()).rejects.toMatchObject({ code: "LEASE_TIMEOUT" });
  await controller.dispose();
  await (await take()).release();
});

test("a write of its own takes the lease for its time", async () => {
  const store = memoryLeases();
  const { controller, sessionFile } = await onRealLock({ lease: { store, key: "k" } });
  await controller.releaseForPrompt();
  await controller.withWriteLock(async ({ appendFenced }) => {
    await expect(acquireLease({ store, key: "k", timeoutMs: 0 })).rejects.toMatchObject({
      code: "LEASE_TIMEOUT",
    });
    appendFenced(LINE);
  });
  await (await acquireLease({ store, key: "k", timeoutMs: 0 })).release();
  expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE);
});

test("another machine that has the lease makes taking the lock again a takeover", async () => {
  const store = memoryLeases();
  const { controller } = await onRealLock({ lease: { store, key: "k" }, timeoutMs: 0 });
  await controller.releaseForPrompt();
  const other = await acquireLease({ store, key: "k", holder: "machine b" });
  await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject({
    reason: "lock-unavailable",
    found: "lock-held",
  });
  await other.release();
});

test("a lease that the store has ended is a takeover: the signal aborts, and no append comes late", async () => {
  const memory = memoryLeases();
  const store: LeaseStore = {
    name: "refuses",
    tryAcquire: (request) => memory.tryAcquire(request),
    renew: () => Promise.resolve(false),
    release: (grant, signal) => memory.release(grant, signal),
    watch: () => null,
  };
  const { controller, sessionFile } = await onRealLock({ lease: { store, ttlMs: 300 } });
  const writing = controller.withWriteLock(async ({ signal, appendFenced, withFence }) => {
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve());
    });
    expect(signal.reason).toMatchObject(LEASE_LOST);
    expect(() => appendFenced(LINE)).toThrow(expect.objectContaining(LEASE_LOST) as Error);
    expect(() => withFence(() => writeFileSync(sessionFile, "late"))).toThrow(
      expect.objectContaining(LEASE_LOST) as Error,
    );
  });
  await expect(writing).rejects.toMatchObject({
    ...LEASE_LOST,
    message: `lease above the session lock lost: ${sessionFile}`,
  });
  expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
  expect(controller.hasTakeover()).toBe(true);
});

test("an append after the event loop was blocked beyond the deadline writes nothing", async () => {
  const { controller, sessionFile } = await onRealLock({
    lease: { store: memoryLeases(), ttlMs: 200 },
  });
  const writing = controller.withWriteLock(({ appendFenced }) => {
    const until = performance.now() + 250;
    while (performance.now() < until);
    appendFenced(LINE);
  });
  await expect(writing).rejects.toMatchObject(LEASE_LOST);
  expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
});

test("a lease that the caller's own function takes is understood as well", async () => {
  const store = memoryLeases();
  const { controller, sessionFile } = await onRealLock({
    acquire: async ({ sessionFile: file }) => {
      const lock = await acquireSessionWriteLock({ sessionFile: file, env: {} });
      const lease = await acquireLease({ store, key: "k", ttlMs: 200 });
      return {
        lost: AbortSignal.any([lock.lost, lease.lost]),
        assertHeld: () => {
          lease.assertHeld();
          lock.assertHeld();
        },
        release: async () => {
          await lock.release();
          await lease.release();
        },
      };
    },
  });
  const writing = controller.withWriteLock(({ appendFenced }) => {
    const until = performance.now() + 250;
    while (performance.now() < until);
    appendFenced(LINE);
  });
  await expect(writing).rejects.toMatchObject(LEASE_LOST);
  expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
});

test("a wrong lease is refused when the controller is made", async () => {
  const make = (lease: unknown) =>
    createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile: "never.jsonl",
      lease: lease as { readonly store: LeaseStore },
    });
  await expect(make("redis")).rejects.toThrow(/options\.lease must be an object/u);
  await expect(make({})).rejects.toThrow(/options\.lease\.store must be a lease store/u);
});
