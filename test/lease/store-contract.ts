/** What every lease store must do, as one table of tests: each store's test file runs it on its engine. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, onTestFinished, test, type TestContext } from "vitest";

import { acquireLease } from "../../lib/lease/index.js";
import type { LeaseAttempt, LeaseGrant, LeaseStore } from "../../lib/lease/store.js";
import { waitFor } from "../support/wait-for.js";

/** An engine and two clients of it, as two machines would have them. */
export interface StoreUnderTest {
  readonly store: LeaseStore;
  /** Another client of the same engine. */
  readonly other: LeaseStore;
  /** The shortest ttl that the engine keeps to, milliseconds. */
  readonly shortTtlMs: number;
  /** Whether `watch` tells of a release; false: it must give null. */
  readonly watches: boolean;
}

/** May skip the test by its context; what it makes must end with the test (`onTestFinished`) or with the file. */
export type MakeStore = (context: TestContext) => Promise<StoreUnderTest>;

const NEVER = new AbortController().signal;
const LONG_TTL_MS = 60_000;

/** Engines share a machine with everything else that is tried at the time. */
const PATIENCE = { timeout: 120_000 };
const DEADLINE = { deadlineMs: 60_000 };

/** Keys of no two tests, and of no two runs on a lasting engine, are the same. */
function freshKey(name = "key"): string {
  return `${name}-${randomBytes(8).toString("hex")}`;
}

interface Try {
  readonly key: string;
  readonly holder?: string;
  readonly nonce?: string;
  readonly ttlMs?: number;
}

async function tryAcquire(
  store: LeaseStore,
  { key, holder = "holder", nonce = randomBytes(16).toString("hex"), ttlMs = LONG_TTL_MS }: Try,
) {
  return await store.tryAcquire({ key, holder, nonce, ttlMs, signal: NEVER });
}

async function acquire(store: LeaseStore, wanted: Try): Promise<LeaseGrant> {
  const attempt = await tryAcquire(store, wanted);
  if (attempt.kind !== "acquired") throw new Error(`held: ${wanted.key}`);
  onTestFinished(async () => await store.release(attempt.grant, NEVER).catch(() => {}));
  return attempt.grant;
}

/** Without taking it: what is acquired is given back. */
async function isHeld(store: LeaseStore, key: string): Promise<boolean> {
  const attempt = await tryAcquire(store, { key });
  if (attempt.kind === "acquired") await store.release(attempt.grant, NEVER);
  return attempt.kind === "held";
}

/** Keys that something on their way could take for others, or for more than text. */
const ODD_KEYS: readonly (readonly [string, string])[] = [
  ["a quotation mark", "it's"],
  ["SQL", `'; DROP TABLE pidentity_leases; --`],
  ["double quotation marks", `"a"`],
  ["a backslash", String.raw`a\b\0`],
  ["patterns", "a%_*?[b]"],
  ["a slash at its end", "a/b/"],
  ["upper case", "KEY"],
  ["lower case", "key"],
  ["a blank at its end", "key "],
  ["line ends", "key\r\n\tkey"],
  ["a composed letter", "\u00e9"],
  ["the same letter in two parts", "e\u0301"],
  ["a picture", "🔑"],
  ["text of the other direction", "\u202egnol\u202c"],
  ["the last character", "\u{10ffff}"],
  ["the byte order mark", "\ufeffkey"],
  ["a number", "0"],
  ["a property of every object", "__proto__"],
  ["a URL's escapes", "%00%2f+&=#"],
  ["JSON", `{"key":null}`],
];

/** Runs the table on what `makeStore` gives, for each test anew. */
export function describeStoreContract(name: string, makeStore: MakeStore): void {
  describe(`the lease store ${name}`, PATIENCE, () => {
    test("a free key is acquired, with its holder, an epoch and the store's id", async (context) => {
      const { store } = await makeStore(context);
      const key = freshKey();
      const grant = await acquire(store, { key, holder: "first" });
      expect(grant).toMatchObject({ key, holder: "first" });
      expect(typeof grant.epoch).toBe("bigint");
      expect(grant.epoch).toBeGreaterThan(0n);
      expect(grant.storeId).not.toBe("");
    });

    test("a key that is held is refused, with its holder, its epoch and the time left", async (context) => {
      const { store, other } = await makeStore(context);
      const key = freshKey();
      const { epoch } = await acquire(store, { key, holder: "first", ttlMs: 20_000 });
      const refused = await tryAcquire(other, { key, holder: "second" });
      expect(refused).toMatchObject({ kind: "held", holder: "first", epoch });
      // null: the store cannot tell. An engine that counts whole seconds rounds up.
      const leftMs = refused.kind === "held" ? (refused.leftMs ?? 1) : 0;
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(21_000);
    });

    test("all clients of an engine say the same id of the store", async (context) => {
      const { store, other } = await makeStore(context);
      const one = await acquire(store, { key: freshKey() });
      const two = await acquire(other, { key: freshKey() });
      expect(two.storeId).toBe(one.storeId);
    });

    test("an attempt that is repeated after its answer was lost is the same hold", async (context) => {
      const { store, other } = await makeStore(context);
      const [key, nonce] = [freshKey(), "nonce-of-one-acquisition"];
      const first = await acquire(store, { key, nonce });
      const again = await acquire(store, { key, nonce });
      expect(again.epoch).toBe(first.epoch);
      const elsewhere = await acquire(other, { key, nonce });
      expect(elsewhere.epoch).toBe(first.epoch);
      expect((await tryAcquire(store, { key })).kind).toBe("held");
      expect(await store.renew(again, LONG_TTL_MS, NEVER)).toBe(true);
    });

    test("a repeated attempt lasts another ttl", async (context) => {
      const { store, other, shortTtlMs: ttlMs } = await makeStore(context);
      const [key, nonce] = [freshKey(), "nonce"];
      const { refused, epoch } = await refusedWhile(other, { key, ttlMs }, async () => {
        const grant = await acquire(store, { key, nonce, ttlMs });
        return grant.epoch;
      });
      expect(refused).toMatchObject({ kind: "held", epoch });
    });

    test("a renewal lasts another ttl", async (context) => {
      const { store, other, shortTtlMs: ttlMs } = await makeStore(context);
      const key = freshKey();
      let grant = await acquire(store, { key, ttlMs });
      const { refused, epoch } = await refusedWhile(other, { key, ttlMs }, async () => {
        const isRenewed = await store.renew(grant, ttlMs, NEVER);
        if (!isRenewed) grant = await acquire(store, { key, ttlMs });
        return grant.epoch;
      });
      expect(refused).toMatchObject({ kind: "held", epoch });
    });

    test("a hold that is not renewed runs out, and the next has a greater epoch", async (context) => {
      const { store, other, shortTtlMs } = await makeStore(context);
      const key = freshKey();
      const first = await acquire(store, { key, holder: "first", ttlMs: shortTtlMs });
      const second = await waitFor(
        "the hold to run out",
        async () => {
          const attempt = await tryAcquire(other, { key, holder: "second" });
          return attempt.kind === "acquired" ? attempt.grant : null;
        },
        DEADLINE,
      );
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(second.holder).toBe("second");
      await other.release(second, NEVER);
    });

    test("a hold that has run out is never renewed again, though no other has taken the key", async (context) => {
      const { store, shortTtlMs } = await makeStore(context);
      const key = freshKey();
      const grant = await acquire(store, { key, ttlMs: shortTtlMs });
      const isOver = async (): Promise<boolean> => {
        await delay(2 * shortTtlMs);
        return !(await store.renew(grant, shortTtlMs, NEVER));
      };
      await waitFor("the hold to run out", isOver, DEADLINE);
      expect(await store.renew(grant, shortTtlMs, NEVER)).toBe(false);
      expect(await isHeld(store, key)).toBe(false);
    });

    test("who has lost a key to another neither renews nor releases it", async (context) => {
      const { store, other, shortTtlMs } = await makeStore(context);
      const key = freshKey();
      const lost = await acquire(store, { key, ttlMs: shortTtlMs });
      const taken = await waitFor(
        "the hold to run out",
        async () => {
          const attempt = await tryAcquire(other, { key });
          return attempt.kind === "acquired" ? attempt.grant : null;
        },
        DEADLINE,
      );
      expect(await store.renew(lost, shortTtlMs, NEVER)).toBe(false);
      await store.release(lost, NEVER);
      expect(await store.renew(lost, shortTtlMs, NEVER)).toBe(false);
      expect(await other.renew(taken, LONG_TTL_MS, NEVER)).toBe(true);
      expect(await isHeld(store, key)).toBe(true);
      await other.release(taken, NEVER);
    });

    test("a nonce whose hold has run out is a new acquisition, with a greater epoch", async (context) => {
      const { store, shortTtlMs } = await makeStore(context);
      const [key, nonce] = [freshKey(), "nonce"];
      const first = await acquire(store, { key, nonce, ttlMs: shortTtlMs });
      // Until then it would be known again.
      await waitFor("the hold to run out", async () => !(await isHeld(store, key)), DEADLINE);
      const second = await acquire(store, { key, nonce });
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(await store.renew(first, shortTtlMs, NEVER)).toBe(false);
      expect(await store.renew(second, LONG_TTL_MS, NEVER)).toBe(true);
    });

    test("a released key is free at once, and the released hold is over", async (context) => {
      const { store, other } = await makeStore(context);
      const key = freshKey();
      const first = await acquire(store, { key });
      await store.release(first, NEVER);
      const second = await acquire(other, { key });
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(await store.renew(first, LONG_TTL_MS, NEVER)).toBe(false);
      await store.release(first, NEVER);
      expect(await other.renew(second, LONG_TTL_MS, NEVER)).toBe(true);
    });

    test("a released hold is not renewed, though no other has taken the key", async (context) => {
      const { store } = await makeStore(context);
      const key = freshKey();
      const grant = await acquire(store, { key });
      await store.release(grant, NEVER);
      expect(await store.renew(grant, LONG_TTL_MS, NEVER)).toBe(false);
      expect(await isHeld(store, key)).toBe(false);
    });

    test("keys that look alike, or like commands, are different keys", async (context) => {
      const { store, other } = await makeStore(context);
      const prefix = freshKey();
      const longest = prefix + "é".repeat((1024 - prefix.length) / 2);
      expect(Buffer.byteLength(longest)).toBe(1024);
      const keys = [prefix, ...ODD_KEYS.map(([, key]) => `${prefix}${key}`), longest];
      expect(new Set(keys).size).toBe(keys.length);
      for (const key of keys) {
        const grant = await acquire(store, { key, holder: key });
        expect(grant).toMatchObject({ key, holder: key });
      }
      for (const key of keys) {
        expect(await tryAcquire(other, { key })).toMatchObject({ kind: "held", holder: key });
      }
    });

    test("a key of nothing but each odd text is a key", async (context) => {
      const { store, other } = await makeStore(context);
      for (const [, key] of ODD_KEYS) {
        const grant = await acquire(store, { key });
        expect(await isHeld(other, key)).toBe(true);
        await store.release(grant, NEVER);
        expect(await isHeld(other, key)).toBe(false);
      }
    });

    test("of 32 contenders at once one gets the key", async (context) => {
      const { store, other } = await makeStore(context);
      const key = freshKey();
      const attempts = await Promise.all(
        Array.from({ length: 32 }, async (_, index) =>
          tryAcquire(index % 2 === 0 ? store : other, { key, holder: String(index) }),
        ),
      );
      const grants = attempts.flatMap((attempt) =>
        attempt.kind === "acquired" ? [attempt.grant] : [],
      );
      expect(grants).toHaveLength(1);
      const [grant] = grants;
      if (grant === undefined) throw new Error("no grant");
      const epochs = attempts.map((attempt) =>
        attempt.kind === "held" ? attempt.epoch : attempt.grant.epoch,
      );
      expect(new Set(epochs)).toEqual(new Set([grant.epoch]));
      await store.release(grant, NEVER);
    });

    test("epochs grow from holder to holder, whichever client", async (context) => {
      const { store, other } = await makeStore(context);
      const key = freshKey();
      let last = 0n;
      for (let turn = 0; turn < 20; turn++) {
        const client = turn % 2 === 0 ? store : other;
        const grant = await acquire(client, { key });
        expect(grant.epoch).toBeGreaterThan(last);
        last = grant.epoch;
        await client.release(grant, NEVER);
      }
    });

    test("a watcher is told of a release, and of none after it has closed", async (context) => {
      const { store, other, watches } = await makeStore(context);
      const key = freshKey();
      const grant = await acquire(store, { key });
      let told = 0;
      const watch = other.watch(key, () => told++);
      expect(watch !== null).toBe(watches);
      if (watch === null) return;
      // It may tell that it has begun, and does not tell what was before.
      let released = await tellingRelease(store, other, { key, grant, told: () => told });
      expect(released).toBeGreaterThan(0);
      watch.close();
      const before = told;
      const next = await acquire(store, { key });
      let toldAgain = 0;
      const second = other.watch(key, () => toldAgain++);
      released = await tellingRelease(store, other, { key, grant: next, told: () => toldAgain });
      expect(released).toBeGreaterThan(0);
      second?.close();
      expect(told).toBe(before);
    });

    test("an acquisition hands over from holder to holder", async (context) => {
      const { store, other, shortTtlMs } = await makeStore(context);
      const key = freshKey();
      const ttlMs = Math.max(1000, 3 * shortTtlMs);
      const first = await acquireLease({ store, key, ttlMs, holder: "first" });
      await expect(acquireLease({ store: other, key, ttlMs, timeoutMs: 0 })).rejects.toMatchObject({
        code: "LEASE_TIMEOUT",
        holder: "first",
        epoch: first.epoch,
      });
      const waiting = acquireLease({ store: other, key, ttlMs, holder: "second" });
      expect(first.lost.aborted).toBe(false);
      await first.release();
      await using second = await waiting;
      expect(second.epoch).toBeGreaterThan(first.epoch);
      expect(second.storeId).toBe(first.storeId);
      expect(() => first.assertHeld()).toThrow(expect.objectContaining({ reason: "released" }));
      second.assertHeld();
    });

    test("a lease is renewed for longer than its ttl", async (context) => {
      const { store, other, shortTtlMs } = await makeStore(context);
      const key = freshKey();
      const ttlMs = Math.max(600, shortTtlMs);
      const refusals = await waitFor(
        "a lease that is held for longer than its ttl",
        async () => {
          await using lease = await acquireLease({ store, key, ttlMs });
          const until = performance.now() + 1.5 * ttlMs;
          const held: boolean[] = [];
          while (performance.now() < until) {
            held.push(await isHeld(other, key));
            // A machine that does not let it run for so long makes it lose its lease, rightly.
            if (lease.deadline() === 0) return null;
            await delay(ttlMs / 10);
          }
          return held;
        },
        DEADLINE,
      );
      expect(refusals.length).toBeGreaterThan(0);
      expect(refusals).not.toContain(false);
    });
  });
}

/**
 * Prolongs a hold again and again, for longer than one ttl; then another tries.
 *
 * @param prolong - Gives the epoch; another one than before when the machine was too slow for the ttl
 */
async function refusedWhile(
  other: LeaseStore,
  { key, ttlMs }: { readonly key: string; readonly ttlMs: number },
  prolong: () => Promise<bigint>,
): Promise<{ readonly refused: LeaseAttempt; readonly epoch: bigint }> {
  let epoch: bigint | null = null;
  let sinceMs = 0;
  return await waitFor(
    "an answer within the ttl",
    async () => {
      const sentMs = performance.now();
      const now = await prolong();
      if (now !== epoch) [epoch, sinceMs] = [now, sentMs];
      if (sentMs - sinceMs < 1.5 * ttlMs) {
        await delay(ttlMs / 10);
        return null;
      }
      const refused = await tryAcquire(other, { key });
      if (refused.kind === "acquired") await other.release(refused.grant, NEVER);
      return performance.now() - sentMs >= ttlMs ? null : { refused, epoch: now };
    },
    DEADLINE,
  );
}

interface Watched {
  readonly key: string;
  readonly grant: LeaseGrant;
  readonly told: () => number;
}

/** Releases, as often as it takes, for a watch begins after `watch` has returned; how often was told of then. */
async function tellingRelease(
  store: LeaseStore,
  other: LeaseStore,
  { key, grant, told }: Watched,
): Promise<number> {
  let held: LeaseGrant | null = grant;
  return await waitFor(
    "a release to be told",
    async () => {
      const before = told();
      if (held !== null) await store.release(held, NEVER);
      const hasTold = await waitFor("the watcher", () => told() > before, { deadlineMs: 500 }).then(
        () => true,
        () => false,
      );
      if (hasTold) return told();
      const attempt = await tryAcquire(other, { key });
      held = attempt.kind === "acquired" ? attempt.grant : null;
      return null;
    },
    DEADLINE,
  );
}
