/** How often one thing is said again about one session. */

interface Warning {
  readonly sinceMs: number;
  readonly ageMs: number;
}

/** Remembers the warnings that were given; times are milliseconds. */
export class WarningBackoff {
  readonly #warnMs: number;
  readonly #last = new Map<string, Warning>();

  constructor(warnMs: number) {
    this.#warnMs = warnMs;
  }

  /**
   * True when the warning `about` what goes on since `sinceMs` is due at the age `ageMs`, and takes it as given: the
   * first time, then at max(last + warnMs, 2 × last). What begins later is another matter.
   */
  isDue(about: string, sinceMs: number, ageMs: number): boolean {
    const last = this.#last.get(about);
    if (last?.sinceMs === sinceMs && ageMs < Math.max(last.ageMs + this.#warnMs, 2 * last.ageMs)) {
      return false;
    }
    this.#last.set(about, { sinceMs, ageMs });
    return true;
  }
}
