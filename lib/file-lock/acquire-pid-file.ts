/** A daemon's pid file. */
import { acquireByPlan, acquireByPlanAtOnce } from "./acquire.js";
import type { FileLock } from "./file-lock.js";
import {
  type AcquirePidFileOptions,
  type AcquirePidFileSyncOptions,
  resolvePidFileOptions,
  resolvePidFileSyncOptions,
} from "./options.js";

/**
 * Publishes a pid file: as long as this process lives, or until it releases it, no other process can publish the
 * same one. The file is the lock; it says, as JSON, which process this is.
 *
 * A dead daemon's pid file is taken over at once, also when its pid belongs to another process by now. One that
 * another program wrote, a bare pid included, is respected while that pid is alive.
 *
 * @returns the held pid file; it is removed by `release()` and when the process exits.
 * @throws (rejection) FileLockTimeoutError when another process holds it, with its `pid`; FileLockStaleError when the
 *   file is stale and must be kept; FileLockFileError when the file system refuses or the file is no pid file; the
 *   signal's reason when aborted; TypeError or RangeError for bad options.
 */
export async function acquirePidFile(options: AcquirePidFileOptions): Promise<FileLock> {
  return await acquireByPlan(resolvePidFileOptions(options), "pid file");
}

/**
 * {@link acquirePidFile} for where nothing can be awaited. Waiting stops the thread, so by default (`timeoutMs: 0`) it
 * does not wait for a holder. A lock that this thread holds already, or is about to take, is never waited for: that is a
 * timeout at once.
 *
 * @returns the same; release it by `releaseSync`, or use `using`.
 * @throws what {@link acquirePidFile} rejects with; TypeError when `readOwnerProcessArgs` answers with a promise.
 */
export function acquirePidFileSync(options: AcquirePidFileSyncOptions): FileLock {
  return acquireByPlanAtOnce(resolvePidFileSyncOptions(options), "pid file");
}
