/**
 * One process at a time: the lock of any file, and pid files for daemons.
 *
 * @packageDocumentation
 */
export { acquireFileLock, acquireFileLockSync } from "./acquire-file-lock.js";
export { acquirePidFile, acquirePidFileSync } from "./acquire-pid-file.js";
export {
  checkFileLock,
  type CheckFileLockOptions,
  checkFileLockSync,
  type CheckFileLockSyncOptions,
  type FileLockHolder,
  type FileLockObstacle,
  type FileLockStatus,
} from "./check-file-lock.js";
export { breakLock } from "./break-lock.js";
export { LockNotBrokenError } from "../lock/break-error.js";
export { LockInFenceError } from "../lock/fence-error.js";
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
export type { FileLock, LeasedFileLock } from "./file-lock.js";
export { type PidFileOwner, readPidFile } from "./read-pid-file.js";
export type { StaleReason } from "../session-lock/reasons.js";
export { releaseAllLocks } from "./release-all-locks.js";
export type {
  AcquireFileLockOptions,
  AcquireFileLockSyncOptions,
  AcquirePidFileOptions,
  AcquirePidFileSyncOptions,
} from "./options.js";
export type { LockLease } from "../lock/lease-above.js";
export type { LockLeaseOptions } from "../lease/for-lock.js";
export type { LeaseOfLock } from "../lock/protocol/lease-claim.js";
export type { Synchronous } from "../util/synchronous.js";
export type { LockLoss, LockObstacle } from "../lock/failure.js";
export type { KeptReason } from "../lock/verdict/inspection.js";
export type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
export type { KernelEvidence } from "../lock/verdict/kernel-evidence.js";
export type { ReclaimEvidence } from "../lock/trace.js";
export type { ReadOwnerProcessArgs, ReadOwnerProcessArgsSync } from "../lock/verdict/owner-args.js";
export { heldLocks } from "../lock/held-locks.js";
export type { HeldLockSummary } from "../lock/held-lock.js";
export type { ReclaimedEvidence, ReclaimedLock, WaitingForLock } from "../lock/plan.js";
export { nativeStatus, type NativeStatus } from "../process/backends/select-backend.js";
