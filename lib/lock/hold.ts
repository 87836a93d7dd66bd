/** One acquired lock: its handles, its fence, its end. */
import { setTimeout as delay } from "node:timers/promises";

import { closeQuietly } from "./protocol/close-quietly.js";
import { errorCode, isLasting } from "../util/error-code.js";
import type { LockFs } from "./protocol/lock-fs.js";
import { startTimer } from "../util/timers.js";
import { printable } from "../util/printable.js";
import { nextTurn } from "../util/time-slice.js";
import { typeError } from "../util/argument-error.js";
import { checkFunction } from "../util/check-values.js";
import { waitSynchronously } from "../util/timers.js";
import type { WarnLine } from "../util/warn-line.js";
import {
  orFileError,
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockTimeoutError,
} from "../session-lock/errors.js";
import { type BusyGuard, type Guard, guardPathOf } from "./protocol/guard.js";
import { addHeldLock, forgetHeldLock, type HeldLock } from "./held-locks.js";
import { tryEnterAsHolder } from "./protocol/holder-guard.js";
import type { Published } from "./protocol/publish.js";
import { isStillOwn, type ReleaseAttempt, tryRelease } from "./protocol/release.js";
import { moveAside } from "./protocol/remove.js";
import {
  type ReleaseCause,
  type ReleaseOutcome,
  type ReleaseTrace,
  type ReleaseTraceResult,
  traceAsync,
  traces,
  traceSync,
} from "./trace.js";

/** A session's write lock, held until {@link SessionWriteLock.release}. */
export interface SessionWriteLock extends AsyncDisposable {
  readonly lockPath: string;
  readonly sessionFile: string;
  /**
   * Aborts with a {@link SessionWriteLockLostError} when the watchdog has released the lock or a contender
   * took it over, noticed at the latest at the next assertHeld, withFence, release or watchdog tick.
   */
  readonly lost: AbortSignal;
  /**
   * Gives the lock up and removes its file, if it still is this one. Calling it again does nothing.
   *
   * @throws SessionWriteLockFileError (rejection) when the file could neither be removed nor be left in a
   *   state in which others can see that nobody holds it.
   */
  release(): Promise<void>;
  /**
   * Runs a synchronous `write` only while the lock is provably still this one, atomically: no contender can
   * take it over before `write` returns.
   *
   * @throws SessionWriteLockLostError when it is not, with nothing written, also when its directory is gone;
   *   SessionWriteLockTimeoutError, naming the guard, when another process keeps the guard for 50 ms;
   *   SessionWriteLockFileError, with nothing written, when the file system refuses, the guard's kernel lock
   *   included; TypeError when `write` returns a promise; whatever `write` throws.
   */
  withFence<T>(write: () => T): T;
  /**
   * A look whether the lock is still this one: a check, not a fence.
   *
   * @throws SessionWriteLockLostError when it is not; SessionWriteLockFileError when that cannot be seen.
   */
  assertHeld(): void;
}

/** How patient a lock is with its guard, milliseconds. */
const FENCE_PATIENCE_MS = 50;
const RELEASE_PATIENCE_MS = 2000;
/** So often a busy guard is tried again in the very next turn of the event loop. */
const PROMPT_ATTEMPTS = 10;

/** One acquisition; any number of handles share it (reentrancy). */
export class Hold implements HeldLock {
  readonly lockPath: string;
  readonly sessionFile: string;
  readonly #lock: Published;
  readonly #maxHoldMs: number;
  readonly #fs: LockFs;
  readonly #now: () => number;
  readonly #logTag: string;
  readonly #warn: WarnLine;
  readonly #onEnd: () => void;
  readonly #startedAt: number;
  /** Made when somebody asks for the signal: most holders never do, and it costs several microseconds. */
  #lost: AbortController | null = null;
  #stopOverdueTimer: (() => void) | null = null;
  #loss: SessionWriteLockLostError | null = null;
  #handles = 0;
  #ending: Promise<void> | null = null;
  #ended = false;

  /**
   * @param now - A monotonic clock, milliseconds.
   * @param logTag - What its log lines begin with.
   * @param onEnd - Called once when the lock is no longer held, however that came.
   */
  constructor(options: {
    readonly lockPath: string;
    readonly sessionFile: string;
    readonly lock: Published;
    readonly maxHoldMs: number;
    readonly fs: LockFs;
    readonly now: () => number;
    readonly logTag?: string | undefined;
    readonly warn: WarnLine;
    readonly onEnd: () => void;
  }) {
    this.lockPath = options.lockPath;
    this.sessionFile = options.sessionFile;
    this.#lock = options.lock;
    this.#maxHoldMs = options.maxHoldMs;
    this.#fs = options.fs;
    this.#now = options.now;
    this.#logTag = options.logTag ?? "session-write-lock";
    this.#warn = (line) => options.warn(printable(`[${this.#logTag}] ${line}`));
    this.#onEnd = options.onEnd;
    this.#startedAt = options.now();
    addHeldLock(this);
  }

  /** True until the lock is released or lost. */
  get isHeld(): boolean {
    return !this.#ended && this.#ending === null;
  }

  get label(): string | null {
    return this.#lock.payload.label;
  }

  get heldMs(): number {
    return this.#now() - this.#startedAt;
  }

  /** One more handle; the lock ends with the last one's release. */
  open(): SessionWriteLock {
    this.#handles++;
    return new Handle(this);
  }

  /** The watchdog's look. */
  check(): void {
    if (!this.isHeld) return;
    const { heldMs } = this;
    if (heldMs > this.#maxHoldMs) {
      this.#warn(
        `releasing lock held for ${String(Math.round(heldMs))}ms (max=${String(this.#maxHoldMs)}ms): ${this.lockPath}`,
      );
      this.#lose("held for longer than maxHoldMs");
      this.#end("watchdog").catch((error: unknown) => {
        this.#warn(String(error));
      });
      return;
    }
    try {
      this.assertOurs();
    } catch {
      // `lost` has been told, or the file cannot be read just now: the next look will see.
    }
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
    const leftMs = Math.max(0, this.#maxHoldMs - this.heldMs) + 1;
    this.#stopOverdueTimer = startTimer(look, leftMs, { keepsAlive: false });
  }

  /** {@link HeldLock.isStillOurs} */
  isStillOurs(): boolean {
    try {
      this.assertOurs();
      return true;
    } catch (error) {
      if (error === this.#loss) return false;
      throw error;
    }
  }

  /** {@link HeldLock.lose} */
  lose(why: string): void {
    if (this.isHeld) this.#lose(why);
  }

  /** {@link HeldLock.drain} */
  drain(): Promise<void> {
    this.lose("given up by releaseAllLocks");
    return this.#end("drained");
  }

  /** The end of the thread: nothing can be awaited any more. */
  releaseNow(patienceMs = 0): void {
    if (this.#ended) return;
    traceSync(
      traces.release,
      () => this.#trace("exit"),
      () => this.#removeNow(patienceMs),
      (outcome) => ({ outcome }),
    );
    this.#finish();
  }

  #removeNow(patienceMs: number): ReleaseOutcome {
    const deadline = this.#now() + patienceMs;
    try {
      for (;;) {
        const attempt = tryRelease(this.lockPath, this.#lock, this.#fs);
        if (attempt.kind !== "busy") return attempt.kind;
        if (this.#now() >= deadline) return "left";
        waitSynchronously(1 + Math.random() * 2);
      }
    } catch {
      // Closing the descriptor makes the file reclaimable.
      return "left";
    }
  }

  /** One handle less. */
  close(): Promise<void> {
    this.#handles--;
    return this.#handles === 0 && !this.#ended ? this.#end("released") : Promise.resolve();
  }

  /** Removes the file, lets go of the kernel lock, hands the turn on; once. */
  #end(cause: ReleaseCause): Promise<void> {
    return (this.#ending ??= this.#endOnce(cause));
  }

  async #endOnce(cause: ReleaseCause): Promise<void> {
    try {
      await traceAsync(
        traces.release,
        () => this.#trace(cause),
        () => this.#remove(),
        (outcome) => ({ outcome }),
      );
    } finally {
      this.#finish();
    }
  }

  #trace(cause: ReleaseCause): ReleaseTrace {
    return {
      lockPath: this.lockPath,
      nonce: this.#lock.nonce,
      cause,
      heldMs: this.heldMs,
      maxHoldMs: this.#maxHoldMs,
    };
  }

  async #remove(): Promise<ReleaseOutcome> {
    const deadline = this.#now() + RELEASE_PATIENCE_MS;
    let obstacle: unknown = null;
    for (let attempts = 1; ; attempts++) {
      try {
        const attempt: ReleaseAttempt = tryRelease(this.lockPath, this.#lock, this.#fs);
        if (attempt.kind === "not-ours") this.#lose("taken over");
        if (attempt.kind !== "busy") return attempt.kind;
        obstacle = attempt.error ?? null;
      } catch (error) {
        obstacle = error;
      }
      if (this.#now() >= deadline) break;
      // Read-only by now, or full: what the few tries before did not get, two seconds more do not bring.
      if (attempts >= PROMPT_ATTEMPTS && isLasting(obstacle)) break;
      // A process in the guard is there for microseconds, as a rule.
      await (attempts < PROMPT_ATTEMPTS ? nextTurn() : delay(2 + Math.random() * 6));
      // By the thread's end, which the process has outlived.
      if (this.#ended) return "removed";
    }
    if (this.#moveAside()) return "removed";
    this.#giveUpRemoving(obstacle);
    return "left";
  }

  /** Where unlinking fails for good a rename may still succeed; a sweep finds the rest. */
  #moveAside(): boolean {
    try {
      const attempt = tryRelease(this.lockPath, this.#lock, this.#fs, moveAside);
      return attempt.kind === "removed";
    } catch {
      return false;
    }
  }

  /**
   * The file stays. Where others see by the kernel lock that it is free, that is no harm; anywhere else it looks
   * held for as long as this process lives.
   */
  #giveUpRemoving(obstacle: unknown): void {
    const cause = obstacle ?? new Error(printable(`guard busy: ${guardPathOf(this.lockPath)}`));
    if (this.#lock.showsWhenFree) {
      this.#warn(`left for others to remove: ${this.lockPath} (${describe(cause)})`);
      return;
    }
    throw new SessionWriteLockFileError(this.lockPath, cause);
  }

  /** {@link SessionWriteLock.withFence} */
  withFence<T>(write: () => T): T {
    const deadline = this.#now() + FENCE_PATIENCE_MS;
    for (;;) {
      const guard = this.#tryEnterGuard();
      if (guard.kind === "busy") {
        if (this.#now() >= deadline) {
          const owner = printable(`guard busy: ${guardPathOf(this.lockPath)}`);
          throw new SessionWriteLockTimeoutError(FENCE_PATIENCE_MS, owner, this.lockPath);
        }
        waitSynchronously(0.5 + Math.random());
        continue;
      }
      try {
        this.assertOurs();
        const result = write();
        if (isThenable(result)) {
          throw typeError(
            "ERR_INVALID_RETURN_VALUE",
            "write must be synchronous, got a promise from it",
          );
        }
        return result;
      } finally {
        guard.leave();
      }
    }
  }

  #tryEnterGuard(): Guard | BusyGuard {
    try {
      return tryEnterAsHolder(this.lockPath, this.#lock, this.#fs);
    } catch (cause) {
      // Gone with its directory, or another's by now.
      this.assertOurs();
      throw new SessionWriteLockFileError(this.lockPath, cause);
    }
  }

  /** @throws SessionWriteLockLostError when this is over, or only for the handle that asks */
  checkOpen(isReleased: boolean): void {
    if (this.#loss !== null) throw this.#loss;
    if (isReleased || !this.isHeld) throw new SessionWriteLockLostError("released", this.lockPath);
  }

  /** {@link SessionWriteLock.assertHeld} */
  assertOurs(): void {
    if (orFileError(this.lockPath, () => isStillOwn(this.lockPath, this.#lock, this.#fs))) return;
    traceSync(
      traces.release,
      () => this.#trace("displaced"),
      () => this.#lose("taken over"),
      (): ReleaseTraceResult => ({ outcome: "not-ours" }),
    );
    this.#finish();
    throw this.#loss;
  }

  #lose(why: string): void {
    if (this.#loss !== null) return;
    this.#loss = new SessionWriteLockLostError(why, this.lockPath);
    this.#lost?.abort(this.#loss);
  }

  /** {@link SessionWriteLock.lost} */
  lostSignal(): AbortSignal {
    this.#lost ??= new AbortController();
    if (this.#loss !== null && !this.#lost.signal.aborted) this.#lost.abort(this.#loss);
    return this.#lost.signal;
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopOverdueTimer?.();
    closeQuietly(this.#lock.fd, this.#fs);
    forgetHeldLock(this);
    this.#onEnd();
  }
}

/**
 * What an acquire gives. Its functions may be handed around on their own, so they are the instance's; but no
 * accessor is, which V8 would make anew, slowly, for each acquisition.
 */
class Handle implements SessionWriteLock {
  readonly lockPath: string;
  readonly sessionFile: string;
  readonly #hold: Hold;
  #released: Promise<void> | null = null;

  constructor(hold: Hold) {
    this.lockPath = hold.lockPath;
    this.sessionFile = hold.sessionFile;
    this.#hold = hold;
  }

  get lost(): AbortSignal {
    return this.#hold.lostSignal();
  }

  readonly release = (): Promise<void> => (this.#released ??= this.#hold.close());

  readonly withFence = <T>(write: () => T): T => {
    checkFunction("write", write);
    this.#hold.checkOpen(this.#released !== null);
    return this.#hold.withFence(write);
  };

  readonly assertHeld = (): void => {
    this.#hold.checkOpen(this.#released !== null);
    this.#hold.assertOurs();
  };

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

function describe(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.message : String(error));
}
