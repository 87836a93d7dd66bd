/** A held file lock: the engine's handle, with this entry's own names. */
import { LockHandle } from "../lock/handle.js";
import type { HeldLock, LockFace } from "../lock/held-lock.js";
import type { LockLease } from "../lock/lease-above.js";
import type { Synchronous } from "../util/synchronous.js";
import { fileLockError, type LockedThing } from "./errors.js";

/** A lock, held until {@link FileLock.release} or the end of the process. */
export interface FileLock extends AsyncDisposable, Disposable {
  /** The path that was given, made absolute. */
  readonly path: string;
  /**
   * The lock file: `<path>.lock`, or the pid file itself, without symbolic links on its way; beside a link's target
   * when `path` is one and `resolveLinks` was not false.
   */
  readonly lockPath: string;
  /** The lease above the lock, its epoch for resources that can refuse an older one; null: none. */
  readonly lease: LockLease | null;
  /**
   * Aborts with a {@link FileLockLostError} when the watchdog has released the lock or a contender took it over,
   * noticed at the latest at the next assertHeld, withFence, release or look of the watchdog (once a minute).
   */
  readonly lost: AbortSignal;
  /**
   * Gives the lock up and removes its file, if it still is this one. Calling it again does nothing.
   *
   * @throws FileLockFileError (rejection) when the file could neither be removed nor be left in a state in which
   *   other processes can see that it is free.
   */
  release(): Promise<void>;
  /**
   * The same at once; while another process is at work on the lock it stops the thread, 2 s at most.
   *
   * @throws FileLockFileError as {@link FileLock.release} rejects with it; LockInFenceError inside `withFence`.
   */
  releaseSync(): void;
  /**
   * Runs a synchronous `write` only while the lock is provably still this one, atomically: no contender can
   * take it over before `write` returns.
   *
   * @throws FileLockLostError when it is not, with nothing written; FileLockTimeoutError when another process is
   *   at work on the lock for 50 ms; TypeError when `write` returns a promise;
   *   LockInFenceError inside another `withFence` of the same lock; whatever `write` throws.
   */
  withFence<T>(write: Synchronous<T>): T;
  /**
   * A look whether the lock is still this one: a check, not a fence.
   *
   * @throws FileLockLostError when it is not.
   */
  assertHeld(): void;
}

/** A lock with a lease above it. */
export interface LeasedFileLock extends FileLock {
  readonly lease: LockLease;
}

class FileLockHandle extends LockHandle implements FileLock {
  readonly path: string;

  constructor(hold: HeldLock, toError: LockFace<FileLock>["toError"]) {
    super(hold, toError);
    this.path = hold.file;
  }
}

function faceOf(thing: LockedThing): LockFace<FileLock> {
  const toError: LockFace<FileLock>["toError"] = (failure) => fileLockError(thing, failure);
  return {
    logTag: "file-lock",
    toError,
    handleOf: (hold) => new FileLockHandle(hold, toError),
    // The first key is the one that subscribers of session locks know.
    traced: (path) => ({ sessionFile: path, path }),
  };
}

/** The two things that can be locked, as faces of the engine. */
export const FACES: Readonly<Record<LockedThing, LockFace<FileLock>>> = {
  file: faceOf("file"),
  "pid file": faceOf("pid file"),
};
