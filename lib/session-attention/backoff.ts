/** How often one thing is said, or asked for, again about one session. */

interface Occasion {
  readonly sinceMs: number;
  readonly ageMs: number;
}

/** Remembers when each thing was done last; times are milliseconds. */
export class Backoff {
  readonly #warnMs: number;
  readonly #last = new Map<string, Occasion>();

  constructor(warnMs: number) {
    this.#warnMs = warnMs;
  }

  /**
   * True when `what` is due about something that goes on since `sinceMs` and is `ageMs` old: the first time, then
   * at max(last + warnMs, 2 × last). What begins later is another matter.
   */
  isDue(what: string, sinceMs: number, ageMs: number): boolean {
    const last = this.#last.get(what);
    return (
      last?.sinceMs !== sinceMs || ageMs >= Math.max(last.ageMs + this.#warnMs, 2 * last.ageMs)
    );
  }

  /** It was done. */
  note(what: string, sinceMs: number, ageMs: number): void {
    this.#last.set(what, { sinceMs, ageMs });
  }
}
