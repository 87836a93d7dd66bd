/**
 * When a lease is renewed, lost, asked for and given back, to the millisecond: in time that passes only when a test says so,
 * with stores that answer when it says so. Whole acquisitions in real time: acquire-lease.test.ts, held-lease.test.ts.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import {
  acquireLease,
  type AcquireLeaseOptions,
  type Lease,
  LeaseLostError,
  LeaseStoreError,
  type WaitingForLease,
} from "../../lib/lease/index.js";
import type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "../../lib/lease/store.js";

/** `suspendedMs`: how long the machine has been suspended, which timers do not count. */
const world = vi.hoisted(() => ({ suspendedMs: 0, timers: [] as NodeJS.Timeout[] }));

vi.mock("../../lib/process/machine-clock.js", async (original) => ({
  ...(await original<object>()),
  continuousMs: () => performance.now() + world.suspendedMs,
}));
// The package takes its own at import, which fake time does not replace.
vi.mock("../../lib/util/node-modules.js", async (original) => ({
  ...(await original<object>()),
  setTimeout: (callback: () => void, ms: number) => {
    const timer = setTimeout(callback, ms);
    world.timers.push(timer);
    return timer;
  },
  clearTimeout: (timer: NodeJS.Timeout) => clearTimeout(timer),
}));

const key = "session";
const terms = { ttlMs: 9000, marginMs: 1800 };
/** From the sending of a request until its deadline. */
const LASTS_MS = 7200;

let startedMs = 0;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  world.suspendedMs = 0;
  world.timers.length = 0;
  startedMs = performance.now();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const nowMs = (): number => performance.now() - startedMs;
const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));
const after = <T>(ms: number, value: T): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));
const never = (): Promise<never> => new Promise(() => {});

const failure = (operation: "acquire" | "renew" | "release", retryable = true): LeaseStoreError =>
  new LeaseStoreError({ store: "scripted", operation, retryable, cause: new Error("no network") });
const unreachable = (operation: "acquire" | "renew" | "release") => (): Promise<never> =>
  Promise.reject(failure(operation));

const grantOf = (epoch: bigint): LeaseGrant => ({ key, holder: "me", epoch, storeId: "store" });
const acquired = (epoch = 1n): LeaseAttempt => ({ kind: "acquired", grant: grantOf(epoch) });
const held = (leftMs: number | null = null): LeaseAttempt => ({
  kind: "held",
  holder: "another",
  epoch: 7n,
  leftMs,
});

interface Script {
  acquire: (request: LeaseRequest, count: number) => Promise<LeaseAttempt>;
  renew: (signal: AbortSignal, count: number) => Promise<boolean>;
  release: (signal: AbortSignal, count: number) => Promise<void>;
}

/** A store that answers as `script` says, and notes when it was asked for what. */
function scriptedStore(changes: Partial<Script> = {}) {
  const script: Script = {
    acquire: () => Promise.resolve(acquired()),
    renew: () => Promise.resolve(true),
    release: () => Promise.resolve(),
    ...changes,
  };
  const store = {
    name: "scripted",
    script,
    /** When it was asked, milliseconds since the test's begin. */
    at: { acquire: [] as number[], renew: [] as number[], release: [] as number[] },
    requests: [] as LeaseRequest[],
    ttls: [] as number[],
    released: [] as bigint[],
    /** undefined: it is not watched. */
    tell: undefined as (() => void) | undefined,
    watches: 0,
    tryAcquire: (request: LeaseRequest) => {
      store.requests.push(request);
      return store.script.acquire(request, store.at.acquire.push(nowMs()));
    },
    renew: (_: LeaseGrant, ttlMs: number, signal: AbortSignal) => {
      store.ttls.push(ttlMs);
      return store.script.renew(signal, store.at.renew.push(nowMs()));
    },
    release: ({ epoch }: LeaseGrant, signal: AbortSignal) => {
      store.released.push(epoch);
      return store.script.release(signal, store.at.release.push(nowMs()));
    },
    watch: (watched: string, onChange: () => void): { close(): void } | null => {
      expect(watched).toBe(key);
      store.watches++;
      store.tell = onChange;
      return { close: () => (store.tell = undefined) };
    },
  };
  return store satisfies LeaseStore;
}

const hold = (store: LeaseStore, options: Partial<AcquireLeaseOptions> = {}): Promise<Lease> =>
  acquireLease({ store, key, ...terms, ...options });

/** When a lease is lost, milliseconds since the test's begin. */
function lostAt({ lost }: Lease): { ms: number | null } {
  const at = { ms: null as number | null };
  lost.addEventListener("abort", () => (at.ms = nowMs()));
  return at;
}

/** What a promise has come to so far. */
function outcomeOf(promise: Promise<unknown>): { ms: number | null; error?: unknown } {
  const outcome = { ms: null as number | null } as { ms: number | null; error?: unknown };
  promise.then(
    () => (outcome.ms = nowMs()),
    (error: unknown) => {
      outcome.ms = nowMs();
      outcome.error = error;
    },
  );
  return outcome;
}

describe("the deadline of a held lease", () => {
  test("counts from when its request was sent, however late the answer", async () => {
    const acquiring = hold(scriptedStore({ acquire: () => after(500, acquired()) }));
    await pass(500);
    const lease = await acquiring;
    expect(lease.deadline()).toBe(LASTS_MS - 500);
    await pass(1000);
    expect(lease.deadline()).toBe(LASTS_MS - 1500);
    await lease.release();
    expect(lease.deadline()).toBe(0);
  });

  test("moves with each renewal, a third of the ttl after the one before", async () => {
    const store = scriptedStore();
    const lease = await hold(store);
    await pass(2999);
    expect(store.at.renew).toEqual([]);
    expect(lease.deadline()).toBe(LASTS_MS - 2999);
    await pass(1);
    expect(lease.deadline()).toBe(LASTS_MS);
    await pass(60_000);
    expect(store.at.renew.slice(0, 4)).toEqual([3000, 6000, 9000, 12_000]);
    expect(store.at.renew).toHaveLength(21);
    expect(new Set(store.ttls)).toEqual(new Set([9000]));
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  test("is first renewed a third of the ttl after its request was sent", async () => {
    const store = scriptedStore({ acquire: () => after(500, acquired()) });
    const acquiring = hold(store);
    await pass(500);
    const lease = await acquiring;
    await pass(2600);
    expect(store.at.renew).toEqual([3000]);
    await lease.release();
  });

  test("is renewed within a millisecond when the answer took longer than that", async () => {
    const store = scriptedStore({ acquire: () => after(4000, acquired()) });
    const acquiring = hold(store);
    await pass(4000);
    const lease = await acquiring;
    await pass(1);
    expect(store.at.renew).toEqual([4001]);
    await lease.release();
  });

  test("moves by a late answer only as far as its request reaches", async () => {
    const store = scriptedStore({ renew: () => after(1000, true) });
    const lease = await hold(store);
    await pass(4000);
    expect(lease.deadline()).toBe(3000 + LASTS_MS - 4000);
    await lease.release();
  });

  test("ends the lease, with what renewing failed with", async () => {
    const store = scriptedStore({ renew: unreachable("renew") });
    const lease = await hold(store);
    const lost = lostAt(lease);
    await pass(LASTS_MS - 2);
    expect(lost.ms).toBeNull();
    expect(lease.deadline()).toBe(2);
    await pass(10);
    expect(lost.ms).toBe(LASTS_MS);
    expect(lease.lost.reason).toMatchObject({
      reason: "deadline",
      key,
      epoch: 1n,
      cause: { operation: "renew", retryable: true },
    });
    expect(lease.deadline()).toBe(0);
    // Tried again after a twentieth of the ttl.
    expect(store.at.renew).toEqual([3000, 3450, 3900, 4350, 4800, 5250, 5700, 6150, 6600, 7050]);
    await pass(60_000);
    expect(store.at.renew).toHaveLength(10);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("forgets why a renewal failed once one has succeeded", async () => {
    const store = scriptedStore({
      renew: (_, count) => (count === 2 ? Promise.resolve(true) : Promise.reject(failure("renew"))),
    });
    const lease = await hold(store);
    await pass(3450);
    expect(lease.deadline()).toBe(LASTS_MS);
    store.script.renew = never;
    await pass(LASTS_MS);
    // The engine has not answered: why, the request's own limit says.
    expect(lease.lost.reason).toMatchObject({ reason: "deadline" });
    expect((lease.lost.reason as LeaseLostError).cause).toBeUndefined();
  });

  test("passes while the machine is suspended, and is noticed within a second of its waking", async () => {
    const store = scriptedStore({ acquire: () => Promise.resolve(acquired()) });
    const lease = await hold(store, { ttlMs: 90_000, marginMs: 18_000 });
    const lost = lostAt(lease);
    world.suspendedMs = 100_000;
    expect(lost.ms).toBeNull();
    await pass(999);
    expect(lost.ms).toBeNull();
    await pass(1);
    expect(lost.ms).toBe(1000);
  });

  test("passes while a renewal is under way that nothing answers", async () => {
    const signals: AbortSignal[] = [];
    const store = scriptedStore({ renew: (signal) => (signals.push(signal), never()) });
    const lease = await hold(store);
    const lost = lostAt(lease);
    await pass(6001);
    // Another is sent meanwhile: an engine that has not answered may answer the next.
    expect(store.at.renew).toEqual([3000, 6000]);
    await pass(2000);
    expect(lost.ms).toBe(LASTS_MS);
  });

  test("is reached a part of a millisecond early rather than late", async () => {
    const lease = await hold(scriptedStore({ renew: never }));
    const lost = lostAt(lease);
    world.suspendedMs = 0.5;
    await pass(LASTS_MS - 2);
    expect(lost.ms).toBeNull();
    await pass(10);
    expect(lost.ms).toBe(LASTS_MS - 1);
  });

  test("gives up a renewal when its answer would be worth nothing", async () => {
    const store = scriptedStore({ renew: (_, count) => (count === 1 ? never() : after(1, true)) });
    const lease = await hold(store);
    await pass(3000 + LASTS_MS - 1);
    const before = store.at.renew.length;
    await pass(1 + 450);
    // Tried again as after every failure.
    expect(store.at.renew.at(-1)).toBe(3000 + LASTS_MS + 450);
    expect(store.at.renew).toHaveLength(before + 1);
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  test("does not come back by an answer that comes when it has passed", async () => {
    const store = scriptedStore({ renew: () => after(500, true) });
    const lease = await hold(store);
    const lost = lostAt(lease);
    // The answer is the first to come after it: the deadline is looked at every second.
    await pass(3000);
    world.suspendedMs = LASTS_MS - 3000;
    await pass(LASTS_MS);
    expect(lost.ms).toBe(3500);
    expect(lease.lost.reason).toMatchObject({ reason: "deadline" });
    expect(lease.deadline()).toBe(0);
  });

  test("is left to the holder's own clock: its timers keep no process alive", async () => {
    const lease = await hold(scriptedStore({ renew: never }));
    const before = world.timers.length;
    await pass(3000);
    expect(world.timers.length).toBeGreaterThan(before);
    // The first one is the acquisition's request, which is answered.
    for (const timer of world.timers.slice(1)) expect(timer.hasRef()).toBe(false);
    await lease.release();
  });
});

describe("a lease that the store says has ended", () => {
  test("is lost at once, and nothing is asked any more", async () => {
    const store = scriptedStore({ renew: () => Promise.resolve(false) });
    const lease = await hold(store);
    const lost = lostAt(lease);
    await pass(3000);
    expect(lost.ms).toBe(3000);
    expect(lease.lost.reason).toMatchObject({ reason: "taken", key, epoch: 1n });
    expect((lease.lost.reason as LeaseLostError).cause).toBeUndefined();
    expect(() => lease.assertHeld()).toThrow(lease.lost.reason as Error);
    expect(vi.getTimerCount()).toBe(0);
    // It is another's: there is nothing to give back.
    await lease.release();
    expect(store.at.release).toEqual([]);
  });
});

describe("assertHeld", () => {
  test("takes a margin up to what is left", async () => {
    const lease = await hold(scriptedStore());
    await pass(200);
    lease.assertHeld();
    lease.assertHeld({});
    lease.assertHeld({ marginMs: LASTS_MS - 200 });
    expect(() => lease.assertHeld({ marginMs: LASTS_MS - 199.5 })).toThrow(
      expect.objectContaining({ reason: "margin", key, epoch: 1n }),
    );
    expect(lease.lost.aborted).toBe(false);
    for (const marginMs of [-1, Number.NaN, Infinity]) {
      expect(() => lease.assertHeld({ marginMs })).toThrow(RangeError);
    }
    expect(() => lease.assertHeld({ margin: 1 } as object)).toThrow(TypeError);
    await lease.release();
  });

  test("throws of a released lease", async () => {
    const lease = await hold(scriptedStore());
    const releasing = lease.release();
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ reason: "released" }));
    await releasing;
  });

  test("loses a lease whose deadline has passed, exactly then", async () => {
    const lease = await hold(scriptedStore());
    world.suspendedMs = LASTS_MS - 1;
    lease.assertHeld();
    world.suspendedMs = LASTS_MS;
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ reason: "deadline" }));
    expect(lease.lost.aborted).toBe(true);
    await lease.release();
  });
});

describe("giving back", () => {
  test("ends the renewals, and aborts one that is under way", async () => {
    let renewal: AbortSignal | undefined;
    const store = scriptedStore({ renew: (signal) => ((renewal = signal), after(50, true)) });
    const lease = await hold(store);
    await pass(3000);
    expect(renewal?.aborted).toBe(false);
    const releasing = lease.release();
    expect(lease.release()).toBe(releasing);
    await pass(60_000);
    await releasing;
    expect(store.at.release).toEqual([3000]);
    expect(store.at.renew).toEqual([3000]);
    expect(lease.lost.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ignores a renewal that fails or is refused afterwards", async () => {
    for (const answer of [
      () => after(50, false),
      () => after(50, null).then(() => Promise.reject(failure("renew"))),
    ]) {
      const store = scriptedStore({ renew: answer });
      const lease = await hold(store);
      await pass(3000);
      const asked = store.at.renew.length;
      await lease.release();
      await pass(20_000);
      expect(store.at.renew).toHaveLength(asked);
      expect(lease.lost.aborted).toBe(false);
    }
  });

  test("is tried again while the lease lasts", async () => {
    // Every twentieth of the ttl, and not when that would be at the deadline or after it.
    for (const [wait, last, count] of [
      [2000, 6950, 12],
      [2250, 6750, 11],
    ] as const) {
      const store = scriptedStore({ release: unreachable("release") });
      const lease = await hold(store);
      const since = nowMs();
      await pass(wait);
      const outcome = outcomeOf(lease.release());
      await pass(20_000);
      const at = store.at.release.map((ms) => ms - since);
      expect(at.slice(0, 2)).toEqual([wait, wait + 450]);
      expect(at.at(-1)).toBe(last);
      expect(at).toHaveLength(count);
      expect(outcome.ms).toBe(since + last);
      expect(outcome.error).toMatchObject({ operation: "release", retryable: true });
    }
  });

  test("is not tried again when that cannot help", async () => {
    for (const error of [failure("release", false), new Error("a mistake")]) {
      const store = scriptedStore({ release: () => Promise.reject(error) });
      const lease = await hold(store);
      await expect(lease.release()).rejects.toMatchObject({
        code: "LEASE_STORE",
        retryable: false,
      });
      expect(store.at.release).toHaveLength(1);
    }
  });

  test("waits for an answer until the deadline, and for a second in any case", async () => {
    for (const [wait, limit] of [
      [200, 2800],
      [2900, 1000],
    ] as const) {
      const store = scriptedStore({ release: never, renew: never });
      // Renewed last at its beginning.
      const lease = await hold(store, { ttlMs: 9000, marginMs: 6000 });
      const since = nowMs();
      await pass(wait);
      const outcome = outcomeOf(lease.release());
      await pass(20_000);
      expect(outcome.ms).toBe(since + wait + limit);
      expect(outcome.error).toMatchObject({
        code: "LEASE_STORE",
        cause: { message: `no answer within ${String(limit)} ms` },
      });
    }
  });

  test("keeps the process alive while the lease is held, and not for one that is lost", async () => {
    const store = scriptedStore({ release: never });
    const lease = await hold(store);
    const releasing = outcomeOf(lease.release());
    expect(world.timers.at(-1)?.hasRef()).toBe(true);
    await pass(LASTS_MS);
    expect(releasing.ms).toBe(LASTS_MS);
    const lost = await hold(store);
    world.suspendedMs = LASTS_MS;
    expect(lost.deadline()).toBe(0);
    const since = nowMs();
    const late = outcomeOf(lost.release());
    expect(world.timers.at(-1)?.hasRef()).toBe(false);
    await pass(5000);
    // Not longer than a second, and without an error.
    expect(late).toEqual({ ms: since + 1000 });
    expect(store.at.release).toHaveLength(2);
  });

  test("tells of an event that ends the process by `await using`", async () => {
    const store = scriptedStore();
    {
      await using lease = await hold(store);
      expect(lease.deadline()).toBe(LASTS_MS);
    }
    expect(store.released).toEqual([1n]);
  });
});

describe("an acquisition", () => {
  test("asks in steps that double, up to half a second where nothing tells of a release", async () => {
    for (const [random, steps] of [
      [1, [20, 40, 80, 160, 320, 500, 500]],
      [0, [10, 20, 40, 80, 160, 250, 250]],
    ] as const) {
      vi.spyOn(Math, "random").mockReturnValue(random);
      const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
      const acquiring = outcomeOf(hold({ ...store, watch: () => null }, { timeoutMs: 2500 }));
      const since = nowMs();
      await pass(3000);
      const at = store.at.acquire.map((ms) => ms - since);
      expect(at.slice(1, 8).map((ms, index) => ms - (at[index] ?? 0))).toEqual(steps);
      expect(acquiring.ms).toBe(since + 2500);
      expect(acquiring.error).toMatchObject({
        code: "LEASE_TIMEOUT",
        holder: "another",
        epoch: 7n,
        timeoutMs: 2500,
      });
    }
  });

  test("asks every two seconds where something tells of a release", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    const acquiring = outcomeOf(hold(store, { timeoutMs: 9000 }));
    await pass(10_000);
    const steps = store.at.acquire.slice(1).map((ms, index) => ms - (store.at.acquire[index] ?? 0));
    expect(steps.slice(0, 9)).toEqual([20, 40, 80, 160, 320, 640, 1280, 2000, 2000]);
    expect(store.watches).toBe(1);
    // Closed when the acquisition has ended.
    expect(store.tell).toBeUndefined();
    expect(acquiring.ms).toBe(9000);
  });

  test("asks more often while the store fails, though it is watched", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({
      acquire: (_, count) => (count === 1 ? Promise.resolve(held(1)) : unreachable("acquire")()),
    });
    const acquiring = outcomeOf(hold(store, { timeoutMs: 4000 }));
    await pass(5000);
    const steps = store.at.acquire.slice(1).map((ms, index) => ms - (store.at.acquire[index] ?? 0));
    expect(Math.max(...steps)).toBe(500);
    // What was left of the hold says nothing any more.
    expect(steps[1]).toBe(40);
    expect(acquiring.error).toMatchObject({ code: "LEASE_STORE", operation: "acquire" });
  });

  test("asks when the hold in the way runs out, and not in between", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({
      acquire: (_, count) => Promise.resolve(count < 3 ? held(10.2) : acquired(8n)),
    });
    const acquiring = hold(store);
    await pass(50);
    expect((await acquiring).epoch).toBe(8n);
    expect(store.at.acquire).toEqual([0, 16, 32]);
    await (await acquiring).release();
  });

  test("asks no sooner than a millisecond after a hold that has run out", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    const store = scriptedStore({
      acquire: (_, count) => Promise.resolve(count < 3 ? held(-5) : acquired()),
    });
    const acquiring = hold(store);
    await pass(10);
    await (await acquiring).release();
    expect(store.at.acquire).toEqual([0, 1, 2]);
  });

  test("asks at once when it is told of a release, also between its attempts", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    const acquiring = hold(store, { timeoutMs: Infinity });
    await pass(1000);
    const before = store.at.acquire.length;
    store.tell?.();
    await pass(0);
    expect(store.at.acquire).toHaveLength(before + 1);
    // While it is being asked: what it answers then may be of before.
    store.script.acquire = async (_, count) => {
      if (count === before + 2) store.tell?.();
      return await Promise.resolve(count < before + 3 ? held() : acquired());
    };
    store.tell?.();
    await pass(0);
    expect(store.at.acquire).toHaveLength(before + 3);
    await (await acquiring).release();
  });

  test("goes on without a watch that the store refuses to begin, and asks for it once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    let asked = 0;
    const watch = (): never => {
      asked++;
      throw new Error("no watch");
    };
    const acquiring = outcomeOf(hold({ ...store, watch }, { timeoutMs: 1500 }));
    await pass(2000);
    expect(asked).toBe(1);
    expect(acquiring.error).toMatchObject({ code: "LEASE_TIMEOUT" });
  });

  test("of a free key costs no watch, and is of one nonce", async () => {
    const store = scriptedStore({
      acquire: (_, count) => (count < 3 ? unreachable("acquire")() : Promise.resolve(acquired())),
    });
    const acquiring = hold(store);
    await pass(200);
    await (await acquiring).release();
    expect(store.watches).toBe(0);
    const [first] = store.requests;
    expect(store.requests).toHaveLength(3);
    for (const request of store.requests) {
      expect(request).toMatchObject({ key, nonce: first?.nonce, ttlMs: 9000 });
    }
  });

  test.each([
    [{ timeoutMs: 0 }, 1000],
    [{ timeoutMs: 600 }, 1000],
    [{ timeoutMs: 4000 }, 4000],
    [{ timeoutMs: Infinity }, LASTS_MS],
    [{ timeoutMs: 0, ttlMs: 500, marginMs: 100 }, 400],
  ] as const)(
    "waits for an answer within its budget and for a second, and as long as the answer is good for: %o",
    async (options, limitMs) => {
      const aborted: number[] = [];
      const store = scriptedStore({
        acquire: ({ signal }) => {
          signal.addEventListener("abort", () => aborted.push(nowMs()));
          return never();
        },
      });
      const controller = new AbortController();
      const acquiring = outcomeOf(hold(store, { ...options, signal: controller.signal }));
      await pass(limitMs - 1);
      expect(aborted).toEqual([]);
      await pass(1);
      expect(aborted).toEqual([limitMs]);
      controller.abort("enough");
      await pass(20_000);
      expect(acquiring.ms).toBe(limitMs);
    },
  );

  test("tells of its waiting once a second", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const told: WaitingForLease[] = [];
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    const onWait = (waited: WaitingForLease): void => void told.push(waited);
    void outcomeOf(hold({ ...store, watch: () => null }, { timeoutMs: 3900, onWait }));
    await pass(5000);
    // At the attempts of 20, 60, 140, 300, 620, and every half second from then on.
    expect(told.map(({ waitedMs }) => waitedMs)).toEqual([1120, 2120, 3120]);
    expect(told[0]).toMatchObject({ holder: "another", epoch: 7n, error: null });
  });

  test("tells of its waiting when a second has passed to the millisecond", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const told: number[] = [];
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    const onWait = ({ waitedMs }: WaitingForLease): void => void told.push(waitedMs);
    void outcomeOf(hold(store, { timeoutMs: 3000, onWait }));
    // Woken by the store.
    for (const ms of [999, 1]) {
      await pass(ms);
      store.tell?.();
      await pass(0);
    }
    expect(told).toEqual([1000]);
    await pass(5000);
  });

  test("is aborted while it waits, and while it asks", async () => {
    for (const acquire of [() => Promise.resolve(held()), never]) {
      const controller = new AbortController();
      const store = scriptedStore({ acquire });
      const acquiring = outcomeOf(hold(store, { signal: controller.signal, timeoutMs: Infinity }));
      await pass(500);
      const since = nowMs();
      controller.abort("enough");
      await pass(0);
      expect(acquiring).toEqual({ ms: since, error: "enough" });
      const asked = store.at.acquire.length;
      await pass(20_000);
      expect(store.at.acquire).toHaveLength(asked);
      expect(store.tell).toBeUndefined();
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  test("is aborted by what is told of its waiting", async () => {
    const controller = new AbortController();
    const store = scriptedStore({ acquire: () => Promise.resolve(held()) });
    const acquiring = outcomeOf(
      hold(store, { signal: controller.signal, onWait: () => controller.abort("enough") }),
    );
    await pass(5000);
    expect(acquiring.error).toBe("enough");
    expect(acquiring.ms).toBeLessThan(3500);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("asks again when the answer is looked at too late to be good for anything", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    let answered = 0;
    const store = scriptedStore({
      acquire: (_, count) => {
        // The loop stands still until the first hold has just run out.
        if (count === 1) world.suspendedMs = LASTS_MS;
        answered++;
        return Promise.resolve(acquired(BigInt(count)));
      },
    });
    const acquiring = hold(store);
    await pass(100);
    const lease = await acquiring;
    expect(answered).toBe(2);
    expect(lease.epoch).toBe(2n);
    expect(lease.deadline()).toBeGreaterThan(0);
    // The first grant has another epoch: it was given back.
    expect(store.released).toEqual([1n]);
    await lease.release();
  });

  test("takes an answer that is good for a millisecond more", async () => {
    const store = scriptedStore({
      acquire: () => {
        world.suspendedMs = LASTS_MS - 1;
        return Promise.resolve(acquired());
      },
    });
    const lease = await hold(store);
    expect(store.at.acquire).toHaveLength(1);
    await lease.release();
  });

  test("says why when every answer comes too late", async () => {
    const store = scriptedStore({
      acquire: (_, count) => {
        world.suspendedMs = count * LASTS_MS;
        return Promise.resolve(acquired(BigInt(count)));
      },
    });
    const acquiring = outcomeOf(hold(store, { timeoutMs: 5000 }));
    await pass(100);
    expect(acquiring.error).toMatchObject({
      code: "LEASE_STORE",
      operation: "acquire",
      retryable: true,
      key,
      cause: { message: "the answer was looked at when the lease had run out" },
    });
    expect(store.released).toEqual([1n]);
  });

  test("gives back a grant that comes when it has ended, within five seconds or not at all", async () => {
    const signals: AbortSignal[] = [];
    const store = scriptedStore({
      acquire: () => after(3000, acquired(4n)),
      release: (signal) => (signals.push(signal), never()),
    });
    const acquiring = outcomeOf(hold(store, { timeoutMs: 0 }));
    await pass(2999);
    expect(acquiring).toMatchObject({ ms: 1000, error: { code: "LEASE_STORE" } });
    expect(store.released).toEqual([]);
    await pass(1);
    expect(store.released).toEqual([4n]);
    // The process need not wait for that.
    expect(world.timers.at(-1)?.hasRef()).toBe(false);
    await pass(4999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await pass(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  test("asks at once when a late grant comes, and does not give back what it has then", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const store = scriptedStore({
      acquire: (_, count) => {
        if (count === 1) return after(7900, acquired(4n));
        return Promise.resolve(nowMs() < 7900 ? held() : acquired(4n));
      },
    });
    const acquiring = hold(store, { timeoutMs: Infinity });
    await pass(7900);
    expect(store.at.acquire.at(-1)).toBe(7900);
    const lease = await acquiring;
    await pass(100);
    expect(store.released).toEqual([]);
    await lease.release();
  });

  test("a late answer that another holds it changes nothing", async () => {
    const store = scriptedStore({ acquire: () => after(3000, held()) });
    const acquiring = outcomeOf(hold(store, { timeoutMs: 0 }));
    await pass(10_000);
    expect(acquiring.ms).toBe(1000);
    expect(store.released).toEqual([]);
    expect(store.at.acquire).toHaveLength(1);
  });
});
