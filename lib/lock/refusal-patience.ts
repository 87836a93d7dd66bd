/** How long a file that cannot be touched just now is believed to be only busy (Windows: a virus scanner, say). */

/** Milliseconds from the first refusal of a run of refusals. */
const PATIENCE_MS = 2000;

/** A run of refusals ends with the first try that is answered otherwise, whatever that answer is. */
export class RefusalPatience {
  #since: number | null = null;

  /**
   * One more refusal.
   *
   * @param nowMs - A monotonic clock.
   * @returns whether it is still worth waiting.
   */
  refused(nowMs: number): boolean {
    this.#since ??= nowMs;
    return nowMs - this.#since <= PATIENCE_MS;
  }

  answered(): void {
    this.#since = null;
  }
}
