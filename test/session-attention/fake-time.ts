/** A clock and a repeating timer that only move when the test says so. */
import type { StartTimer } from "../../lib/session-attention/monitor-options.js";

export class FakeTime {
  readonly #timers = new Set<{
    readonly callback: () => void;
    readonly everyMs: number;
    atMs: number;
  }>();
  #nowMs: number;

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  readonly clock = (): number => this.#nowMs;

  readonly startTimer: StartTimer = (callback, everyMs) => {
    const timer = { callback, everyMs, atMs: this.#nowMs + everyMs };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass; timers fire when they are due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.atMs += next.everyMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** The process stands still: time passes, and each timer fires once, late. */
  standStill(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.#timers) {
      timer.atMs = this.#nowMs + timer.everyMs;
      timer.callback();
    }
  }
}
