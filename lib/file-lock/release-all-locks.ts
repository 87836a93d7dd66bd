/** Gives up all locks of the thread. */
import { drainLocks } from "../lock/held-locks.js";
import { fileLockError } from "./errors.js";

/**
 * Gives up every lock that this thread holds, session locks included, for a program that starts anew within its
 * process: `lost` aborts, the file goes, acquisitions in this process that wait for it go on. Resolves when all
 * are gone. Their handles stay: `release` does nothing any more, `withFence` and `assertHeld` throw
 * FileLockLostError.
 *
 * @throws FileLockFileError (rejection) when a lock could not be given up, as its own `release()` would; an
 *   AggregateError of those when it was more than one. All the others are gone by then.
 */
export async function releaseAllLocks(): Promise<void> {
  await drainLocks((failure) => fileLockError("file", failure));
}
