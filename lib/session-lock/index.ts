/**
 * Session lock files: which process holds a lock, whether it is stale, and removing it without ever removing
 * another holder's.
 *
 * @packageDocumentation
 */
export { acquireSessionWriteLock, acquireSessionWriteLockSync } from "./acquire.js";
export type {
  AcquireSessionWriteLockOptions,
  AcquireSessionWriteLockSyncOptions,
} from "./acquire-options.js";
export type { ReclaimedEvidence, ReclaimedLock, WaitingForLock } from "../lock/plan.js";
export { breakLock } from "./break-lock.js";
export { LockNotBrokenError } from "../lock/break-error.js";
export { LockInFenceError } from "../lock/fence-error.js";
export type { BreakLockOptions } from "../lock/break-options.js";
export type { BreakRefusal } from "../lock/break-refusal.js";
export type { BrokenLock } from "../lock/break.js";
export type { ClassifiedKeptReason } from "../lock/verdict/classify.js";
export {
  classifySessionLock,
  type SessionLockClassification,
  type SessionLockFacts,
} from "./classify.js";
export {
  describeOwner,
  describeSessionLockFailure,
  isSessionWriteLockAcquireError,
  isSessionWriteLockStaleError,
  isSessionWriteLockTimeoutError,
  type SessionLockFailure,
  SessionWriteLockError,
  type SessionWriteLockErrorCode,
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "./errors.js";
export type { LockLease } from "../lock/lease-above.js";
export type { LockLeaseOptions } from "../lease/for-lock.js";
export type { LeaseOfLock } from "../lock/protocol/lease-claim.js";
export type { Recognised } from "../util/find-error.js";
export type { Synchronous } from "../util/synchronous.js";
export type { LockLoss, LockObstacle } from "../lock/failure.js";
export { heldLocks } from "../lock/held-locks.js";
export type { HeldLockSummary } from "../lock/held-lock.js";
export { releaseAllLocks } from "./release-all-locks.js";
export { inspectSessionLock, type InspectSessionLockOptions } from "./inspect.js";
export type { HeldFrom } from "../lock/verdict/held-from.js";
export type { KeptReason } from "../lock/verdict/inspection.js";
export type { SessionLockInspection, StaleReason } from "./reasons.js";
export type { SweepCounts } from "./sweep/report.js";
export { isOpenClawArgv } from "./openclaw-owner.js";
export {
  type Environment,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  type ResolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
  type SessionWriteLockConfig,
  type SessionWriteLockLimits,
} from "./limits.js";
export type { KernelEvidence } from "../lock/verdict/kernel-evidence.js";
export type { OwnerJudgement, OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
export type { PlainLocks } from "../lock/verdict/plain-owner.js";
export type { ReadOwnerProcessArgs, ReadOwnerProcessArgsSync } from "../lock/verdict/owner-args.js";
export { formatPayload, parsePayload } from "./payload.js";
export type { LockPayload as SessionLockPayload } from "../lock/protocol/payload.js";
export type { SweepNotice } from "./sweep/notices.js";
export {
  type CleanedDirectory,
  type SweepSessionLocksOptions,
  type SweepSessionLocksResult,
  type SweptDirectory,
  sweepSessionLocks,
} from "./sweep/startup-sweep.js";
export { cleanStaleLockFiles, type CleanStaleLockFilesResult } from "./sweep/sweep.js";
export type {
  CleanStaleLockFilesOptions,
  SweepLog,
  SweepOptions,
  SweepProgress,
} from "./sweep/options.js";
export type {
  AcquireTraceResult,
  ReclaimEvidence,
  ReleaseCause,
  ReleaseOutcome,
  ReleaseTrace,
  ReleaseTraceResult,
} from "../lock/trace.js";
export type { AcquireTrace, ReclaimTrace, ReclaimTraceResult, SweepTrace } from "./trace.js";
export { withSessionWriteLock } from "./with-lock.js";
export type { LeasedSessionWriteLock, SessionWriteLock } from "./write-lock.js";
export { nativeStatus, type NativeStatus } from "../process/backends/select-backend.js";
