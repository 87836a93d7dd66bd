/** A progress bar on a terminal, for work of more than 300 ms. */
import { formatDuration } from "./duration.js";
import { canMoveCursor, type CliIo, type CliStream } from "./io.js";

/** Shorter work is over before a bar could be read. */
const APPEARS_AFTER_MS = 300;
const REDRAWN_EVERY_MS = 100;
const WIDEST_BAR = 30;
/** A forecast from the first moments, or the first few locks, would be a guess. */
const FORECAST_AFTER_MS = 1000;
const FORECAST_AFTER_SHARE = 0.01;

/**
 * Draws itself on one line of standard error; without a capable terminal it does nothing. May be used for one
 * task after the other: when fewer steps are done than before, the next task has begun.
 */
export class ProgressBar {
  readonly #stream: CliStream;
  readonly #isVisible: boolean;
  readonly #now: () => number;
  #nextDrawAt: number;
  /** Where the forecast reckons from: the first update of this task. */
  #start: { readonly at: number; readonly done: number } | null = null;
  #lastDone = 0;
  #isDrawn = false;

  constructor({ stderr, env, now }: Pick<CliIo, "stderr" | "env" | "now">) {
    this.#stream = stderr;
    // A terminal without cursor control would show every state on a line of its own.
    this.#isVisible = canMoveCursor(stderr.isTTY, env);
    this.#now = now;
    this.#nextDrawAt = now() + APPEARS_AFTER_MS;
  }

  /** Cheap enough to be called for every step. */
  update(done: number, total: number): void {
    if (!this.#isVisible) return;
    const now = this.#now();
    if (this.#start === null || done < this.#lastDone) this.#start = { at: now, done };
    this.#lastDone = done;
    if (now < this.#nextDrawAt) return;
    this.#nextDrawAt = now + REDRAWN_EVERY_MS;
    const share = total === 0 ? 1 : done / total;
    const figures = ` ${String(Math.floor(share * 100))}% of ${String(total)} locks`;
    const forecast = forecastOf(now - this.#start.at, done - this.#start.done, total - done);
    // Two brackets, and one cell spare: a full line would wrap on some terminals.
    const room = (this.#stream.columns ?? 80) - figures.length - forecast.length - 3;
    const width = Math.max(0, Math.min(WIDEST_BAR, room));
    const filled = Math.floor(share * width);
    const bar = width === 0 ? "" : `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
    this.#stream.write(`\r\u001B[K${bar}${figures}${room < 0 ? "" : forecast}`);
    this.#isDrawn = true;
  }

  /** Gives the line back, as if nothing had been on it. */
  clear(): void {
    if (this.#isDrawn) this.#stream.write("\r\u001B[K");
    this.#isDrawn = false;
  }
}

/** What is left takes as long for each lock as what was done. */
function forecastOf(elapsedMs: number, done: number, left: number): string {
  if (elapsedMs < FORECAST_AFTER_MS || left === 0 || done < left * FORECAST_AFTER_SHARE) return "";
  const leftMs = (elapsedMs * left) / done;
  // Rounded up: the last second is not "0s".
  return `, ${formatDuration(Math.ceil(leftMs / 1000) * 1000)} left`;
}
