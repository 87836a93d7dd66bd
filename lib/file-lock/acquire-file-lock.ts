/** The lock of any file. */
import { acquireByPlan, acquireByPlanAtOnce } from "./acquire.js";
import type { WithLease } from "../lease/for-lock.js";
import type { FileLock, LeasedFileLock } from "./file-lock.js";
import {
  type AcquireFileLockOptions,
  type AcquireFileLockSyncOptions,
  resolveFileLockOptions,
  resolveFileLockSyncOptions,
} from "./options.js";

/**
 * Takes the lock `<path>.lock` of any file, which need not exist.
 *
 * At most one process holds it, whatever crashes. A dead owner's lock is taken over at once; a live owner's
 * never is, unless it gave itself a `maxHoldMs` and is past it.
 *
 * @returns the lock; release it, or use `await using`.
 * @throws (rejection) FileLockTimeoutError when the budget is used up; FileLockStaleError when the lock is stale and
 *   must be kept; FileLockFileError when the file system refuses or something that is no lock is in the way; the
 *   signal's reason when aborted; TypeError or RangeError for bad options.
 */
export function acquireFileLock(
  options: AcquireFileLockOptions & WithLease,
): Promise<LeasedFileLock>;
/** The same without a lease above it, or perhaps without. */
export function acquireFileLock(options: AcquireFileLockOptions): Promise<FileLock>;
export async function acquireFileLock(options: AcquireFileLockOptions): Promise<FileLock> {
  return await acquireByPlan(resolveFileLockOptions(options), "file");
}

/**
 * {@link acquireFileLock} for where nothing can be awaited. Waiting stops the thread, so by default (`timeoutMs: 0`) it
 * does not wait for a holder. A lock that this thread holds already, or is about to take, is never waited for: that is a
 * timeout at once.
 *
 * @returns the same; release it by `releaseSync`, or use `using`.
 * @throws what {@link acquireFileLock} rejects with; TypeError when `readOwnerProcessArgs` answers with a promise.
 */
export function acquireFileLockSync(options: AcquireFileLockSyncOptions): FileLock {
  return acquireByPlanAtOnce(resolveFileLockSyncOptions(options), "file");
}
