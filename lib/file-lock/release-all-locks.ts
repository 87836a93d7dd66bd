/** Gives up all locks, and says in neutral words what went wrong. */
import { releaseAllLocks as releaseAll } from "../lock/held-locks.js";
import { inNeutralWords } from "./errors.js";

/**
 * Gives up every lock that this thread holds, session locks included, for a program that starts anew within its
 * process: `lost` aborts, the file goes, those who wait for it in this process get their turn. Resolves when all
 * are gone. Their handles stay: `release` does nothing any more, `withFence` and `assertHeld` throw
 * FileLockLostError.
 *
 * @throws FileLockFileError (rejection) when a lock could not be given up, as its own `release()` would; an
 *   AggregateError of those when it was more than one. All the others are gone by then.
 */
export async function releaseAllLocks(): Promise<void> {
  try {
    await releaseAll();
  } catch (error) {
    if (!(error instanceof AggregateError)) throw inNeutralWords(error, "file");
    const errors = error.errors.map((each: unknown) => inNeutralWords(each, "file"));
    throw new AggregateError(errors, error.message, { cause: error });
  }
}
