/** The write lock of a session file. */
import type { WithLease } from "../lease/for-lock.js";
import { acquireLock, acquireLockAtOnce } from "../lock/acquire.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import {
  type AcquireSessionWriteLockOptions,
  type AcquireSessionWriteLockSyncOptions,
  resolveAcquireOptions,
  resolveAcquireSyncOptions,
} from "./acquire-options.js";
import type { LeasedSessionWriteLock, SessionWriteLock } from "./write-lock.js";

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
export function acquireSessionWriteLock(
  options: AcquireSessionWriteLockOptions & WithLease,
): Promise<LeasedSessionWriteLock>;
/** The same without a lease above it, or perhaps without. */
export function acquireSessionWriteLock(
  options: AcquireSessionWriteLockOptions,
): Promise<SessionWriteLock>;
export async function acquireSessionWriteLock(
  options: AcquireSessionWriteLockOptions,
): Promise<SessionWriteLock> {
  return await acquireLock(resolveAcquireOptions(options), realLockFs);
}

/**
 * {@link acquireSessionWriteLock} for where nothing can be awaited: a command line, the start of a program, an `exit`
 * listener. Waiting stops the thread, so by default (`timeoutMs: 0`) it does not wait for a holder. A lock that this
 * thread holds already, or is about to take, is never waited for: that is a timeout at once.
 *
 * @returns the same lock; release it by `releaseSync`, or use `using`.
 * @throws what {@link acquireSessionWriteLock} rejects with; TypeError when `readOwnerProcessArgs` answers with a promise.
 */
export function acquireSessionWriteLockSync(
  options: AcquireSessionWriteLockSyncOptions,
): SessionWriteLock {
  return acquireLockAtOnce(resolveAcquireSyncOptions(options), realLockFs);
}
