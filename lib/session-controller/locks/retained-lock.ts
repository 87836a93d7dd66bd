/**
 * The lock that a run holds: given up, taken again, handed over to the run's cleanup.
 *
 * Giving it up is a {@link Drain}. There is one at a time; callers that come meanwhile wait for it, and so do new
 * writes.
 */
import type { Fence } from "../fence/fence.js";
import { capture, type Outcome, throwFirst, valueOf } from "../outcome.js";
import type { Takeover } from "../takeover.js";
import { Latch } from "./latch.js";
import { Drain, Reacquisition } from "./lock-change.js";
import { type AcquiredLock, NO_LOCK, type SessionCleanupLock } from "./acquired-lock.js";
import type { RunLocks, UsedLock } from "./run-locks.js";
import type { SettleLimits } from "./settle-limits.js";
import { UseCount } from "./use-count.js";

export interface RetainedLockParts {
  readonly locks: RunLocks;
  readonly fence: Fence;
  readonly takeover: Takeover;
  readonly limits: SettleLimits;
  /** A lock was acquired and is held although the session was taken over meanwhile. */
  readonly onHeldAfterTakeover: () => void;
}

export class RetainedLock {
  readonly #locks: RunLocks;
  readonly #fence: Fence;
  readonly #takeover: Takeover;
  readonly #limits: SettleLimits;
  readonly #onHeldAfterTakeover: () => void;
  #current: UsedLock | null = null;
  #drain: Drain | null = null;
  #reacquisition: Reacquisition | null = null;

  constructor({ locks, fence, takeover, limits, onHeldAfterTakeover }: RetainedLockParts) {
    this.#locks = locks;
    this.#fence = fence;
    this.#takeover = takeover;
    this.#limits = limits;
    this.#onHeldAfterTakeover = onHeldAfterTakeover;
  }

  /** null: no lock is held. */
  get current(): UsedLock | null {
    return this.#current;
  }

  /** While the lock is being given up. */
  get drain(): Drain | null {
    return this.#drain;
  }

  /** While the lock is being taken again. */
  get reacquisition(): Reacquisition | null {
    return this.#reacquisition;
  }

  /**
   * What has to be waited for before it is known whether the lock is held; null: it is known. After a takeover
   * it is not held, whatever an attempt to take it again still waits for.
   */
  get change(): Promise<void> | null {
    if (this.#drain !== null) return this.#drain.settled;
    if (this.#reacquisition === null || this.#takeover.isMarked) return null;
    return Promise.race([this.#reacquisition.settled, this.#takeover.marked]);
  }

  hold(handle: AcquiredLock): void {
    this.#current = { handle, uses: new UseCount() };
    if (this.#takeover.isMarked) this.#onHeldAfterTakeover();
  }

  /** @param isUnwanted - Asked before the lock is held: true, it is released at once. */
  startReacquisition(isUnwanted: () => boolean): Reacquisition {
    const reacquisition = new Reacquisition(async (cancelled) => {
      try {
        await this.#reacquire(() => cancelled.aborted || isUnwanted());
      } finally {
        this.#reacquisition = null;
      }
    });
    this.#reacquisition = reacquisition;
    return reacquisition;
  }

  async #reacquire(isUnwanted: () => boolean): Promise<void> {
    const lock = await this.#locks.acquireSeparately();
    const { handle } = lock;
    try {
      const checked = await capture(() => (isUnwanted() ? undefined : this.#check(handle)));
      if (checked.ok && !isUnwanted()) {
        this.hold(handle);
        return;
      }
      const released = await capture(() => handle.release());
      this.#takeover.refuse();
      throwFirst([checked, released]);
    } finally {
      this.#locks.forget(lock);
    }
  }

  async #check(handle: AcquiredLock): Promise<void> {
    const verdict = await this.#fence.check();
    if (verdict.kind === "changed") this.#takeover.markChanged(verdict.found, verdict.cause);
    if (this.#takeover.isMarked) return;
    try {
      handle.assertHeld();
    } catch (error) {
      this.#takeover.markIfLost(error);
      throw error;
    }
  }

  /**
   * Begins to release the held lock.
   *
   * @param arm - Whether the file has to stay as it is from then on.
   * @returns null when no lock is held
   */
  startRelease({ arm }: { readonly arm: boolean }): Drain | null {
    const held = this.#current;
    if (held === null) return null;
    return this.#startDrain(async (forced) => {
      await this.#limits.waitUntil(forced, held.uses.whenIdle());
      const armed = await capture(async () => {
        if (!arm || this.#takeover.isMarked) return;
        const arming = this.#fence.arm(() => held.handle.assertHeld());
        await this.#limits.waitUntil(forced, arming);
      });
      if (!armed.ok) this.#takeover.markIfLost(armed.error);
      this.#current = null;
      const released = await capture(() => held.handle.release());
      // After a takeover no write is allowed, so an error of looking at the file does not matter.
      throwFirst(this.#takeover.isMarked ? [released] : [armed, released]);
    });
  }

  /** Gives the held lock to the cleanup, once no write uses it. */
  async handOver(held: UsedLock): Promise<SessionCleanupLock> {
    const result: { handed: Outcome<SessionCleanupLock> } = {
      handed: { ok: true, value: NO_LOCK },
    };
    const drain = this.#startDrain(async (forced) => {
      await this.#limits.waitUntil(forced, held.uses.whenIdle());
      result.handed = await capture(() => this.#checkAndHandOver(held.handle, forced));
      this.#current = null;
    });
    await this.#limits.waitFor(drain.done);
    return valueOf(result.handed);
  }

  /** Acquires a lock for the cleanup when none is held. */
  async acquireForCleanup(): Promise<SessionCleanupLock> {
    const acquired = await capture(() => this.#locks.acquireSeparately());
    if (!acquired.ok) {
      // Also behind a write of this run: a cleanup that did not get the lock must not write.
      this.#takeover.markIfUnavailable(acquired.error);
      if (this.#takeover.isMarked) return NO_LOCK;
      throw acquired.error;
    }
    try {
      return await this.#checkAndHandOver(acquired.value.handle, new Latch());
    } finally {
      this.#locks.forget(acquired.value);
    }
  }

  /** Hands a lock over, or releases it when the session was taken over. */
  async #checkAndHandOver(handle: AcquiredLock, forced: Latch): Promise<SessionCleanupLock> {
    const checked = await capture(async () => {
      if (!this.#takeover.isMarked) await this.#limits.waitUntil(forced, this.#check(handle));
    });
    if (checked.ok && !this.#takeover.isMarked) return handle.handOver();
    const released = await capture(() => handle.release());
    throwFirst(this.#takeover.isMarked ? [released] : [checked, released]);
    return NO_LOCK;
  }

  #startDrain(run: (forced: Latch) => Promise<void>): Drain {
    const drain = new Drain(async (forced) => {
      try {
        await run(forced);
      } finally {
        this.#drain = null;
      }
    });
    this.#drain = drain;
    return drain;
  }
}
