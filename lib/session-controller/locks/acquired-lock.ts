/** One acquired lock of any implementation: released once, with the best fence that it offers. */
import { checkFunction, checkObject } from "../../util/check-values.js";
import type { Synchronous } from "../../util/synchronous.js";

/** What a controller needs of a lock; everything but `release` is used when it is there. */
export interface ControlledLock {
  readonly release: () => void | Promise<void>;
  /** Aborts when the lock is no longer its holder's. */
  readonly lost?: AbortSignal | undefined;
  /** Throws when the lock is no longer its holder's. */
  readonly assertHeld?: (() => void) | undefined;
  /** Runs a synchronous write only while the lock is its holder's, or throws. */
  readonly withFence?: (<T>(write: Synchronous<T>) => T) | undefined;
}

/** The lock as a cleanup gets it. */
export interface SessionCleanupLock extends AsyncDisposable {
  /** Releases it once, however often it is called. Does nothing after a takeover, when there is no lock. */
  readonly release: () => Promise<void>;
}

export class AcquiredLock {
  readonly #lock: ControlledLock;
  readonly #onLost: (reason: unknown) => void;
  readonly #onReleased: () => void;
  #release: Promise<void> | null = null;

  /**
   * @param onLost - Called with the reason when the lock is lost while it is the run's.
   * @param onReleased - Called once after the release, whether or not that failed.
   * @throws TypeError when `lock` has no release function
   */
  constructor(
    lock: ControlledLock,
    {
      onLost,
      onReleased,
    }: { readonly onLost: (reason: unknown) => void; readonly onReleased: () => void },
  ) {
    checkObject("the lock that acquire gives", lock);
    checkFunction("lock.release", lock.release);
    this.#lock = lock;
    this.#onLost = onLost;
    this.#onReleased = onReleased;
    lock.lost?.addEventListener("abort", this.#tell, { once: true });
    if (lock.lost?.aborted === true) this.#tell();
  }

  /** However often it is called, the lock is released once. */
  release(): Promise<void> {
    return (this.#release ??= this.#releaseOnce());
  }

  assertHeld(): void {
    this.#lock.assertHeld?.();
  }

  /** Runs `write` in the lock's fence; where there is none, after a look whether the lock is still held. */
  withFence<T>(write: () => T): T {
    if (typeof this.#lock.withFence === "function") {
      // Whether it gives a promise is looked at when it has.
      return this.#lock.withFence(write as Synchronous<T>);
    }
    this.assertHeld();
    return write();
  }

  /** For a cleanup, which has to release the lock from now on. */
  handOver(): SessionCleanupLock {
    this.#stopListening();
    return cleanupLock(() => this.release());
  }

  #stopListening(): void {
    this.#lock.lost?.removeEventListener("abort", this.#tell);
  }

  async #releaseOnce(): Promise<void> {
    try {
      await this.#lock.release();
    } finally {
      this.#stopListening();
      this.#onReleased();
    }
  }

  readonly #tell = (): void => {
    this.#onLost(this.#lock.lost?.reason);
  };
}

/** What a cleanup gets after a takeover. */
export const NO_LOCK = cleanupLock(() => Promise.resolve());

function cleanupLock(release: () => Promise<void>): SessionCleanupLock {
  return { release, [Symbol.asyncDispose]: release };
}
