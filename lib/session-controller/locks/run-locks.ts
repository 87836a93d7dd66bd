/** The locks that one run has acquired: the held one, and the separate ones of single writes and of its cleanup. */
import { capture, valueOf } from "../outcome.js";
import type { Takeover } from "../takeover.js";
import { Latch } from "./latch.js";
import { type ControlledLock, AcquiredLock } from "./acquired-lock.js";
import type { SettleLimits } from "./settle-limits.js";
import { UseCount } from "./use-count.js";

/** A lock and the writes that run under it. */
export interface UsedLock {
  readonly handle: AcquiredLock;
  readonly uses: UseCount;
}

/** A lock that is not the held one: of a single write, or one that is yet to be held or handed over. It has one use. */
export interface SeparateLock extends UsedLock {
  readonly endUse: () => void;
  /** Opened when the lock was released, or has become the held one or a cleanup's. */
  readonly ended: Latch;
}

export class RunLocks {
  readonly #acquireLock: () => Promise<ControlledLock>;
  readonly #takeover: Takeover;
  readonly #separate = new Set<SeparateLock>();
  /** Acquired and not yet physically released, a cleanup's lock included. */
  readonly #unreleased = new Set<AcquiredLock>();

  constructor(acquireLock: () => Promise<ControlledLock>, takeover: Takeover) {
    this.#acquireLock = acquireLock;
    this.#takeover = takeover;
  }

  get separate(): readonly SeparateLock[] {
    return [...this.#separate];
  }

  /** @throws (rejection) what the caller's `acquire` rejects with; TypeError when it gives no lock */
  async acquire(): Promise<AcquiredLock> {
    const lock = await this.#acquireLock();
    const handle = new AcquiredLock(lock, {
      onLost: (reason) => this.#takeover.markLost(reason),
      onReleased: () => this.#unreleased.delete(handle),
    });
    this.#unreleased.add(handle);
    return handle;
  }

  /**
   * Acquires a lock that is not the held one; it is a separate one until {@link RunLocks.forget}.
   *
   * @throws (rejection) SessionTakeoverError after a takeover, also one that is found here: another holder has
   *   the session; else what `acquire` rejects with
   */
  async acquireSeparately(): Promise<SeparateLock> {
    const acquired = await capture(() => this.acquire());
    if (!acquired.ok) {
      // A timeout behind another write of this run, or behind its cleanup, does not mean another holder.
      if (this.#unreleased.size === 0) this.#takeover.markIfUnavailable(acquired.error);
      this.#takeover.refuse(acquired);
    }
    const handle = valueOf(acquired);
    const uses = new UseCount();
    const lock = { handle, uses, endUse: uses.begin(), ended: new Latch() };
    this.#separate.add(lock);
    return lock;
  }

  /** The lock was released, or has become the held one or a cleanup's. */
  forget(lock: SeparateLock): void {
    lock.endUse();
    this.#separate.delete(lock);
    lock.ended.open();
  }

  /** Waits for the end of a separate lock; releases it while it is used when `forced` is opened before. */
  async end(lock: SeparateLock, forced: Latch, limits: SettleLimits): Promise<void> {
    await limits.waitUntil(forced, lock.uses.whenIdle());
    if (lock.uses.isIdle) return await lock.ended.opened;
    this.#separate.delete(lock);
    await lock.handle.release();
  }
}
