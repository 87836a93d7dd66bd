/**
 * The lock of one run: held, being given up, given up, being taken again, handed over — and the writes under it.
 *
 * - Writes under the held lock are counted before they first wait for anything, so that giving it up cannot
 *   overlook them.
 * - Giving it up is a *drain*. There is one at a time; whoever comes meanwhile waits for it, and new writes
 *   do too.
 * - Without the held lock each write takes one of its own.
 * - From inside a write nobody can wait for its end. What needs it is begun, or noted, and happens then.
 */
import { checkRequiredOptions } from "../util/check-options.js";
import { checkBoolean, checkFunction } from "../util/check-values.js";
import { printable } from "../util/printable.js";
import { Drain, isDoneBefore, Moment } from "./locks/lock-change.js";
import { SessionWriteScopeError } from "./errors.js";
import { Fence } from "./fence/fence.js";
import {
  runNested,
  runOutermost,
  type RunWrite,
  type WriteSurroundings,
} from "./writes/fenced-write.js";
import { LockHandle, NO_LOCK, type SessionCleanupLock } from "./locks/lock-handle.js";
import type { ControllerPlan } from "./options.js";
import { capture, firstFailure, type Outcome, throwFirst, valueOf } from "./outcome.js";
import type { SessionFs } from "./fence/session-file.js";
import { Reacquisition } from "./locks/reacquisition.js";
import { Takeover } from "./takeover.js";
import { Uses } from "./locks/use-count.js";
import { WriteScope } from "./writes/write-scope.js";

/** One bound in time that is running. */
export interface BoundTimer {
  readonly stop: () => void;
  /** From now on somebody waits for it: the process must not end before. */
  readonly keepAlive: () => void;
}

/** Calls `fire` once after `ms` milliseconds, unless stopped; keeps no process alive by itself. */
export type StartTimer = (ms: number, fire: () => void) => BoundTimer;

/** What a run needs of the world. */
export interface RunSurroundings {
  readonly fs: SessionFs;
  readonly startTimer: StartTimer;
}

/** A lock and those who write under it. */
interface Tenancy {
  readonly handle: LockHandle;
  readonly uses: Uses;
}

/** Of a lock that is not the held one: a write's own, or one that is yet to be held or handed over. */
interface SeparateTenancy extends Tenancy {
  /** It has one use. */
  readonly endUse: () => void;
  /** Reached when the lock was released or passed on. */
  readonly over: Moment;
}

export class ControlledRun {
  readonly #plan: ControllerPlan;
  readonly #startTimer: StartTimer;
  readonly #fence: Fence;
  readonly #takeover: Takeover;
  readonly #writes: WriteSurroundings;
  #held: Tenancy | null = null;
  /** While the held lock is being given up. */
  #drain: Drain | null = null;
  #reacquisition: Reacquisition | null = null;
  readonly #separate = new Set<SeparateTenancy>();
  /** Acquired and not yet physically released, a cleanup's included. */
  readonly #ownLocks = new Set<LockHandle>();
  #isDisposed = false;
  /** From then on the lock is the cleanup's, or will be. */
  #isCleaningUp = false;
  /** The bounds of those who are giving up everything. */
  readonly #bounds = new Set<BoundTimer>();
  #waiting = 0;

  constructor(plan: ControllerPlan, { fs, startTimer }: RunSurroundings) {
    const { sessionFile, isBenignChange } = plan;
    this.#plan = plan;
    this.#startTimer = startTimer;
    this.#fence = new Fence(sessionFile, { fs, isBenignChange });
    this.#takeover = new Takeover(sessionFile, () => this.#settleAfterTakeover());
    this.#writes = { sessionFile, fs, fence: this.#fence, takeover: this.#takeover };
  }

  get hasTakeover(): boolean {
    return this.#takeover.isMarked;
  }

  async begin(): Promise<void> {
    this.#hold(await this.#acquire());
    await this.#fence.observe();
  }

  async withWriteLock<T>(run: RunWrite<T>): Promise<T> {
    this.#takeover.refuse();
    checkFunction("run", run);
    const scope = WriteScope.of(this);
    if (scope !== null) return await runNested(scope, run, this.#writes);
    for (let change = this.#change(); change !== null; change = this.#change()) {
      await this.#wait(change);
    }
    this.#takeover.refuse();
    return this.#held === null
      ? await this.#writeSeparately(run)
      : await this.#writeRetained(run, this.#held);
  }

  async releaseForPrompt(): Promise<void> {
    const scope = WriteScope.of(this);
    if (scope !== null) {
      scope.atEnd = "release";
      return;
    }
    if (this.#reacquisition !== null) await this.#wait(this.#reacquisition.settled);
    const drain = this.#drain ?? this.#startRelease({ arm: true });
    if (drain !== null) await this.#wait(drain.done);
  }

  async releaseForAbort(): Promise<void> {
    await this.#settleOrDefer({ arm: true });
  }

  async reacquireAfterPrompt(): Promise<void> {
    const scope = WriteScope.of(this);
    if (scope !== null) {
      scope.atEnd = "reacquire";
      return;
    }
    while (this.#drain !== null || this.#reacquisition?.isCancelled === true) {
      await this.#wait((this.#drain ?? this.#reacquisition)?.settled ?? Promise.resolve());
    }
    if (this.#held !== null || this.#isUnwanted() || this.#isCleaningUp) return;
    await this.#wait((this.#reacquisition ?? this.#startReacquisition()).done);
  }

  async acquireForCleanup(): Promise<SessionCleanupLock> {
    if (WriteScope.of(this) !== null) {
      throw new SessionWriteScopeError(this.#plan.sessionFile, "active");
    }
    this.#isCleaningUp = true;
    for (let change = this.#change(); change !== null; change = this.#change()) {
      await this.#wait(change);
    }
    if (this.#takeover.isMarked) return NO_LOCK;
    return this.#held === null
      ? await this.#acquireCleanupLock()
      : await this.#handHeldLockOver(this.#held);
  }

  async publishOwnedWrite(): Promise<void> {
    if (!this.#takeover.isMarked) await this.#fence.publish();
  }

  abort(options: { readonly timeout: boolean }): void {
    checkRequiredOptions<typeof options>(options, { timeout: checkBoolean });
    if (!options.timeout) return;
    const settled = this.#settleInBackground({ arm: true }, "on timeout abort");
    WriteScope.of(this)?.defer(settled);
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.#settleOrDefer({ arm: false });
  }

  /**
   * What has to be waited for before it is known whether the lock is held; null: it is known. After a takeover
   * it is not held, whatever an attempt to take it again still waits for.
   */
  #change(): Promise<void> | null {
    if (this.#drain !== null) return this.#drain.settled;
    if (this.#reacquisition === null || this.#takeover.isMarked) return null;
    return Promise.race([this.#reacquisition.settled, this.#takeover.marked]);
  }

  /** Whether the lock is not to be held any more. */
  #isUnwanted(): boolean {
    return this.#takeover.isMarked || this.#isDisposed;
  }

  /** On somebody's behalf: the bounds that this may depend on keep the process alive. */
  async #wait<T>(work: Promise<T>): Promise<T> {
    this.#waiting++;
    for (const bound of this.#bounds) bound.keepAlive();
    try {
      return await work;
    } finally {
      this.#waiting--;
    }
  }

  // Acquiring

  async #acquire(): Promise<LockHandle> {
    const lock = await this.#plan.acquire();
    const handle = new LockHandle(lock, {
      onLost: (reason) => this.#takeover.mark("lock-lost", reason),
      onReleased: () => this.#ownLocks.delete(handle),
    });
    this.#ownLocks.add(handle);
    return handle;
  }

  #hold(handle: LockHandle): void {
    this.#held = { handle, uses: new Uses() };
    if (this.#takeover.isMarked) this.#settleAfterTakeover();
  }

  /**
   * Acquires a lock that is not the held one; {@link ControlledRun.#forget} says what became of it.
   *
   * @throws (rejection) SessionTakeoverError after a takeover, also one that is found here: another holder has
   *   the session; else what `acquire` rejects with
   */
  async #acquireSeparately(): Promise<SeparateTenancy> {
    const acquired = await capture(() => this.#acquire());
    if (!acquired.ok) {
      // Behind another write of this run, or its cleanup, one can wait in vain, too: that is no other holder.
      if (this.#ownLocks.size === 0) this.#takeover.markIfUnavailable(acquired.error);
      this.#takeover.refuse(acquired);
    }
    const handle = valueOf(acquired);
    const uses = new Uses();
    const tenancy = { handle, uses, endUse: uses.begin(), over: new Moment() };
    this.#separate.add(tenancy);
    return tenancy;
  }

  /** The lock was released, or has become the held one or a cleanup's. */
  #forget(tenancy: SeparateTenancy): void {
    tenancy.endUse();
    this.#separate.delete(tenancy);
    tenancy.over.reach();
  }

  #startReacquisition(): Reacquisition {
    const reacquisition = new Reacquisition(async (isCancelled) => {
      try {
        await this.#reacquire(() => isCancelled() || this.#isUnwanted());
      } finally {
        this.#reacquisition = null;
      }
    });
    this.#reacquisition = reacquisition;
    return reacquisition;
  }

  async #reacquire(isUnwanted: () => boolean): Promise<void> {
    const tenancy = await this.#acquireSeparately();
    const { handle } = tenancy;
    try {
      const checked = await capture(() => (isUnwanted() ? undefined : this.#check(handle)));
      if (checked.ok && !isUnwanted()) {
        this.#hold(handle);
        return;
      }
      const released = await capture(() => handle.release());
      this.#takeover.refuse();
      throwFirst([checked, released]);
    } finally {
      this.#forget(tenancy);
    }
  }

  async #check(handle: LockHandle): Promise<void> {
    const verdict = await this.#fence.check();
    if (verdict.kind === "changed") this.#takeover.mark("file-changed", verdict.cause);
    if (this.#takeover.isMarked) return;
    try {
      handle.assertHeld();
    } catch (error) {
      this.#takeover.markIfLost(error);
      throw error;
    }
  }

  // Writing

  async #writeRetained<T>(run: RunWrite<T>, { handle, uses }: Tenancy): Promise<T> {
    const endUse = uses.begin();
    return await this.#write(run, handle, async () => {
      endUse();
      // When the others are done, too, whoever hears of a takeover finds the lock released.
      if (this.#takeover.isMarked && uses.isIdle) await this.#drain?.settled;
    });
  }

  async #writeSeparately<T>(run: RunWrite<T>): Promise<T> {
    const tenancy = await this.#acquireSeparately();
    return await this.#write(run, tenancy.handle, async () => {
      tenancy.endUse();
      try {
        await tenancy.handle.release();
      } finally {
        this.#forget(tenancy);
      }
    });
  }

  async #write<T>(run: RunWrite<T>, handle: LockHandle, giveBack: () => Promise<void>): Promise<T> {
    const scope = new WriteScope(this, handle);
    const written = await capture(() => runOutermost(scope, run, this.#writes));
    const given = await capture(giveBack);
    const after = await capture(() => this.#afterScope(scope));
    this.#takeover.refuse(firstFailure([written, given, after]));
    throwFirst([written, given, after]);
    return valueOf(written);
  }

  /** What could not be waited for inside. */
  async #afterScope(scope: WriteScope): Promise<void> {
    await this.#wait(scope.backgroundSettled());
    if (scope.atEnd === "release") await this.releaseForPrompt();
    if (scope.atEnd === "reacquire") await this.reacquireAfterPrompt();
  }

  // Giving up

  /**
   * Gives the held lock up.
   *
   * @param arm - Whether the file has to stay as it is from then on.
   * @returns null when no lock is held
   */
  #startRelease({ arm }: { readonly arm: boolean }): Drain | null {
    const held = this.#held;
    if (held === null) return null;
    return this.#startDrain(async (forced) => {
      await this.#untilIdle(held, forced);
      const armed = await capture(async () => {
        if (!arm || this.#takeover.isMarked) return;
        await this.#inTime(
          this.#fence.arm(() => held.handle.assertHeld()),
          forced,
        );
      });
      if (!armed.ok) this.#takeover.markIfLost(armed.error);
      this.#held = null;
      const released = await capture(() => held.handle.release());
      // After a takeover it does not matter any more what the file looks like.
      throwFirst(this.#takeover.isMarked ? [released] : [armed, released]);
    });
  }

  /** Gives the held lock to a cleanup. */
  async #handHeldLockOver(held: Tenancy): Promise<SessionCleanupLock> {
    const result: { handed: Outcome<SessionCleanupLock> } = {
      handed: { ok: true, value: NO_LOCK },
    };
    const drain = this.#startDrain(async (forced) => {
      await this.#untilIdle(held, forced);
      result.handed = await capture(() => this.#handOver(held.handle, forced));
      this.#held = null;
    });
    await this.#wait(drain.done);
    return valueOf(result.handed);
  }

  async #acquireCleanupLock(): Promise<SessionCleanupLock> {
    const acquired = await capture(() => this.#acquireSeparately());
    if (!acquired.ok) {
      // Behind an own write as well: a cleanup that did not get the lock must not write.
      this.#takeover.markIfUnavailable(acquired.error);
      if (this.#takeover.isMarked) return NO_LOCK;
      throw acquired.error;
    }
    try {
      return await this.#handOver(acquired.value.handle, new Moment());
    } finally {
      this.#forget(acquired.value);
    }
  }

  /** Passes a lock on, or releases it when the session is in other hands. */
  async #handOver(handle: LockHandle, forced: Moment): Promise<SessionCleanupLock> {
    const checked = await capture(async () => {
      if (!this.#takeover.isMarked) await this.#inTime(this.#check(handle), forced);
    });
    if (checked.ok && !this.#takeover.isMarked) return handle.handOver();
    const released = await capture(() => handle.release());
    throwFirst(this.#takeover.isMarked ? [released] : [checked, released]);
    return NO_LOCK;
  }

  #startDrain(run: (forced: Moment) => Promise<void>): Drain {
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

  /** Waits for the writes under a lock, or until there is no more time for them. */
  async #untilIdle({ uses }: Tenancy, forced: Moment): Promise<void> {
    await this.#inTime(uses.whenIdle(), forced);
  }

  async #inTime(work: Promise<unknown>, forced: Moment): Promise<void> {
    if (await isDoneBefore(forced, work)) return;
    const bound = String(this.#plan.settleTimeoutMs);
    const cause = new Error(`writes did not settle within the time for it: ${bound}ms`);
    this.#takeover.mark("write-abandoned", cause);
  }

  /** Gives up everything, unless the caller is inside a write: then it goes on without the caller. */
  async #settleOrDefer(options: { readonly arm: boolean }): Promise<void> {
    const scope = WriteScope.of(this);
    if (scope === null) await this.#wait(this.#settle(options));
    else scope.defer(this.#settle(options));
  }

  /** Never rejects. */
  async #settleInBackground(options: { readonly arm: boolean }, when: string): Promise<void> {
    const settled = await capture(() => this.#settle(options));
    if (!settled.ok) {
      const failure = `failed to release session lock ${when}: ${String(settled.error)}`;
      this.#plan.warn(printable(failure));
    }
  }

  #settleAfterTakeover(): void {
    // Whoever is at it will not take longer.
    if (this.#bounds.size === 0) void this.#settleInBackground({ arm: false }, "after a takeover");
  }

  /** Gives up every lock of the run, in bounded time but for the locks' own releases. */
  async #settle({ arm }: { readonly arm: boolean }): Promise<void> {
    const forced = new Moment();
    const bound = this.#startTimer(this.#plan.settleTimeoutMs, () => forced.reach());
    this.#bounds.add(bound);
    if (this.#waiting > 0) bound.keepAlive();
    try {
      throwFirst(await Promise.all(this.#ends(arm, forced).map((end) => capture(() => end))));
    } finally {
      bound.stop();
      this.#bounds.delete(bound);
      // Begun after we had looked.
      if (this.#takeover.isMarked && this.#separate.size > 0) this.#settleAfterTakeover();
    }
  }

  #ends(arm: boolean, forced: Moment): Promise<unknown>[] {
    const ends: Promise<unknown>[] = [...this.#separate].map((tenancy) =>
      this.#endSeparate(tenancy, forced),
    );
    if (this.#reacquisition !== null) {
      this.#reacquisition.cancel();
      ends.push(isDoneBefore(forced, this.#reacquisition.settled));
    }
    const running = this.#drain;
    const drain = running ?? this.#startRelease({ arm });
    if (drain !== null) {
      void forced.reached.then(() => drain.force());
      // Whether the file could be looked at is a question of those who wanted it.
      ends.push(running !== null && !arm ? drain.settled : drain.done);
    }
    return ends;
  }

  async #endSeparate(tenancy: SeparateTenancy, forced: Moment): Promise<void> {
    await this.#untilIdle(tenancy, forced);
    if (tenancy.uses.isIdle) return await tenancy.over.reached;
    this.#separate.delete(tenancy);
    await tenancy.handle.release();
  }
}
