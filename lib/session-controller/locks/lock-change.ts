/**
 * The end of holding a lock: nobody may begin to use it any more, those who do finish, then it is given up. One
 * caller owns it, any number wait for it, and whoever is in a hurry forces it.
 */

/** A moment that may never come. */
export class Moment {
  readonly reached: Promise<void>;
  #reach: () => void = () => {};

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve;
    });
  }

  reach(): void {
    this.#reach();
  }
}

/** True when `work` resolved before the moment was reached; rejects when it rejected before. */
export async function isDoneBefore(moment: Moment, work: Promise<unknown>): Promise<boolean> {
  return await Promise.race([work.then(() => true), moment.reached.then(() => false)]);
}

export class Drain {
  /** Settles after the lock was given up, with its owner's error, if any. */
  readonly done: Promise<void>;
  /** The same without the error. */
  readonly settled: Promise<void>;
  readonly #forced = new Moment();

  /** @param run - Begins in a later microtask. */
  constructor(run: (forced: Moment) => Promise<void>) {
    this.done = Promise.resolve().then(() => run(this.#forced));
    this.settled = this.done.catch(() => {});
  }

  /** Waits for no use any more. Without effect once the lock is being given up. */
  force(): void {
    this.#forced.reach();
  }
}
