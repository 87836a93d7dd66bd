/** The limited time in which a run gives its locks up, and the waits that depend on that time. */
import type { Takeover } from "../takeover.js";
import { isDoneBefore, Latch } from "./latch.js";

/** A running timer of one limit. */
export interface LimitTimer {
  readonly stop: () => void;
  /** From now on a caller waits for it: the process must not end before. */
  readonly keepAlive: () => void;
}

/** Calls `fire` once after `ms` milliseconds, unless stopped; keeps no process alive by itself. */
export type StartTimer = (ms: number, fire: () => void) => LimitTimer;

/** One limit, from the call that gives all locks up until they are given up. */
export interface SettleLimit {
  /** Opened when the time is up. */
  readonly expired: Latch;
  readonly stop: () => void;
}

export class SettleLimits {
  readonly #timeoutMs: number;
  readonly #startTimer: StartTimer;
  readonly #takeover: Takeover;
  readonly #running = new Set<LimitTimer>();
  #waitingCallers = 0;

  constructor({
    timeoutMs,
    startTimer,
    takeover,
  }: {
    readonly timeoutMs: number;
    readonly startTimer: StartTimer;
    readonly takeover: Takeover;
  }) {
    this.#timeoutMs = timeoutMs;
    this.#startTimer = startTimer;
    this.#takeover = takeover;
  }

  get isAnyRunning(): boolean {
    return this.#running.size > 0;
  }

  start(): SettleLimit {
    const expired = new Latch();
    const timer = this.#startTimer(this.#timeoutMs, () => expired.open());
    this.#running.add(timer);
    if (this.#waitingCallers > 0) timer.keepAlive();
    return {
      expired,
      stop: () => {
        timer.stop();
        this.#running.delete(timer);
      },
    };
  }

  /** Waits on a caller's behalf: limits on which `work` may depend keep the process alive meanwhile. */
  async waitFor<T>(work: Promise<T>): Promise<T> {
    this.#waitingCallers++;
    for (const timer of this.#running) timer.keepAlive();
    try {
      return await work;
    } finally {
      this.#waitingCallers--;
    }
  }

  /** Waits for `work` until `forced` is opened; then the session counts as taken over. */
  async waitUntil(forced: Latch, work: Promise<unknown>): Promise<void> {
    if (await isDoneBefore(forced, work)) return;
    const limit = String(this.#timeoutMs);
    const cause = new Error(`writes did not settle within the time for it: ${limit}ms`);
    this.#takeover.markAbandoned(cause);
  }
}
