/** The whole life of a lock around one function. */
import type { WithLease } from "../lease/for-lock.js";
import { checkFunction } from "../util/check-values.js";
import { acquireSessionWriteLock } from "./acquire.js";
import type { AcquireSessionWriteLockOptions } from "./acquire-options.js";
import type { LeasedSessionWriteLock, SessionWriteLock } from "./write-lock.js";

/**
 * Acquires, runs `run`, releases, also when `run` throws.
 *
 * @throws (rejection) what {@link acquireSessionWriteLock} or `run` rejects with; when only the release
 *   fails, its error.
 */
export function withSessionWriteLock<T>(
  options: AcquireSessionWriteLockOptions & WithLease,
  run: (lock: LeasedSessionWriteLock) => T | Promise<T>,
): Promise<T>;
/** The same without a lease above it, or perhaps without. */
export function withSessionWriteLock<T>(
  options: AcquireSessionWriteLockOptions,
  run: (lock: SessionWriteLock) => T | Promise<T>,
): Promise<T>;
export async function withSessionWriteLock<T>(
  options: AcquireSessionWriteLockOptions,
  run: (lock: LeasedSessionWriteLock) => T | Promise<T>,
): Promise<T> {
  checkFunction("run", run);
  const lock = await acquireSessionWriteLock(options);
  let result: T;
  try {
    // Where a caller counts on its lease there is one.
    result = await run(lock as LeasedSessionWriteLock);
  } catch (error) {
    // The error of `run` is the cause, and the one that is reported.
    await lock.release().catch(() => {});
    throw error;
  }
  await lock.release();
  return result;
}
