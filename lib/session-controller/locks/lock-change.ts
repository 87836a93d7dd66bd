/** Changes of the held lock that take time. One caller begins a change, any number of callers wait for its end. */
import { Latch } from "./latch.js";

class LockChange {
  /** Settles when the change is over, with its error, if any. */
  readonly done: Promise<void>;
  /** The same without the error. */
  readonly settled: Promise<void>;

  /** @param run - Begins in a later microtask. */
  constructor(run: () => Promise<void>) {
    this.done = Promise.resolve().then(run);
    this.settled = this.done.catch(() => {});
  }
}

/** Giving the lock up: no new write may begin under it, running writes end, then the lock is released or handed over. */
export class Drain extends LockChange {
  readonly #forced: Latch;

  constructor(run: (forced: Latch) => Promise<void>) {
    const forced = new Latch();
    super(() => run(forced));
    this.#forced = forced;
  }

  /** Ends the wait for running writes. Without effect once the lock is being released or handed over. */
  force(): void {
    this.#forced.open();
  }
}

/** Taking the lock again, from the call of `acquire` until the lock is held or given back. */
export class Reacquisition extends LockChange {
  readonly #cancellation: AbortController;

  constructor(run: (cancelled: AbortSignal) => Promise<void>) {
    const cancellation = new AbortController();
    super(() => run(cancellation.signal));
    this.#cancellation = cancellation;
  }

  get isCancelled(): boolean {
    return this.#cancellation.signal.aborted;
  }

  /** The lock is not wanted any more: it is released as soon as it is acquired. */
  cancel(): void {
    this.#cancellation.abort();
  }
}
