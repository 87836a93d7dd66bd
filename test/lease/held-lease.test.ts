/** What a holder may believe: renewals that fail, come late, or not at all. */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import { acquireLease, type Lease, LeaseLostError } from "../../lib/lease/index.js";
import { waitSynchronously } from "../../lib/util/timers.js";
import { waitFor } from "../support/wait-for.js";
import { gate, type TroubledStore, troubledStore } from "./troubled-store.js";

const key = "session";

async function hold(store: TroubledStore, ttlMs: number, marginMs?: number): Promise<Lease> {
  const lease = await acquireLease({ store, key, ttlMs, marginMs });
  onTestFinished(async () => await lease.release().catch(() => {}));
  return lease;
}

function whyLost({ lost }: Lease): LeaseLostError {
  const reason: unknown = lost.reason;
  if (!(reason instanceof LeaseLostError)) throw new Error(`not lost: ${String(reason)}`);
  return reason;
}

/** Whether another would get the key now. */
async function isHeld({ clear }: TroubledStore): Promise<boolean> {
  const nonce = "another";
  const { signal } = new AbortController();
  const attempt = await clear.tryAcquire({ key, holder: "another", nonce, ttlMs: 1000, signal });
  if (attempt.kind === "acquired") await clear.release(attempt.grant, signal);
  return attempt.kind === "held";
}

describe("a lease that is held", () => {
  test("says how long its holder may believe, at most the ttl without the margin", async () => {
    const lease = await hold(troubledStore(), 10_000, 4000);
    expect(lease.deadline()).toBeGreaterThan(0);
    expect(lease.deadline()).toBeLessThanOrEqual(6000);
    expect(lease).toMatchObject({ key, epoch: 1n, holder: expect.stringMatching(/:\d+$/u) });
    lease.assertHeld();
    lease.assertHeld({ marginMs: 100 });
    expect(lease.lost.aborted).toBe(false);
  });

  test("refuses a write that may take longer than is left, and is not lost by it", async () => {
    const lease = await hold(troubledStore(), 10_000);
    expect(() => lease.assertHeld({ marginMs: 9000 })).toThrow(
      expect.objectContaining({ code: "LEASE_LOST", reason: "margin", epoch: 1n, key }),
    );
    expect(lease.lost.aborted).toBe(false);
    lease.assertHeld();
  });

  test("is lost at its deadline when the store cannot be reached, while the engine still keeps others out", async () => {
    const store = troubledStore();
    const lease = await hold(store, 6000, 3000);
    store.trouble = { renew: "unreachable" };
    await once(lease.lost, "abort");
    // Seconds are left of the engine's ttl.
    expect(await isHeld(store)).toBe(true);
    expect(whyLost(lease)).toMatchObject({ reason: "deadline", cause: { operation: "renew" } });
    expect(lease.deadline()).toBe(0);
    expect(() => lease.assertHeld()).toThrow(whyLost(lease));
    expect(store.asked.renew).toBeGreaterThan(1);
  });

  test("is lost at its deadline when the store never answers", async () => {
    const store = troubledStore();
    const lease = await hold(store, 600);
    store.trouble = { renew: { executed: gate().opened } };
    await once(lease.lost, "abort");
    expect(whyLost(lease)).toMatchObject({ reason: "deadline" });
  });

  test("lives on when the store is reached again before its deadline", async () => {
    const store = troubledStore();
    const lease = await hold(store, 3000);
    store.trouble = { renew: "unreachable" };
    await waitFor("two renewals that fail", () => store.asked.renew >= 2);
    store.trouble = {};
    const left = lease.deadline();
    await waitFor("a renewal", () => lease.deadline() > left);
    expect(lease.lost.aborted).toBe(false);
  });

  test("does not come back by a renewal that is answered after its deadline", async () => {
    const store = troubledStore();
    const lease = await hold(store, 1000, 800);
    const answers = gate();
    store.trouble = { renew: { answered: answers.opened } };
    await waitFor("the deadline", () => lease.deadline() === 0);
    expect(whyLost(lease)).toMatchObject({ reason: "deadline" });
    answers.open();
    await delay(10);
    expect(lease.deadline()).toBe(0);
    expect(() => lease.assertHeld()).toThrow(LeaseLostError);
  });

  test("counts a late answer from when its request was sent, and keeps what a later one gave", async () => {
    const store = troubledStore();
    const lease = await hold(store, 3000, 300);
    const first = gate();
    store.trouble = { renew: { answered: first.opened } };
    await waitFor("the first renewal", () => store.asked.renew === 1);
    store.trouble = {};
    const left = lease.deadline();
    await waitFor("the second one's answer", () => lease.deadline() > left);
    const before = lease.deadline();
    first.open();
    await delay(10);
    expect(lease.deadline()).toBeLessThanOrEqual(before);
    expect(lease.deadline()).toBeGreaterThan(0);
  });

  test("is lost as soon as the store says that it has ended", async () => {
    const store = troubledStore();
    const lease = await hold(store, 3000);
    const { signal } = new AbortController();
    const { epoch, holder, storeId } = lease;
    await store.clear.release({ key, epoch, holder, storeId }, signal);
    const taken = await acquireLease({ store: store.clear, key });
    await once(lease.lost, "abort");
    expect(whyLost(lease)).toMatchObject({ reason: "taken" });
    expect(lease.deadline()).toBe(0);
    // Its release does not end the other's.
    await lease.release();
    taken.assertHeld();
    expect(await isHeld(store)).toBe(true);
    await taken.release();
  });

  test("is lost at the next call of a holder whose event loop was blocked, before any timer", async () => {
    const store = troubledStore();
    const lease = await hold(store, 300);
    waitSynchronously(400);
    expect(lease.lost.aborted).toBe(false);
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ reason: "deadline" }));
    expect(lease.lost.aborted).toBe(true);
  });

  test("is lost by asking how long it lasts, too", async () => {
    const lease = await hold(troubledStore(), 300);
    waitSynchronously(400);
    expect(lease.deadline()).toBe(0);
    expect(lease.lost.aborted).toBe(true);
  });

  test("aborts with the error that its functions throw, once", async () => {
    const store = troubledStore();
    const lease = await hold(store, 300);
    let told = 0;
    lease.lost.addEventListener("abort", () => told++);
    waitSynchronously(400);
    const errors = [0, 1].map(() => {
      try {
        lease.assertHeld();
        return null;
      } catch (error) {
        return error;
      }
    });
    expect(errors).toEqual([whyLost(lease), whyLost(lease)]);
    expect(told).toBe(1);
  });
});

describe("a lease that is released", () => {
  test("is free for others at once, is not lost, and not held", async () => {
    const store = troubledStore();
    const lease = await hold(store, 10_000);
    const releasing = lease.release();
    expect(lease.release()).toBe(releasing);
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ reason: "released" }));
    expect(lease.deadline()).toBe(0);
    await releasing;
    expect(await isHeld(store)).toBe(false);
    expect(lease.lost.aborted).toBe(false);
    expect(store.asked.release).toBe(1);
  });

  test("is released at the end of its scope", async () => {
    const store = troubledStore();
    {
      await using lease = await acquireLease({ store, key });
      lease.assertHeld();
    }
    expect(await isHeld(store)).toBe(false);
  });

  test("is asked for again when the store could not be reached", async () => {
    const store = troubledStore();
    const lease = await hold(store, 10_000);
    store.trouble = { release: "unreachable" };
    const releasing = lease.release();
    await waitFor("an attempt", () => store.asked.release >= 1);
    store.trouble = {};
    await releasing;
    expect(await isHeld(store)).toBe(false);
  });

  test("rejects when the store refuses, and when it is not reached until the deadline", async () => {
    const store = troubledStore();
    const refused = await hold(store, 10_000);
    store.trouble = { release: "refused" };
    await expect(refused.release()).rejects.toMatchObject({
      code: "LEASE_STORE",
      operation: "release",
      retryable: false,
    });
    expect(() => refused.assertHeld()).toThrow(LeaseLostError);
    const other = await acquireLease({ store, key: "other", ttlMs: 300 });
    store.trouble = { release: "unreachable" };
    await expect(other.release()).rejects.toMatchObject({ code: "LEASE_STORE", retryable: true });
  });

  test("is given back after it was lost, so that others need not wait for the rest of its ttl", async () => {
    const store = troubledStore();
    const lease = await hold(store, 5000, 4800);
    waitSynchronously(250);
    expect(lease.deadline()).toBe(0);
    expect(await isHeld(store)).toBe(true);
    await lease.release();
    expect(await isHeld(store)).toBe(false);
  });

  test("does not reject after it was lost", async () => {
    const store = troubledStore();
    const lease = await hold(store, 300);
    waitSynchronously(400);
    expect(lease.deadline()).toBe(0);
    store.trouble = { release: "unreachable" };
    await lease.release();
    expect(store.asked.release).toBe(1);
  });

  test("ignores a renewal that is answered afterwards", async () => {
    const store = troubledStore();
    const lease = await hold(store, 600);
    const answers = gate();
    store.trouble = { renew: { executed: answers.opened } };
    await waitFor("a renewal", () => store.asked.renew > 0);
    await lease.release();
    answers.open();
    await delay(10);
    expect(lease.lost.aborted).toBe(false);
    expect(await isHeld(store)).toBe(false);
  });
});
