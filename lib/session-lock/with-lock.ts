/** The whole life of a lock around one function. */
import { checkFunction } from "../util/check-values.js";
import { acquireSessionWriteLock } from "./acquire.js";
import type { AcquireSessionWriteLockOptions } from "./acquire-options.js";
import type { SessionWriteLock } from "./write-lock.js";

/**
 * Acquires, runs `run`, releases, also when `run` throws.
 *
 * @throws (rejection) what {@link acquireSessionWriteLock} or `run` rejects with; when only the release
 *   fails, its error.
 */
export async function withSessionWriteLock<T>(
  options: AcquireSessionWriteLockOptions,
  run: (lock: SessionWriteLock) => T | Promise<T>,
): Promise<T> {
  checkFunction("run", run);
  const lock = await acquireSessionWriteLock(options);
  let result: T;
  try {
    result = await run(lock);
  } catch (error) {
    // The error of `run` is the cause, and the one that is reported.
    await lock.release().catch(() => {});
    throw error;
  }
  await lock.release();
  return result;
}
