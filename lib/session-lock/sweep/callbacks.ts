/** Calling a host's functions in the middle of work that must be done whatever they do. */

/** Boxed: undefined can be thrown, too. */
export interface Thrown {
  readonly error: unknown;
}

/** Calls functions and remembers the first thing that one of them throws, for when the work is done. */
export class Callbacks {
  #thrown: Thrown | null = null;

  /** null: none has thrown. */
  get thrown(): Thrown | null {
    return this.#thrown;
  }

  call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#thrown ??= { error };
    }
  }
}
