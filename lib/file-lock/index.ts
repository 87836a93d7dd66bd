/**
 * One process at a time: the lock of any file, and pid files for daemons.
 *
 * @packageDocumentation
 */
export { acquireFileLock } from "./acquire-file-lock.js";
export { acquirePidFile } from "./acquire-pid-file.js";
export { breakLock } from "./break-lock.js";
export { LockNotBrokenError } from "../lock/break-error.js";
export type { BreakLockOptions } from "../lock/break-options.js";
export type { BreakRefusal } from "../lock/break-refusal.js";
export type { BrokenLock } from "../lock/break.js";
export {
  FileLockError,
  type FileLockErrorCode,
  FileLockFileError,
  FileLockLostError,
  FileLockStaleError,
  FileLockTimeoutError,
  type LockedThing,
} from "./errors.js";
export type { FileLock } from "./file-lock.js";
export { type PidFileOwner, readPidFile } from "./read-pid-file.js";
export { releaseAllLocks } from "./release-all-locks.js";
export type { AcquireFileLockOptions, AcquirePidFileOptions } from "./options.js";
export type { LockObstacle } from "../lock/failure.js";
export type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
export type { ReadOwnerProcessArgs } from "../lock/verdict/owner-args.js";
export { heldLocks } from "../lock/held-locks.js";
export type { HeldLockSummary } from "../lock/held-lock.js";
export type { WaitingForLock } from "../lock/plan.js";
export { nativeStatus, type NativeStatus } from "../process/backends/select-backend.js";
