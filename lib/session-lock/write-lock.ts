/** A session's write lock: the engine's handle, with the session's own names. */
import { LockHandle } from "../lock/handle.js";
import type { HeldLock, LockFace } from "../lock/held-lock.js";
import type { LockLease } from "../lock/lease-above.js";
import type { Synchronous } from "../util/synchronous.js";
import { sessionLockError } from "./errors.js";

/** A session's write lock, held until {@link SessionWriteLock.release}. */
export interface SessionWriteLock extends AsyncDisposable, Disposable {
  readonly lockPath: string;
  readonly sessionFile: string;
  /** The lease above the lock, its epoch for resources that can refuse an older one; null: none. */
  readonly lease: LockLease | null;
  /**
   * Aborts with a {@link SessionWriteLockLostError} when the watchdog has released the lock or a contender
   * took it over, noticed at the latest at the next assertHeld, withFence, release or watchdog tick.
   */
  readonly lost: AbortSignal;
  /**
   * Gives the lock up and removes its file, if it still is this one. Calling it again does nothing.
   *
   * @throws SessionWriteLockFileError (rejection) when the file could neither be removed nor be left in a
   *   state in which other processes can see that it is free.
   */
  release(): Promise<void>;
  /**
   * The same at once; while another process is at work on the lock it stops the thread, 2 s at most.
   *
   * @throws SessionWriteLockFileError as {@link SessionWriteLock.release} rejects with it; LockInFenceError inside `withFence`.
   */
  releaseSync(): void;
  /**
   * Runs a synchronous `write` only while the lock is provably still this one, atomically: no contender can
   * take it over before `write` returns.
   *
   * @throws SessionWriteLockLostError when it is not, with nothing written, also when its directory is gone;
   *   SessionWriteLockTimeoutError, naming the guard, when another process keeps the guard for 50 ms;
   *   SessionWriteLockFileError, with nothing written, when the file system refuses, the guard's kernel lock
   *   included; TypeError when `write` returns a promise;
   *   LockInFenceError inside another `withFence` of the same lock; whatever `write` throws.
   */
  withFence<T>(write: Synchronous<T>): T;
  /**
   * A look whether the lock is still this one: a check, not a fence.
   *
   * @throws SessionWriteLockLostError when it is not; SessionWriteLockFileError when that cannot be seen.
   */
  assertHeld(): void;
}

/** A lock with a lease above it. */
export interface LeasedSessionWriteLock extends SessionWriteLock {
  readonly lease: LockLease;
}

class SessionLockHandle extends LockHandle implements SessionWriteLock {
  readonly sessionFile: string;

  constructor(hold: HeldLock) {
    super(hold, sessionLockError);
    this.sessionFile = hold.file;
  }
}

/** The session lock as a face of the engine. */
export const sessionLockFace: LockFace<SessionWriteLock> = {
  logTag: "session-write-lock",
  toError: sessionLockError,
  handleOf: (hold) => new SessionLockHandle(hold),
  traced: (sessionFile) => ({ sessionFile }),
};
