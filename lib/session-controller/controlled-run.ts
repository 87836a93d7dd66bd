/**
 * One run of a session: its writes, its held lock, and how it gives up everything in limited time.
 *
 * - Writes under the held lock are counted before they first wait for anything, so that giving it up cannot
 *   overlook them.
 * - Without the held lock each write takes one of its own.
 * - A caller inside a write cannot wait for the end of that write. What would need it is begun or noted there, and
 *   happens when the write has ended.
 */
import { checkRequiredOptions } from "../util/check-options.js";
import { checkBoolean, checkFunction } from "../util/check-values.js";
import { printable } from "../util/printable.js";
import { SessionWriteScopeError } from "./errors.js";
import { Fence } from "./fence/fence.js";
import type { SessionFs } from "./fence/session-file.js";
import { RetainedLock } from "./locks/retained-lock.js";
import { isDoneBefore, type Latch } from "./locks/latch.js";
import { type AcquiredLock, NO_LOCK, type SessionCleanupLock } from "./locks/acquired-lock.js";
import { RunLocks, type UsedLock } from "./locks/run-locks.js";
import { SettleLimits, type StartTimer } from "./locks/settle-limits.js";
import type { ControllerPlan } from "./options.js";
import { capture, firstFailure, throwFirst, valueOf } from "./outcome.js";
import { Takeover } from "./takeover.js";
import {
  runNested,
  runOutermost,
  type RunWrite,
  type WriteContext,
} from "./writes/fenced-write.js";
import { WriteScope } from "./writes/write-scope.js";

/** What a run needs of the operating system. */
export interface RunEnvironment {
  readonly fs: SessionFs;
  readonly startTimer: StartTimer;
}

export class ControlledRun {
  readonly #plan: ControllerPlan;
  readonly #fence: Fence;
  readonly #takeover: Takeover;
  readonly #writes: WriteContext;
  readonly #limits: SettleLimits;
  readonly #locks: RunLocks;
  readonly #heldLock: RetainedLock;
  #isDisposed = false;
  /** From then on the lock is the cleanup's, or will be. */
  #isCleaningUp = false;

  constructor(plan: ControllerPlan, { fs, startTimer }: RunEnvironment) {
    const { sessionFile, isBenignChange, settleTimeoutMs, acquire } = plan;
    const settle = (): void => this.#settleAfterTakeover();
    const fence = new Fence(sessionFile, { fs, isBenignChange });
    const takeover = new Takeover(sessionFile, settle);
    const limits = new SettleLimits({ timeoutMs: settleTimeoutMs, startTimer, takeover });
    const locks = new RunLocks(acquire, takeover);
    this.#plan = plan;
    this.#fence = fence;
    this.#takeover = takeover;
    this.#writes = { sessionFile, fs, fence, takeover };
    this.#limits = limits;
    this.#locks = locks;
    this.#heldLock = new RetainedLock({
      locks,
      fence,
      takeover,
      limits,
      onHeldAfterTakeover: settle,
    });
  }

  get hasTakeover(): boolean {
    return this.#takeover.isMarked;
  }

  async begin(): Promise<void> {
    this.#heldLock.hold(await this.#locks.acquire());
    await this.#fence.observe();
  }

  async withWriteLock<T>(run: RunWrite<T>): Promise<T> {
    this.#takeover.refuse();
    checkFunction("run", run);
    const scope = WriteScope.of(this);
    if (scope !== null) return await runNested(scope, run, this.#writes);
    const lock = this.#heldLock;
    // Without a change nothing is awaited here: the write must be counted before this call returns.
    for (let change = lock.change; change !== null; change = lock.change) {
      await this.#limits.waitFor(change);
    }
    this.#takeover.refuse();
    return lock.current === null
      ? await this.#writeSeparately(run)
      : await this.#writeRetained(run, lock.current);
  }

  async releaseForPrompt(): Promise<void> {
    const scope = WriteScope.of(this);
    if (scope !== null) {
      scope.atEnd = "release";
      return;
    }
    const { reacquisition } = this.#heldLock;
    if (reacquisition !== null) await this.#limits.waitFor(reacquisition.settled);
    const drain = this.#heldLock.drain ?? this.#heldLock.startRelease({ arm: true });
    if (drain !== null) await this.#limits.waitFor(drain.done);
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
    const lock = this.#heldLock;
    while (lock.drain !== null || lock.reacquisition?.isCancelled === true) {
      await this.#limits.waitFor((lock.drain ?? lock.reacquisition)?.settled ?? Promise.resolve());
    }
    if (lock.current !== null || this.#isUnwanted() || this.#isCleaningUp) return;
    const reacquisition = lock.reacquisition ?? lock.startReacquisition(() => this.#isUnwanted());
    await this.#limits.waitFor(reacquisition.done);
  }

  async acquireForCleanup(): Promise<SessionCleanupLock> {
    if (WriteScope.of(this) !== null) {
      throw new SessionWriteScopeError(this.#plan.sessionFile, "active");
    }
    this.#isCleaningUp = true;
    const lock = this.#heldLock;
    for (let change = lock.change; change !== null; change = lock.change) {
      await this.#limits.waitFor(change);
    }
    if (this.#takeover.isMarked) return NO_LOCK;
    return lock.current === null
      ? await lock.acquireForCleanup()
      : await lock.handOver(lock.current);
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

  /** Whether the lock is not to be held any more. */
  #isUnwanted(): boolean {
    return this.#takeover.isMarked || this.#isDisposed;
  }

  // Writing

  async #writeRetained<T>(run: RunWrite<T>, { handle, uses }: UsedLock): Promise<T> {
    const endUse = uses.begin();
    return await this.#write(run, handle, async () => {
      endUse();
      // The last write under the lock reports a takeover only after the lock was released.
      if (this.#takeover.isMarked && uses.isIdle) await this.#heldLock.drain?.settled;
    });
  }

  async #writeSeparately<T>(run: RunWrite<T>): Promise<T> {
    const lock = await this.#locks.acquireSeparately();
    return await this.#write(run, lock.handle, async () => {
      lock.endUse();
      try {
        await lock.handle.release();
      } finally {
        this.#locks.forget(lock);
      }
    });
  }

  async #write<T>(
    run: RunWrite<T>,
    handle: AcquiredLock,
    giveBack: () => Promise<void>,
  ): Promise<T> {
    const scope = new WriteScope(this, handle);
    const written = await capture(() => runOutermost(scope, run, this.#writes));
    const given = await capture(giveBack);
    const after = await capture(() => this.#afterScope(scope));
    this.#takeover.refuse(firstFailure([written, given, after]));
    throwFirst([written, given, after]);
    return valueOf(written);
  }

  /** Does what could not be waited for inside the write. */
  async #afterScope(scope: WriteScope): Promise<void> {
    await this.#limits.waitFor(scope.backgroundSettled());
    if (scope.atEnd === "release") await this.releaseForPrompt();
    if (scope.atEnd === "reacquire") await this.reacquireAfterPrompt();
  }

  // Giving up everything

  /** Gives up everything; inside a write this goes on in the background, as the caller cannot wait for it. */
  async #settleOrDefer(options: { readonly arm: boolean }): Promise<void> {
    const scope = WriteScope.of(this);
    if (scope === null) await this.#limits.waitFor(this.#settle(options));
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
    // While a limit runs, all locks are being given up already.
    if (!this.#limits.isAnyRunning) {
      void this.#settleInBackground({ arm: false }, "after a takeover");
    }
  }

  /** Gives up every lock of the run, in limited time but for the locks' own releases. */
  async #settle({ arm }: { readonly arm: boolean }): Promise<void> {
    const { expired, stop } = this.#limits.start();
    try {
      throwFirst(await Promise.all(this.#ends(arm, expired).map((end) => capture(() => end))));
    } finally {
      stop();
      // Separate locks that were acquired after #ends had listed them.
      if (this.#takeover.isMarked && this.#locks.separate.length > 0) this.#settleAfterTakeover();
    }
  }

  #ends(arm: boolean, expired: Latch): Promise<unknown>[] {
    const ends: Promise<unknown>[] = this.#locks.separate.map((lock) =>
      this.#locks.end(lock, expired, this.#limits),
    );
    const { reacquisition, drain: running } = this.#heldLock;
    if (reacquisition !== null) {
      reacquisition.cancel();
      ends.push(isDoneBefore(expired, reacquisition.settled));
    }
    const drain = running ?? this.#heldLock.startRelease({ arm });
    if (drain !== null) {
      void expired.opened.then(() => drain.force());
      // A drain that another call began reports to that call whether the file could be read.
      ends.push(running !== null && !arm ? drain.settled : drain.done);
    }
    return ends;
  }
}
