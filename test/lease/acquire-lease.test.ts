/** Getting a lease: waiting for a holder, for a store, and what a lost answer leaves. */
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import {
  acquireLease,
  type AcquireLeaseOptions,
  type Lease,
  type LeaseStore,
  memoryLeases,
  type WaitingForLease,
} from "../../lib/lease/index.js";
import { waitFor } from "../support/wait-for.js";
import { gate, type TroubledStore, troubledStore } from "./troubled-store.js";

const key = "session";

async function hold(options: Omit<AcquireLeaseOptions, "key">): Promise<Lease> {
  const lease = await acquireLease({ key, ...options });
  onTestFinished(async () => await lease.release().catch(() => {}));
  return lease;
}

async function isFree({ clear }: TroubledStore): Promise<boolean> {
  const { signal } = new AbortController();
  const request = { key, holder: "another", nonce: "another", ttlMs: 60_000, signal };
  const attempt = await clear.tryAcquire(request);
  if (attempt.kind === "acquired") await clear.release(attempt.grant, signal);
  return attempt.kind === "acquired";
}

describe("a key that another holds", () => {
  test("is refused after the budget, with its holder and epoch", async () => {
    const store = memoryLeases();
    const first = await hold({ store, holder: "pod-1" });
    const refused = { name: "LeaseTimeoutError", code: "LEASE_TIMEOUT", holder: "pod-1", key };
    for (const timeoutMs of [0, 30]) {
      await expect(acquireLease({ store, key, timeoutMs })).rejects.toMatchObject({
        ...refused,
        epoch: first.epoch,
        timeoutMs,
        message: `lease held (timeout ${String(timeoutMs)}ms): holder="pod-1" epoch=1 "session"`,
      });
    }
  });

  test("is had when its holder releases it", async () => {
    const store = memoryLeases();
    const first = await hold({ store });
    const waiting = hold({ store, timeoutMs: Infinity });
    await delay(30);
    await first.release();
    expect((await waiting).epoch).toBeGreaterThan(first.epoch);
  });

  test("is had when a store that cannot be watched has it free again", async () => {
    const store = { ...troubledStore(), watch: () => null };
    const first = await hold({ store });
    const waiting = hold({ store, timeoutMs: Infinity });
    await delay(30);
    await first.release();
    expect((await waiting).epoch).toBeGreaterThan(first.epoch);
  });

  test("is had when a store whose watch fails has it free again", async () => {
    const watch = (): never => {
      throw new Error("no watch");
    };
    const store = { ...troubledStore(), watch };
    const first = await hold({ store });
    const waiting = hold({ store, timeoutMs: Infinity });
    await delay(30);
    await first.release();
    expect((await waiting).epoch).toBeGreaterThan(first.epoch);
  });

  test("is had when its holder does not renew it any more", async () => {
    const store = troubledStore();
    const first = await hold({ store, ttlMs: 300 });
    store.trouble = { renew: "unreachable" };
    const second = await hold({ store: store.clear });
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(first.lost.aborted).toBe(true);
  });

  test("goes from one of many waiters to the next, one at a time", async () => {
    const store = memoryLeases();
    let holders = 0;
    const epochs: bigint[] = [];
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        await using lease = await acquireLease({ store, key });
        expect(++holders).toBe(1);
        epochs.push(lease.epoch);
        await delay(1);
        lease.assertHeld();
        holders--;
      }),
    );
    expect(epochs).toEqual(Array.from({ length: 64 }, (_, index) => BigInt(index + 1)));
  });

  test("is told once a second while it is waited for; what the listener throws rejects", async () => {
    const store = memoryLeases();
    await hold({ store, holder: "pod-1" });
    const told: WaitingForLease[] = [];
    const stop = new Error("enough");
    const waiting = acquireLease({
      store,
      key,
      onWait: (waited) => {
        told.push(waited);
        throw stop;
      },
    });
    await expect(waiting).rejects.toBe(stop);
    expect(told).toMatchObject([{ holder: "pod-1", epoch: 1n, error: null }]);
    expect(told[0]?.waitedMs).toBeGreaterThanOrEqual(1000);
  });

  test("is not waited for after an abort", async () => {
    const store = memoryLeases();
    const first = await hold({ store });
    const reason = new Error("shutting down");
    const controller = new AbortController();
    const waiting = acquireLease({ store, key, signal: controller.signal });
    await delay(30);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(acquireLease({ store, key, signal: controller.signal })).rejects.toBe(reason);
    await first.release();
    expect((await hold({ store, timeoutMs: 0 })).epoch).toBe(first.epoch + 1n);
  });
});

describe("a store that cannot be reached", () => {
  test("is asked again within the budget", async () => {
    const store = troubledStore();
    store.trouble = { acquire: "unreachable" };
    const acquiring = hold({ store });
    await waitFor("three attempts", () => store.asked.acquire >= 3);
    store.trouble = {};
    expect((await acquiring).lost.aborted).toBe(false);
  });

  test("is what the acquisition rejects with when the budget is used up", async () => {
    const store = troubledStore();
    store.trouble = { acquire: "unreachable" };
    const failed = { code: "LEASE_STORE", operation: "acquire", retryable: true };
    await expect(acquireLease({ store, key, timeoutMs: 0 })).rejects.toMatchObject(failed);
    await expect(acquireLease({ store, key, timeoutMs: 60 })).rejects.toMatchObject({
      ...failed,
      cause: { message: "connection refused" },
    });
  });

  test("is told to onWait with its error", async () => {
    const store = troubledStore();
    store.trouble = { acquire: "unreachable" };
    const controller = new AbortController();
    const { signal } = controller;
    const told: WaitingForLease[] = [];
    const acquiring = acquireLease({ store, key, signal, onWait: (waited) => told.push(waited) });
    await waitFor("onWait", () => told.length > 0);
    expect(told[0]).toMatchObject({ holder: null, epoch: null, error: { code: "LEASE_STORE" } });
    controller.abort();
    await expect(acquiring).rejects.toThrow("aborted");
  });

  test("is asked once when asking again cannot help", async () => {
    const store = troubledStore();
    store.trouble = { acquire: "refused" };
    await expect(acquireLease({ store, key })).rejects.toMatchObject({
      code: "LEASE_STORE",
      retryable: false,
    });
    expect(store.asked.acquire).toBe(1);
  });

  test("throws an error of its own kind only: what else a store throws is its cause", async () => {
    const mistake = new TypeError("not a function");
    const store = {
      ...troubledStore(),
      name: "own",
      tryAcquire: (): never => {
        throw mistake;
      },
    };
    await expect(acquireLease({ store, key })).rejects.toMatchObject({
      code: "LEASE_STORE",
      store: "own",
      operation: "acquire",
      retryable: false,
      cause: mistake,
    });
  });

  test.each([
    [undefined, "the store's answer must be an object, got undefined"],
    [5, "the store's answer must be an object, got 5"],
    [{}, "the store's answer.kind must be"],
    [{ kind: "acquired" }, "the store's answer.grant must be"],
    [
      { kind: "held", holder: null, epoch: 1, leftMs: null },
      "the store's answer.epoch must be a bigint, got 1",
    ],
  ])("is an error when it answers with %j", async (answer, message) => {
    const store: LeaseStore = {
      name: "of a user's own",
      tryAcquire: async () => await Promise.resolve(answer as never),
      renew: async () => await Promise.resolve(true),
      release: async () => {},
      watch: () => null,
    };
    await expect(acquireLease({ store, key })).rejects.toMatchObject({
      code: "LEASE_STORE",
      retryable: false,
      cause: { message: expect.stringContaining(message) },
    });
  });

  test("does not keep an acquisition waiting that never gets an answer", async () => {
    const store = troubledStore();
    store.trouble = { acquire: { executed: gate().opened } };
    await expect(acquireLease({ store, key, ttlMs: 100, timeoutMs: 0 })).rejects.toMatchObject({
      code: "LEASE_STORE",
      retryable: true,
      cause: { message: expect.stringContaining("no answer within") },
    });
  });
});

describe("an answer that was lost", () => {
  test("leaves the hold that the next attempt has", async () => {
    const store = troubledStore();
    store.trouble = { acquire: "answer-lost" };
    const acquiring = hold({ store });
    await waitFor("an attempt", () => store.asked.acquire >= 1);
    store.trouble = {};
    expect((await acquiring).epoch).toBe(1n);
  });

  test("is given back when it comes after an abort", async () => {
    const store = troubledStore();
    const answers = gate();
    store.trouble = { acquire: { answered: answers.opened } };
    const controller = new AbortController();
    const acquiring = acquireLease({ store, key, signal: controller.signal });
    await waitFor("the attempt", () => store.asked.acquire === 1);
    controller.abort();
    await expect(acquiring).rejects.toThrow("aborted");
    expect(await isFree(store)).toBe(false);
    answers.open();
    await waitFor("the key to be free", async () => await isFree(store));
  });

  test("is given back when it comes after the time for it", async () => {
    const store = troubledStore();
    const answers = gate();
    store.trouble = { acquire: { answered: answers.opened } };
    // Afterwards nothing of it is left.
    const acquiring = acquireLease({ store, key, ttlMs: 60_000, timeoutMs: 0 });
    await expect(acquiring).rejects.toMatchObject({ code: "LEASE_STORE" });
    expect(await isFree(store)).toBe(false);
    answers.open();
    await waitFor("the key to be free", async () => await isFree(store));
  });

  test("is not given back when a later attempt has got the same hold", async () => {
    const store = troubledStore();
    const answers = gate();
    store.trouble = { acquire: { answered: answers.opened } };
    // An answer is waited for for a second, and the hold lasts longer than the slowest machine needs.
    const acquiring = hold({ store, ttlMs: 60_000, marginMs: 59_000 });
    await waitFor("an attempt", () => store.asked.acquire === 1);
    store.trouble = {};
    const lease = await acquiring;
    expect(lease.epoch).toBe(1n);
    answers.open();
    await delay(20);
    expect(store.asked.release).toBe(0);
    expect(await isFree(store)).toBe(false);
  });
});
