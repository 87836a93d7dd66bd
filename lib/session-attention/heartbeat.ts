/** The monitor's timer: looks at all sessions at each interval, except right after the process stood still. */
import type { StartTimer } from "./monitor-options.js";

export interface HeartbeatOptions {
  readonly startTimer: StartTimer;
  readonly intervalMs: number;
  /** Milliseconds. */
  readonly clock: () => number;
  /** Looks at all sessions. */
  readonly onBeat: (nowMs: number) => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #stopTimer: (() => void) | null = null;
  #lastBeatAtMs = 0;
  #hasSkippedBeat = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Does nothing when it beats already. */
  start(): void {
    if (this.#stopTimer !== null) return;
    const { startTimer, intervalMs, clock } = this.#options;
    this.#lastBeatAtMs = clock();
    this.#hasSkippedBeat = false;
    this.#stopTimer = startTimer(() => this.#beat(), intervalMs);
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #beat(): void {
    const nowMs = this.#options.clock();
    if (!this.#isFirstAfterStandstill(nowMs)) this.#options.onBeat(nowMs);
  }

  /**
   * A beat that comes more than one interval late says that this process stood still (stopped, suspended, its
   * event loop blocked): events of the sessions from that time are still to be told. The next beat looks.
   */
  #isFirstAfterStandstill(nowMs: number): boolean {
    const isLate = nowMs - this.#lastBeatAtMs >= 2 * this.#options.intervalMs;
    this.#lastBeatAtMs = nowMs;
    this.#hasSkippedBeat = isLate && !this.#hasSkippedBeat;
    return this.#hasSkippedBeat;
  }
}
