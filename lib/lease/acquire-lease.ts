/** Acquiring a lease: attempts, waiting between them, and what a lost answer may have left. */
import { continuousMs } from "../process/machine-clock.js";
import { clearTimeout, crypto, setTimeout } from "../util/node-modules.js";
import { abortReason, onAbort, throwIfAborted } from "../util/on-abort.js";
import { askStore } from "./ask-store.js";
import { checkAttempt } from "./check-store.js";
import { deadlineAfter } from "./deadline.js";
import { LeaseStoreError, LeaseTimeoutError } from "./errors.js";
import { HeldLease, type Lease } from "./held-lease.js";
import { type AcquireLeaseOptions, type LeasePlan, resolveLeaseOptions } from "./options.js";
import type { LeaseAttempt, LeaseGrant } from "./store.js";
import { traceAcquire, traceAsked } from "./trace.js";

/**
 * Acquires the lease of a key: one holder at a time, on all machines that use the same store.
 *
 * A store that cannot be reached is asked again within the budget. An attempt is given a second even where the budget is
 * shorter, so that `timeoutMs: 0` can be answered.
 *
 * @throws LeaseTimeoutError (rejection) when another holds it until the budget is used up; LeaseStoreError when the store
 *   refuses, or is not to be reached until then; the signal's reason when aborted; TypeError or RangeError for bad options
 */
export async function acquireLease(options: AcquireLeaseOptions): Promise<Lease> {
  const plan = resolveLeaseOptions(options);
  throwIfAborted(plan.signal);
  const startedMs = continuousMs();
  return await traceAcquire(
    plan,
    () => new Acquisition(plan).run(),
    (lease) => ({
      outcome: "acquired",
      leftMs: lease.deadline(),
      tookMs: Math.round(continuousMs() - startedMs),
    }),
  );
}

const ON_WAIT_INTERVAL_MS = 1000;
/** What an answer may take although the budget is used up. */
const SHORTEST_LIMIT_MS = 1000;
const FIRST_DELAY_MS = 20;
/** Where nothing tells of a release. */
const LONGEST_DELAY_MS = 500;
/** Where something does: a message can be lost with its connection. */
const LONGEST_WATCHED_DELAY_MS = 2000;
/** For giving back a grant that came too late. */
const LATE_RELEASE_MS = 5000;

type Held = Extract<LeaseAttempt, { readonly kind: "held" }>;

class Acquisition {
  readonly #plan: LeasePlan;
  readonly #nonce = crypto().randomUUID();
  readonly #startedMs = continuousMs();
  #toldMs = this.#startedMs;
  #delayMs = FIRST_DELAY_MS;
  /** The last answer, when it was that another holds the key. */
  #held: Held | null = null;
  /** What the last attempt failed with; null when it was answered. */
  #error: LeaseStoreError | null = null;
  /** Answers to attempts that were given up. */
  readonly #late: LeaseGrant[] = [];
  /** undefined: it has not ended. null: without a lease. */
  #used: LeaseGrant | null | undefined;
  #watch: { close(): void } | null | undefined;
  #wake: () => void = () => {};
  /** Something happened since the last attempt was sent. */
  #isWoken = false;

  constructor(plan: LeasePlan) {
    this.#plan = plan;
  }

  async run(): Promise<Lease> {
    const { store, terms, signal } = this.#plan;
    try {
      for (;;) {
        throwIfAborted(signal);
        this.#isWoken = false;
        const sentMs = continuousMs();
        const grant = await this.#attempt();
        if (grant !== null && continuousMs() < deadlineAfter(sentMs, terms)) {
          this.#used = grant;
          return new HeldLease({ store, grant, terms, sentMs });
        }
        if (grant !== null) this.#keepForLater(grant);
        await this.#pause();
      }
    } finally {
      this.#end();
    }
  }

  /** null: not now; {@link #held} and {@link #error} say why. */
  async #attempt(): Promise<LeaseGrant | null> {
    const { store, key, holder, terms, signal } = this.#plan;
    const { ttlMs, marginMs } = terms;
    try {
      const attempt = await askStore<LeaseAttempt>({
        store,
        operation: "acquire",
        key,
        limitMs: Math.min(ttlMs - marginMs, Math.max(this.#leftMs(), SHORTEST_LIMIT_MS)),
        signal,
        onLate: (late) => this.#tellLate(late),
        keepsAlive: true,
        call: async (request) => {
          const nonce = this.#nonce;
          return checkAttempt(
            await store.tryAcquire({ key, holder, nonce, ttlMs, signal: request }),
          );
        },
      });
      this.#error = null;
      if (attempt.kind === "acquired") return attempt.grant;
      this.#held = attempt;
      return null;
    } catch (error) {
      if (!(error instanceof LeaseStoreError) || !error.retryable) throw error;
      this.#error = error;
      return null;
    }
  }

  #leftMs(): number {
    return this.#plan.timeoutMs - (continuousMs() - this.#startedMs);
  }

  /** Until another attempt is worth it. @throws when the budget is used up, or aborted */
  async #pause(): Promise<void> {
    const left = this.#leftMs();
    if (left <= 0) throw this.#whyNot();
    this.#tellWaiting();
    this.#beginWatch();
    if (this.#isWoken) return;
    await this.#sleep(Math.min(left, this.#nextDelayMs()));
  }

  #whyNot(): Error {
    const { key, timeoutMs } = this.#plan;
    if (this.#error !== null) return this.#error;
    const { holder, epoch } = this.#held ?? { holder: null, epoch: 0n };
    return new LeaseTimeoutError({ key, timeoutMs, holder, epoch });
  }

  #tellWaiting(): void {
    const now = continuousMs();
    if (now - this.#toldMs < ON_WAIT_INTERVAL_MS) return;
    this.#toldMs = now;
    this.#plan.onWait?.({
      holder: this.#held?.holder ?? null,
      epoch: this.#held?.epoch ?? null,
      waitedMs: Math.round(now - this.#startedMs),
      error: this.#error,
    });
  }

  /** With the first holder that is in the way: a key that is free costs no watch. */
  #beginWatch(): void {
    if (this.#watch !== undefined || this.#held === null) return;
    const { store, key } = this.#plan;
    try {
      this.#watch = store.watch(key, () => {
        this.#isWoken = true;
        this.#wake();
      });
    } catch {
      // As if it could not: it is asked again and again.
      this.#watch = null;
    }
  }

  #nextDelayMs(): number {
    const isWatched = this.#watch != null && this.#error === null;
    const longest = isWatched ? LONGEST_WATCHED_DELAY_MS : LONGEST_DELAY_MS;
    const delayMs = Math.min(this.#delayMs, longest);
    this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_WATCHED_DELAY_MS);
    // Jitter: many waiters must not wake in step.
    const jittered = delayMs * (0.5 + Math.random() / 2);
    const leftMs = this.#error === null ? (this.#held?.leftMs ?? Infinity) : Infinity;
    // When the hold runs out, and not before that in a row of steps.
    return Math.min(jittered, Math.max(1, Math.ceil(leftMs)) + Math.random() * 5);
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#plan;
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        stopListening();
        this.#wake = () => {};
      };
      const end = (): void => {
        stop();
        resolve();
      };
      const timer = setTimeout(end, ms);
      const stopListening = onAbort(signal, () => {
        stop();
        reject(abortReason(signal));
      });
      this.#wake = end;
      if (signal?.aborted === true) {
        stop();
        reject(abortReason(signal));
      }
    });
  }

  /** The loop was blocked for longer than the lease is good for. The next attempt is known again by the nonce. */
  #keepForLater(grant: LeaseGrant): void {
    const { store, key } = this.#plan;
    this.#late.push(grant);
    const cause = new Error("the answer was looked at when the lease had run out");
    const facts = { store: store.name, operation: "acquire", key, retryable: true, cause } as const;
    this.#error = new LeaseStoreError(facts);
  }

  /** A grant that comes after its attempt was given up. */
  #tellLate(attempt: LeaseAttempt): void {
    if (attempt.kind !== "acquired") return;
    if (this.#used !== undefined) return this.#giveBack(attempt.grant);
    this.#late.push(attempt.grant);
    this.#isWoken = true;
    this.#wake();
  }

  #end(): void {
    this.#used ??= null;
    this.#watch?.close();
    for (const grant of this.#late) this.#giveBack(grant);
  }

  /** A grant without use would keep others waiting for a ttl. */
  #giveBack(grant: LeaseGrant): void {
    const { store, key } = this.#plan;
    if (grant.epoch === this.#used?.epoch) return;
    const call = (signal: AbortSignal): Promise<void> => store.release(grant, signal);
    const question = { store, operation: "release", key, call } as const;
    const startedMs = continuousMs();
    traceAsked(
      "release",
      () => ({ ...this.#plan, grant }),
      () => askStore({ ...question, limitMs: LATE_RELEASE_MS, keepsAlive: false }),
      () => ({ outcome: "unused", leftMs: 0, tookMs: Math.round(continuousMs() - startedMs) }),
      // It runs out where that fails.
    ).catch(() => {});
  }
}
