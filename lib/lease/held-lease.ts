/** A lease that is held: renewed, watched by its own deadline, given back. */
import { continuousMs } from "../process/machine-clock.js";
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import { optional } from "../util/check-values.js";
import { clearTimeout, setTimeout } from "../util/node-modules.js";
import { askStore } from "./ask-store.js";
import {
  deadlineAfter,
  deadlineExtendedBy,
  leftUntil,
  type LeaseTerms,
  renewalIntervalMs,
  renewalRetryMs,
} from "./deadline.js";
import { LeaseLostError, type LeaseLossReason, LeaseStoreError } from "./errors.js";
import { checkMs } from "./options.js";
import type { LeaseGrant, LeaseStore } from "./store.js";
import { type LeaseTraceOutcome, type LeaseTraceResult, traceAsked, traceLost } from "./trace.js";

/** Why renewals are aborted; nothing shows it. Without a reason Node makes an error with a stack, which costs more than the rest. */
const ENDED = "the hold has ended";

export interface AssertHeldOptions {
  /** How long the lease must at least still last, milliseconds: what the write to come may take. Default 0. */
  readonly marginMs?: number | undefined;
}

/** A lease of this process. Its functions may be handed around on their own. */
export interface Lease {
  readonly key: string;
  /** The fencing token: grows with every change of holder within the store. */
  readonly epoch: bigint;
  readonly holder: string;
  /** Random id of the store: epochs of different stores never compare. */
  readonly storeId: string;
  /**
   * How long the holder may still believe in its lease if no renewal succeeds, milliseconds; 0 when it is lost or
   * released. By a clock that goes on while the machine is suspended or the process is stopped.
   */
  readonly deadline: () => number;
  /** @throws LeaseLostError when it is lost or released, or lasts less than `marginMs` longer */
  readonly assertHeld: (options?: AssertHeldOptions) => void;
  /**
   * Aborts with a LeaseLostError when the lease is lost: at the own deadline at the latest, before the engine can let
   * another in. A blocked event loop hears of it when it goes on: call `assertHeld` before a write.
   */
  readonly lost: AbortSignal;
  /**
   * Gives the lease back, once; waiters are told. A store that does not answer is asked again until the deadline; then the
   * lease runs out by itself within its ttl.
   *
   * @throws LeaseStoreError (rejection); the lease is not held any more then, either
   */
  readonly release: () => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Timers stand still while the machine is suspended: the deadline is looked at so often after it has woken up. */
const LONGEST_STEP_MS = 1000;
/** What remains is less than a timer can count. */
const REACHED_MS = 1;
/** For giving back what is already lost: the engine lets it run out anyhow. */
const LATE_RELEASE_MS = 1000;

const ASSERT_CHECKS: OptionChecks<AssertHeldOptions> = { marginMs: optional(checkMs) };

interface Hold {
  readonly store: LeaseStore;
  readonly grant: LeaseGrant;
  readonly terms: LeaseTerms;
  /** When the request was sent that the store granted, by {@link continuousMs}. */
  readonly sentMs: number;
}

export class HeldLease implements Lease {
  readonly key: string;
  readonly epoch: bigint;
  readonly holder: string;
  readonly storeId: string;
  readonly lost: AbortSignal;
  readonly #store: LeaseStore;
  readonly #grant: LeaseGrant;
  readonly #terms: LeaseTerms;
  readonly #lost = new AbortController();
  /** Aborts renewals: their answers change nothing any more. */
  readonly #ended = new AbortController();
  /** When the request was sent that got it. */
  readonly #sinceMs: number;
  #deadlineMs: number;
  #loss: LeaseLostError | null = null;
  #released: Promise<void> | null = null;
  /** Why renewing last failed; null when it did not. */
  #lastError: unknown = null;
  #renewalTimer: NodeJS.Timeout | undefined;
  #deadlineTimer: NodeJS.Timeout | undefined;

  constructor({ store, grant, terms, sentMs }: Hold) {
    this.key = grant.key;
    this.epoch = grant.epoch;
    this.holder = grant.holder;
    this.storeId = grant.storeId;
    this.lost = this.#lost.signal;
    this.#store = store;
    this.#grant = grant;
    this.#terms = terms;
    this.#sinceMs = sentMs;
    this.#deadlineMs = deadlineAfter(sentMs, terms);
    this.#watchDeadline();
    this.#renewIn(renewalIntervalMs(terms) - (continuousMs() - sentMs));
  }

  readonly deadline = (): number => (this.#isHeld() ? this.#wholeMsLeft() : 0);

  readonly assertHeld = (options?: AssertHeldOptions): void => {
    checkOptions(options, ASSERT_CHECKS);
    if (!this.#isHeld()) throw this.#loss ?? this.#lossBy("released");
    if (this.deadline() < (options?.marginMs ?? 0)) {
      throw this.#loss ?? this.#lossBy("margin");
    }
  };

  readonly release = (): Promise<void> => (this.#released ??= this.#end());

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Looks at the clock first: timers are late where the loop was blocked or the process was stopped. */
  #isHeld(): boolean {
    if (this.#loss !== null || this.#released !== null) return false;
    if (this.#wholeMsLeft() > 0) return true;
    this.#lose("deadline");
    return false;
  }

  /** Rather a millisecond early than one late. */
  #wholeMsLeft(): number {
    return Math.floor(leftUntil(this.#deadlineMs, continuousMs()));
  }

  #watchDeadline(): void {
    if (!this.#isHeld()) return;
    const left = leftUntil(this.#deadlineMs, continuousMs());
    if (left <= REACHED_MS) return this.#lose("deadline");
    const step = Math.min(Math.floor(left), LONGEST_STEP_MS);
    this.#deadlineTimer = setTimeout(() => this.#watchDeadline(), step);
    this.#deadlineTimer.unref();
  }

  #renewIn(ms: number): void {
    clearTimeout(this.#renewalTimer);
    this.#renewalTimer = setTimeout(() => void this.#renew(), Math.max(0, ms));
    this.#renewalTimer.unref();
  }

  async #renew(): Promise<void> {
    if (!this.#isHeld()) return;
    const sentMs = continuousMs();
    // Whether this one is answered or not: an engine that has not answered may answer the next.
    this.#renewIn(renewalIntervalMs(this.#terms));
    try {
      await traceAsked(
        "renew",
        this.#facts,
        () => this.#renewFrom(sentMs),
        (outcome) => this.#resultOf(outcome, sentMs),
      );
    } catch (error) {
      if (!this.#isHeld()) return;
      this.#lastError = error;
      this.#renewIn(renewalRetryMs(this.#terms));
    }
  }

  /** @throws (rejection) why it was not renewed, while it is still held */
  async #renewFrom(sentMs: number): Promise<"renewed" | "taken" | "ended"> {
    let isRenewed: boolean;
    try {
      isRenewed = await this.#askToRenew();
    } catch (error) {
      if (!this.#isHeld()) return "ended";
      throw error;
    }
    if (!this.#isHeld()) return "ended";
    if (!isRenewed) {
      this.#lose("taken");
      return "taken";
    }
    this.#lastError = null;
    const renewal = { sentMs, answeredMs: continuousMs() };
    this.#deadlineMs = deadlineExtendedBy(this.#deadlineMs, renewal, this.#terms);
    return "renewed";
  }

  #askToRenew(): Promise<boolean> {
    const { ttlMs, marginMs } = this.#terms;
    return askStore({
      store: this.#store,
      operation: "renew",
      key: this.key,
      // Afterwards an answer would be worth nothing.
      limitMs: ttlMs - marginMs,
      signal: this.#ended.signal,
      keepsAlive: false,
      call: (signal) => this.#store.renew(this.#grant, ttlMs, signal),
    });
  }

  #lossBy(reason: LeaseLossReason): LeaseLostError {
    const { key, epoch } = this;
    const cause = this.#lastError ?? undefined;
    return new LeaseLostError({ key, epoch, reason, cause });
  }

  #lose(reason: "deadline" | "taken"): void {
    this.#loss = this.#lossBy(reason);
    this.#stop();
    traceLost(
      this.#facts,
      () => this.#lost.abort(this.#loss),
      () => this.#resultOf(reason, this.#sinceMs),
    );
  }

  readonly #facts = () =>
    ({
      store: this.#store,
      key: this.key,
      holder: this.holder,
      terms: this.#terms,
      grant: this.#grant,
    }) as const;

  #resultOf(outcome: LeaseTraceOutcome, startedMs: number): LeaseTraceResult {
    return { outcome, leftMs: this.deadline(), tookMs: Math.round(continuousMs() - startedMs) };
  }

  #stop(): void {
    clearTimeout(this.#renewalTimer);
    clearTimeout(this.#deadlineTimer);
    this.#ended.abort(ENDED);
  }

  #end(): Promise<void> {
    const startedMs = continuousMs();
    // Looked at before it counts as released.
    const wasHeld = this.#isHeld();
    this.#stop();
    return traceAsked(
      "release",
      this.#facts,
      () => (wasHeld ? this.#giveBack() : this.#giveBackLate()),
      () => this.#resultOf(wasHeld ? "released" : "lost", startedMs),
    );
  }

  async #giveBack(): Promise<void> {
    for (;;) {
      try {
        const left = leftUntil(this.#deadlineMs, continuousMs());
        return await this.#askToRelease(Math.max(LATE_RELEASE_MS, left), true);
      } catch (error) {
        const pauseMs = renewalRetryMs(this.#terms);
        const hasTime = leftUntil(this.#deadlineMs, continuousMs()) > pauseMs;
        if (!(error instanceof LeaseStoreError) || !error.retryable || !hasTime) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** It is lost: others need not wait for the rest of the engine's ttl, if the engine is to be had at all. */
  async #giveBackLate(): Promise<void> {
    if (this.#loss?.reason === "taken") return;
    try {
      await this.#askToRelease(LATE_RELEASE_MS, false);
    } catch {
      // It runs out.
    }
  }

  #askToRelease(limitMs: number, keepsAlive: boolean): Promise<void> {
    return askStore({
      store: this.#store,
      operation: "release",
      key: this.key,
      limitMs,
      keepsAlive,
      call: (signal) => this.#store.release(this.#grant, signal),
    });
  }
}
