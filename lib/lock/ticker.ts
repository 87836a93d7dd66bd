/**
 * When the waiters of this thread look at what they wait for, as far as nothing tells them. A wake-up of an idle
 * process costs some hundred microseconds, a look ten: one timer serves all waiters, and looks that are due at about
 * the same time happen at one wake-up.
 */
import { runtimeMs } from "../util/clocks.js";
import { clearTimeout, setTimeout } from "../util/node-modules.js";
import { DEFAULT_SLICE_MS } from "../util/time-slice.js";

const FIRST_TICK_MS = 1;
/** The longest time for which an owner's end, or a change that no watcher told, goes unnoticed. */
const LONGEST_TICK_MS = 50;
/** The same for waiters that have waited long: the owner is in no hurry. */
const PATIENT_TICK_MS = 100;
const PATIENT_AFTER_MS = 10_000;
/** Where the kernel tells changes and the owner's end, in case it does not: looks are fewer from the start then. */
const TOLD_TICK_MS = 100;
const TOLD_GROWTH = 3;

/**
 * How long until the next look, in milliseconds: in proportion to how long nothing has happened, within limits.
 *
 * @param quietMs - Since the wait began, or something was told.
 * @param isTold - The kernel tells the file's changes and its owner's end.
 */
export function tickAfter(quietMs: number, isTold: boolean): number {
  if (isTold) return clamp(quietMs * TOLD_GROWTH, TOLD_TICK_MS);
  return clamp(quietMs, quietMs < PATIENT_AFTER_MS ? LONGEST_TICK_MS : PATIENT_TICK_MS);
}

function clamp(tickMs: number, longestMs: number): number {
  return Math.min(Math.max(tickMs, FIRST_TICK_MS), longestMs);
}

/** What a ticker needs of the runtime. */
export interface TickerClock {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Calls once in so many milliseconds. @returns stops that */
  readonly after: (ms: number, call: () => void) => () => void;
}

const RUNTIME_CLOCK: TickerClock = {
  now: runtimeMs,
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

interface Look {
  readonly soonest: number;
  readonly latest: number;
  readonly call: () => void;
}

/** One timer for many waiters, which keeps the event loop alive while there are any. */
export class Ticker {
  readonly #clock: TickerClock;
  readonly #looks = new Set<Look>();
  #stopTimer: (() => void) | null = null;
  /** On the clock; meaningless without timer. */
  #timerAt = Infinity;

  constructor(clock: TickerClock = RUNTIME_CLOCK) {
    this.#clock = clock;
  }

  /**
   * Calls once, between `soonestMs` and `latestMs` from now: earlier than that when others are called then.
   *
   * @param call - Short, and must not throw.
   * @returns takes that back
   */
  between(soonestMs: number, latestMs: number, call: () => void): () => void {
    const now = this.#clock.now();
    const look = { soonest: now + soonestMs, latest: now + latestMs, call };
    this.#looks.add(look);
    this.#setTimer(now, look.latest);
    return () => {
      this.#looks.delete(look);
      if (this.#looks.size === 0) this.#clearTimer();
    };
  }

  #setTimer(now: number, at: number): void {
    if (at >= this.#timerAt) return;
    this.#clearTimer();
    this.#timerAt = at;
    this.#stopTimer = this.#clock.after(Math.max(at - now, 0), () => this.#wake());
  }

  #clearTimer(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#timerAt = Infinity;
  }

  #wake(): void {
    this.#clearTimer();
    const started = this.#clock.now();
    let now = started;
    // Also those that come meanwhile, none of those that go: a look may end other waits.
    for (const look of this.#looks) {
      if (look.soonest > started) continue;
      // The rest after a turn of the event loop: its timer is due at once.
      if (now - started >= DEFAULT_SLICE_MS) break;
      this.#looks.delete(look);
      look.call();
      now = this.#clock.now();
    }
    let next = Infinity;
    for (const { latest } of this.#looks) next = Math.min(next, latest);
    if (next < Infinity) this.#setTimer(now, next);
  }
}

/** This thread's. */
export const ticker = new Ticker();
