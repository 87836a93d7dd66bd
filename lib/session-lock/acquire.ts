/** The write lock of a session file. */
import { acquireLock } from "../lock/acquire.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { type AcquireSessionWriteLockOptions, resolveAcquireOptions } from "./acquire-options.js";
import type { SessionWriteLock } from "./write-lock.js";

/**
 * Takes the write lock of a session file.
 *
 * At most one process holds it, whatever crashes. A dead owner's lock is taken over at once. A live
 * owner's is never taken for its age; only one that is past the `maxHoldMs` that it wrote itself is
 * displaced, and its next fenced step fails before a byte is written.
 *
 * @returns the lock; release it, or use `await using`.
 * @throws (rejection) SessionWriteLockTimeoutError when the budget is used up;
 *   SessionWriteLockStaleError at once when the lock is stale and must be kept;
 *   SessionWriteLockFileError when the file system refuses; the signal's reason when aborted; TypeError or
 *   RangeError for bad options.
 */
export async function acquireSessionWriteLock(
  options: AcquireSessionWriteLockOptions,
): Promise<SessionWriteLock> {
  return await acquireLock(resolveAcquireOptions(options), realLockFs);
}
