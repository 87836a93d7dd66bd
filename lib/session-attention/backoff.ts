/** How often the same warning, or the same request, is repeated about one session. */

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
   * True when `what` is due about a condition that began at `sinceMs` and is `ageMs` old: the first time, then
   * at max(last + warnMs, 2 × last). A condition that began later starts anew.
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
