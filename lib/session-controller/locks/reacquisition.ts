/** Taking the lock again, from the call of `acquire` until it is held or given back. */
export class Reacquisition {
  readonly done: Promise<void>;
  /** The same without the error. */
  readonly settled: Promise<void>;
  #isCancelled = false;

  /** @param run - Begins in a later microtask. */
  constructor(run: (isCancelled: () => boolean) => Promise<void>) {
    this.done = Promise.resolve().then(() => run(() => this.#isCancelled));
    this.settled = this.done.catch(() => {});
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Nobody wants the lock any more: it goes back as soon as it is there. */
  cancel(): void {
    this.#isCancelled = true;
  }
}
