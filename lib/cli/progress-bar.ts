/** A bar on a terminal for work that takes long enough to wonder. */
import type { CliIo, CliStream } from "./io.js";

/** Shorter work is over before a bar could be read. */
const APPEARS_AFTER_MS = 300;
const REDRAWN_EVERY_MS = 100;
const WIDEST_BAR = 30;

/** Draws itself on one line of standard error; without a capable terminal it does nothing. */
export class ProgressBar {
  readonly #stream: CliStream;
  readonly #isVisible: boolean;
  readonly #now: () => number;
  #nextDrawAt: number;
  #isDrawn = false;

  constructor({ stderr, env, now }: Pick<CliIo, "stderr" | "env" | "now">) {
    this.#stream = stderr;
    // A terminal without cursor control would show every state on a line of its own.
    this.#isVisible = stderr.isTTY && env["TERM"] !== "dumb";
    this.#now = now;
    this.#nextDrawAt = now() + APPEARS_AFTER_MS;
  }

  /** Cheap enough to be called for every step. */
  update(done: number, total: number): void {
    if (!this.#isVisible || this.#now() < this.#nextDrawAt) return;
    this.#nextDrawAt = this.#now() + REDRAWN_EVERY_MS;
    const share = total === 0 ? 1 : done / total;
    const figures = ` ${String(Math.floor(share * 100))}% of ${String(total)} locks`;
    // Two brackets, and one cell spare: a full line would wrap on some terminals.
    const room = (this.#stream.columns ?? 80) - figures.length - 3;
    const width = Math.max(0, Math.min(WIDEST_BAR, room));
    const filled = Math.floor(share * width);
    const bar = width === 0 ? "" : `[${"#".repeat(filled)}${"-".repeat(width - filled)}]`;
    this.#stream.write(`\r\u001B[K${bar}${figures}`);
    this.#isDrawn = true;
  }

  /** Gives the line back, as if nothing had been on it. */
  clear(): void {
    if (this.#isDrawn) this.#stream.write("\r\u001B[K");
    this.#isDrawn = false;
  }
}
