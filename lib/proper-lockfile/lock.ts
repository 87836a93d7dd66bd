/** Taking, giving back and looking at locks by proper-lockfile's interface, in both forms. */
import { acquireFileLock, acquireFileLockSync } from "../file-lock/acquire-file-lock.js";
import {
  checkFileLock,
  checkFileLockSync,
  type FileLockStatus,
} from "../file-lock/check-file-lock.js";
import type { FileLock } from "../file-lock/file-lock.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { runtimeMs } from "../util/clocks.js";
import { delay } from "../util/timers.js";
import { FileLockTimeoutError } from "../file-lock/errors.js";
import { lockError, whyNotLocked } from "./errors.js";
import { Held, heldOf } from "./held.js";
import { directoryAt, removeIfLeft } from "./leftover.js";
import {
  type CheckOptions,
  type LockOptions,
  staleMsOf,
  type Target,
  targetOf,
  type UnlockOptions,
  updateMsOf,
} from "./options.js";
import { scheduleOf } from "./retries.js";

/**
 * Takes the lock of a file, which must exist unless `realpath` is false.
 *
 * Between two attempts it waits for the holder: a lock that becomes free is taken then, not at the next attempt.
 *
 * @returns gives it back; rejects with the code `ERELEASED` when that was done already, or the lock was lost.
 * @throws (rejection) with the code `ELOCKED` when it is held; the file system's error; TypeError or RangeError for bad
 *   options.
 */
export async function lock(file: string, options?: LockOptions): Promise<() => Promise<void>> {
  const target = targetOf(file, options);
  const { delays, limitMs } = scheduleOf(options?.retries);
  const startedAt = runtimeMs();
  let timeoutMs = 0;
  for (;;) {
    let failure: unknown;
    try {
      const taken = await acquireFileLock({ ...lockOf(target, options), timeoutMs });
      const held = hold(taken, target, options);
      return () => held.release();
    } catch (error) {
      failure = error;
    }
    const { value: delayMs } = delays.next();
    if (delayMs === undefined || runtimeMs() - startedAt >= limitMs) {
      throw whyNotLocked(failure, target.file);
    }
    // Only a holder is waited for: what else is in the way is looked at again after the delay.
    const isHeld = failure instanceof FileLockTimeoutError;
    timeoutMs = isHeld ? delayMs : 0;
    if (!isHeld) await delay(delayMs);
  }
}

/**
 * {@link lock} that stops the thread; `retries` are refused.
 *
 * @throws what {@link lock} rejects with; with the code `ESYNC` for `retries`.
 */
export function lockSync(file: string, options?: LockOptions): () => void {
  const target = targetOf(file, options);
  refuseRetries(options);
  try {
    const held = hold(acquireFileLockSync(lockOf(target, options)), target, options);
    return () => held.releaseSync();
  } catch (error) {
    throw whyNotLocked(error, target.file);
  }
}

/**
 * Gives back a lock that this thread has taken.
 *
 * @throws (rejection) with the code `ENOTACQUIRED` when it has not; the file system's error.
 */
export async function unlock(file: string, options?: UnlockOptions): Promise<void> {
  await heldOf(targetOf(file, options).file).release();
}

/** {@link unlock} that stops the thread. */
export function unlockSync(file: string, options?: UnlockOptions): void {
  const target = targetOf(file, options);
  refuseRetries(options);
  heldOf(target.file).releaseSync();
}

/**
 * Whether the file is locked now, by a holder that lives as far as is known.
 *
 * @throws (rejection) the file system's error; TypeError or RangeError for bad options.
 */
export async function check(file: string, options?: CheckOptions): Promise<boolean> {
  const target = targetOf(file, options);
  return isLocked(await checkFileLock(placeOf(target)), options);
}

/** {@link check} at once. */
export function checkSync(file: string, options?: CheckOptions): boolean {
  const target = targetOf(file, options);
  refuseRetries(options);
  return isLocked(checkFileLockSync(placeOf(target)), options);
}

function isLocked(status: FileLockStatus, options: CheckOptions | undefined): boolean {
  const { lockPath, locked, obstacle, error } = status;
  if (obstacle === "directory")
    return directoryAt(lockPath, staleMsOf(options), realLockFs) === "fresh";
  if (error !== null) throw error;
  // A file that is no lock is in the way of one.
  return locked || obstacle !== null;
}

interface Place {
  readonly path: string;
  readonly lockPath: string;
  readonly resolveLinks: false;
}

function placeOf({ file, lockPath }: Target): Place {
  return { path: file, lockPath, resolveLinks: false };
}

/** What the acquisition is asked for, after a directory that was left is out of its way. */
function lockOf(target: Target, options: LockOptions | undefined): Place {
  removeIfLeft(target.lockPath, staleMsOf(options), realLockFs);
  return placeOf(target);
}

function hold(taken: FileLock, { file }: Target, options: LockOptions | undefined): Held {
  return new Held({
    file,
    lock: taken,
    updateMs: updateMsOf(options),
    staleMs: staleMsOf(options),
    onCompromised: options?.onCompromised ?? throwIt,
  });
}

function throwIt(error: Error): never {
  throw error;
}

function refuseRetries(options: LockOptions | undefined): void {
  const { retries } = options ?? {};
  const count = typeof retries === "object" ? (retries?.retries ?? 0) : (retries ?? 0);
  if (count > 0) throw lockError("ESYNC");
}
