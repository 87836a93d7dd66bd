/** One acquired lock: its handles, its fence, its limit, its end. */
import { errorCode } from "../util/error-code.js";
import { onAbort } from "../util/on-abort.js";
import { printable } from "../util/printable.js";
import { type Routine, runAtOnce, runInTurns, waitFor } from "../util/routine.js";
import { startTimer } from "../util/timers.js";
import { traced, traceSync } from "../util/tracing.js";
import type { WarnLine } from "../util/warn-line.js";
import { RELEASE_PATIENCE_MS, type ReleaseTarget, removeInTime, removeNow } from "./ending.js";
import {
  type FileFailure,
  guardBusy,
  type LockLoss,
  type LostFailure,
  orFileError,
  type ToError,
} from "./failure.js";
import { FENCE_PATIENCE_MS, writeFenced } from "./fence.js";
import { LockInFenceError } from "./fence-error.js";
import { addHeldLock, forgetHeldLock } from "./held-locks.js";
import type { HeldLock, LockFace } from "./held-lock.js";
import { type LeaseAbove, leaseTexts, type LockLease } from "./lease-above.js";
import type { BusyGuard, Guard } from "./protocol/guard.js";
import { closeHeldFile, guardPathOfHolder, tryEnterAsHolder } from "./protocol/holder-guard.js";
import { isStillOwn } from "./protocol/release.js";
import { pidAt } from "./protocol/read.js";
import {
  type ReleaseCause,
  type ReleaseOutcome,
  type ReleaseTrace,
  type ReleaseTraceResult,
  traces,
} from "./trace.js";

export interface HoldOptions extends ReleaseTarget {
  /** The guarded file. */
  readonly file: string;
  readonly label: string | null;
  readonly maxHoldMs: number;
  /** Of the acquisition that made it. */
  readonly face: Pick<LockFace<unknown>, "logTag" | "toError">;
  readonly warn: WarnLine;
  /** Above the lock; given back when the hold ends. null: there is none. */
  readonly lease: LeaseAbove | null;
  /** Called once when the lock is no longer held, however that came. */
  readonly onEnd: () => void;
}

/** One acquisition; any number of handles share it (reentrancy). */
export class Hold implements HeldLock {
  readonly lockPath: string;
  readonly file: string;
  readonly label: string | null;
  readonly #options: HoldOptions;
  readonly #startedAt: number;
  readonly #lossListeners: ((loss: LostFailure) => void)[] = [];
  #stopOverdueTimer: (() => void) | null = null;
  #loss: LostFailure | null = null;
  /** Fenced writes that this thread is inside. */
  #fenced = 0;
  #handles = 0;
  #ending: Promise<FileFailure | null> | null = null;
  #ended = false;
  /** Of the lease; null: there is none, or the lock is still held. */
  #givingBack: Promise<void> | null = null;

  constructor(options: HoldOptions) {
    this.lockPath = options.lockPath;
    this.file = options.file;
    this.label = options.label;
    this.#options = options;
    this.#startedAt = options.now();
    addHeldLock(this);
    const { lease } = options;
    if (lease === null) return;
    onAbort(lease.lost, () => this.#loseWithLease());
    if (lease.lost.aborted) this.#loseWithLease();
  }

  /** {@link HeldLock.lease} */
  get lease(): LockLease | null {
    return this.#options.lease;
  }

  /** True until the lock is released or lost. */
  get isHeld(): boolean {
    return !this.#ended && this.#ending === null;
  }

  get heldMs(): number {
    return this.#options.now() - this.#startedAt;
  }

  /** {@link HeldLock.published} */
  get published(): HeldLock["published"] {
    return this.#options.lock;
  }

  /** {@link HeldLock.loss} */
  get loss(): LostFailure | null {
    return this.#loss;
  }

  /** One more handle; the lock ends with the last one's release. */
  open<Handle>(face: LockFace<Handle>): Handle {
    this.#handles++;
    return face.handleOf(this);
  }

  /** The watchdog's look. */
  check(): void {
    if (!this.isHeld) return;
    const { heldMs } = this;
    const { maxHoldMs } = this.#options;
    if (heldMs > maxHoldMs) {
      this.#warn(
        `releasing lock held for ${String(Math.round(heldMs))}ms (max=${String(maxHoldMs)}ms): ${this.lockPath}`,
      );
      this.#lose({ loss: "overdue", why: "held for longer than maxHoldMs" });
      this.#endByItself("watchdog");
      return;
    }
    try {
      this.isStillOurs();
    } catch {
      // The file cannot be read now: the next look decides.
    }
  }

  #loseWithLease(): void {
    if (!this.isHeld) return;
    const cause: unknown = this.#options.lease?.lost.reason;
    this.#lose({ loss: "lease-lost", why: "the lease above it is lost", cause });
    this.#endByItself("lease-lost");
  }

  #endByItself(cause: ReleaseCause): void {
    this.#end(cause).then(
      (failure) => {
        if (failure !== null) this.#warn(String(this.#options.face.toError(failure)));
      },
      (error: unknown) => {
        this.#warn(String(error));
      },
    );
  }

  /** {@link HeldLock.checkOnTime} */
  checkOnTime(): void {
    if (!this.isHeld || this.#stopOverdueTimer !== null) return;
    const look = (): void => {
      this.#stopOverdueTimer = null;
      this.check();
      // A timer may be a millisecond early.
      this.checkOnTime();
    };
    const leftMs = Math.max(0, this.#options.maxHoldMs - this.heldMs) + 1;
    this.#stopOverdueTimer = startTimer(look, leftMs, { keepsAlive: false });
  }

  /** {@link HeldLock.isStillOurs} */
  isStillOurs(): boolean {
    const { lock, fs, lease } = this.#options;
    // By its clock: where the event loop was blocked or the process stopped, `lost` comes too late.
    if (lease !== null && lease.deadline() <= 0) {
      this.#loseWithLease();
      return false;
    }
    if (isStillOwn(this.lockPath, lock, fs)) return true;
    traceSync(
      traces.release,
      () => this.#trace("displaced"),
      () => this.#loseDisplaced(),
      (): ReleaseTraceResult => ({ outcome: "not-ours" }),
    );
    this.#finish();
    return false;
  }

  /** {@link HeldLock.lose} */
  lose(loss: LockLoss, why: string): void {
    if (this.isHeld) this.#lose({ loss, why });
  }

  /** {@link HeldLock.drain} */
  drain(): Promise<FileFailure | null> {
    this.lose("given-up", "given up by releaseAllLocks");
    return this.#end("drained");
  }

  /** {@link HeldLock.releaseNow} */
  releaseNow(patienceMs = 0): void {
    if (this.#ended) return;
    traceSync(
      traces.release,
      () => this.#trace("exit"),
      () => removeNow(this.#options, patienceMs),
      (outcome) => ({ outcome }),
    );
    this.#finish();
  }

  /** {@link HeldLock.close} */
  async close(toError: ToError): Promise<void> {
    this.#handles--;
    if (this.#handles > 0 || this.#ended) return;
    const failure = await this.#end("released");
    if (failure !== null) throw toError(failure);
  }

  /** {@link HeldLock.closeAtOnce} */
  closeAtOnce(toError: ToError): void {
    this.#handles--;
    if (this.#handles > 0 || this.#ended) return;
    if (this.#ending !== null) return this.hurry();
    const failure = runAtOnce(this.#endOnce("released"));
    if (failure !== null) throw toError(failure);
  }

  /** {@link HeldLock.hurry} */
  hurry(): void {
    if (this.#ending !== null) this.releaseNow(RELEASE_PATIENCE_MS);
  }

  /** Removes the file, drops the kernel lock, lets the next acquisition of this thread begin; once. */
  #end(cause: ReleaseCause): Promise<FileFailure | null> {
    return (this.#ending ??= runInTurns(this.#endOnce(cause)));
  }

  /** Why the file could neither be removed nor be left as one that shows that it is free; null: it was. */
  *#endOnce(cause: ReleaseCause): Routine<FileFailure | null> {
    let failure: FileFailure | null = null;
    try {
      yield* waitFor(
        traced(
          traces.release,
          () => this.#trace(cause),
          () => this.#remove((found) => (failure = found)),
          (outcome: ReleaseOutcome) => ({ outcome }),
        ),
      );
    } catch (error) {
      if (failure === null) throw error;
    } finally {
      this.#finish();
    }
    const givingBack = this.#givingBack;
    if (givingBack !== null) yield* waitFor({ inTurns: () => givingBack, atOnce: () => {} });
    return failure;
  }

  /** Last, so that the next holder of the lease finds the lock free. */
  async #giveBack(lease: LeaseAbove): Promise<void> {
    try {
      await lease.release();
    } catch (error) {
      // The lock is released, and the lease runs out within its ttl.
      this.#warn(describe(error));
    }
  }

  /** @throws the error of the failure that it has told */
  *#remove(tell: (failure: FileFailure) => void): Routine<ReleaseOutcome> {
    const { outcome, obstacle } = yield* removeInTime(this.#options, () => this.#ended);
    if (outcome === "not-ours") this.#loseDisplaced();
    const failure = outcome === "left" ? this.#leave(obstacle) : null;
    if (failure === null) return outcome;
    tell(failure);
    throw this.#options.face.toError(failure);
  }

  #trace(cause: ReleaseCause): ReleaseTrace {
    return {
      lockPath: this.lockPath,
      nonce: this.#options.lock.nonce,
      cause,
      heldMs: Math.round(this.heldMs),
      maxHoldMs: this.#options.maxHoldMs,
      lease: leaseTexts(this.lease),
    };
  }

  /**
   * The file stays. Where other processes see by the kernel lock that it is free, that is no harm (null); anywhere
   * else it looks held for as long as this process lives.
   */
  #leave(obstacle: unknown): FileFailure | null {
    const { lockPath } = this;
    const cause = obstacle ?? new Error(guardBusy(this.#guardPath));
    if (!this.#options.lock.showsWhenFree) return { kind: "file", lockPath, cause };
    this.#warn(`left for others to remove: ${lockPath} (${describe(cause)})`);
    return null;
  }

  /** {@link HeldLock.withFence} */
  withFence<T>(write: () => T, toError: ToError): T {
    this.assertOutsideFence("withFence");
    this.#fenced++;
    try {
      return this.#writeFenced(write, toError);
    } finally {
      this.#fenced--;
      if (this.#loss !== null) this.#tellLoss(this.#loss);
    }
  }

  /** {@link HeldLock.assertOutsideFence} */
  assertOutsideFence(call: LockInFenceError["call"]): void {
    if (this.#fenced > 0) throw new LockInFenceError(call, this.lockPath);
  }

  #writeFenced<T>(write: () => T, toError: ToError): T {
    const { lockPath } = this;
    return writeFenced(write, {
      now: this.#options.now,
      tryEnter: () => this.#tryEnterGuard(toError),
      assertStillHeld: () => this.assertStillHeld(toError),
      timeout: () =>
        toError({
          kind: "timeout",
          lockPath,
          timeoutMs: FENCE_PATIENCE_MS,
          holder: { kind: "guard", guardPath: this.#guardPath },
          obstacle: null,
        }),
    });
  }

  get #guardPath(): string {
    return guardPathOfHolder(this.lockPath, this.#options.lock);
  }

  #tryEnterGuard(toError: ToError): Guard | BusyGuard {
    const { lock, fs } = this.#options;
    try {
      return tryEnterAsHolder(this.lockPath, lock, fs);
    } catch (cause) {
      // Gone with its directory, or another's by now.
      this.assertStillHeld(toError);
      throw toError({ kind: "file", lockPath: this.lockPath, cause });
    }
  }

  /** {@link HeldLock.assertStillHeld} */
  assertStillHeld(toError: ToError): void {
    const { lockPath } = this;
    if (orFileError(lockPath, toError, () => this.isStillOurs())) return;
    throw toError(this.#loss ?? this.#displacement());
  }

  #loseDisplaced(): void {
    if (this.#loss === null) this.#lose(this.#displacement());
  }

  /** What is in the place of the lock that is not there any more. */
  #displacement(): LostFailure {
    const { lockPath } = this;
    const found = pidAt(lockPath, this.#options.fs);
    if (found === "absent") {
      return { kind: "lost", lockPath, loss: "removed", pid: null, why: "its file is gone" };
    }
    const by = found === null ? "" : ` by pid ${String(found)}`;
    return { kind: "lost", lockPath, loss: "taken-over", pid: found, why: `taken over${by}` };
  }

  #lose(facts: Pick<LostFailure, "loss" | "why"> & Partial<LostFailure>): void {
    if (this.#loss !== null) return;
    this.#loss = { pid: null, ...facts, kind: "lost", lockPath: this.lockPath };
    this.#tellLoss(this.#loss);
  }

  /** Outside of the guard: a listener may end the process, whose last act is to remove the lock inside it. */
  #tellLoss(loss: LostFailure): void {
    if (this.#fenced > 0) return;
    for (const listener of this.#lossListeners.splice(0)) listener(loss);
  }

  /** {@link HeldLock.onLoss} */
  onLoss(listener: (loss: LostFailure) => void): void {
    this.#lossListeners.push(listener);
  }

  #warn(line: string): void {
    const { warn, face } = this.#options;
    warn(printable(`[${face.logTag}] ${line}`));
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopOverdueTimer?.();
    closeHeldFile(this.#options.lock.fd, this.#options.fs);
    if (this.#options.lease !== null) this.#givingBack = this.#giveBack(this.#options.lease);
    forgetHeldLock(this);
    this.#options.onEnd();
  }
}

function describe(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : String(error));
}
