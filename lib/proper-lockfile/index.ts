/**
 * The interface of the package proper-lockfile on the locks of this one: a holder's life decides, not the age of a
 * directory.
 *
 * @packageDocumentation
 */
import { check, checkSync, lock, lockSync, unlock, unlockSync } from "./lock.js";

export type { LockError, LockErrorCode } from "./errors.js";
export { check, checkSync, lock, lockSync, unlock, unlockSync } from "./lock.js";
export type { CheckOptions, LockOptions, RetryOptions, UnlockOptions } from "./options.js";

/** The function `lock`, with all functions as its properties. */
export type ProperLockfile = typeof lock & {
  readonly lock: typeof lock;
  readonly unlock: typeof unlock;
  readonly check: typeof check;
  readonly lockSync: typeof lockSync;
  readonly unlockSync: typeof unlockSync;
  readonly checkSync: typeof checkSync;
};

const properLockfile: ProperLockfile = Object.assign(
  (...args: Parameters<typeof lock>): ReturnType<typeof lock> => lock(...args),
  { lock, unlock, check, lockSync, unlockSync, checkSync },
);

export default properLockfile;
// What `require` gives, as of the package itself (Node 20.19 and 22.13 on).
export { properLockfile as "module.exports" };
