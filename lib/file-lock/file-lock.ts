/** A held lock in neutral words: the session lock's handle, its errors translated. */
import { checkFunction } from "../util/check-values.js";
import type { SessionWriteLock } from "../lock/hold.js";
import { inNeutralWords, type LockedThing } from "./errors.js";

/** A lock, held until {@link FileLock.release} or the end of the process. */
export interface FileLock extends AsyncDisposable {
  /** The path that was given, made absolute. */
  readonly path: string;
  /**
   * The lock file: `<path>.lock`, or the pid file itself, without symbolic links on its way; beside a link's target
   * when `path` is one and `resolveLinks` was not false.
   */
  readonly lockPath: string;
  /**
   * Aborts with a {@link FileLockLostError} when the watchdog has released the lock or a contender took it over,
   * noticed at the latest at the next assertHeld, withFence, release or look of the watchdog (once a minute).
   */
  readonly lost: AbortSignal;
  /**
   * Gives the lock up and removes its file, if it still is this one. Calling it again does nothing.
   *
   * @throws FileLockFileError (rejection) when the file could neither be removed nor be left in a state in which
   *   others can see that nobody holds it.
   */
  release(): Promise<void>;
  /**
   * Runs a synchronous `write` only while the lock is provably still this one, atomically: no contender can
   * take it over before `write` returns.
   *
   * @throws FileLockLostError when it is not, with nothing written; FileLockTimeoutError when another process is
   *   at work on the lock for 50 ms; TypeError when `write` returns a promise; whatever `write` throws.
   */
  withFence<T>(write: () => T): T;
  /**
   * A look whether the lock is still this one: a check, not a fence.
   *
   * @throws FileLockLostError when it is not.
   */
  assertHeld(): void;
}

export function asFileLock(lock: SessionWriteLock, thing: LockedThing): FileLock {
  let lost: AbortSignal | undefined;
  const release = async (): Promise<void> => {
    try {
      await lock.release();
    } catch (error) {
      throw inNeutralWords(error, thing);
    }
  };
  return {
    path: lock.sessionFile,
    lockPath: lock.lockPath,
    get lost() {
      return (lost ??= translated(lock.lost, thing));
    },
    release,
    withFence(write) {
      checkFunction("write", write);
      // What `write` throws is the caller's, whatever it is: its own locks' errors keep their names.
      let thrown: { readonly error: unknown } | null = null;
      try {
        return lock.withFence(() => {
          try {
            return write();
          } catch (error) {
            thrown = { error };
            throw error;
          }
        });
      } catch (error) {
        throw thrown === null ? inNeutralWords(error, thing) : error;
      }
    },
    assertHeld() {
      try {
        lock.assertHeld();
      } catch (error) {
        throw inNeutralWords(error, thing);
      }
    },
    [Symbol.asyncDispose]: release,
  };
}

/** The same signal with its reason in neutral words. */
function translated(signal: AbortSignal, thing: LockedThing): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(inNeutralWords(signal.reason, thing));
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return controller.signal;
}
