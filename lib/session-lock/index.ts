/**
 * Session lock files: who holds this lock, is it stale, and removing it without ever hitting somebody
 * else's.
 *
 * @packageDocumentation
 */
export { acquireSessionWriteLock } from "../lock/acquire.js";
export type { AcquireSessionWriteLockOptions, WaitingForLock } from "./acquire-options.js";
export {
  type ClassifiedKeptReason,
  classifySessionLock,
  type SessionLockClassification,
  type SessionLockFacts,
  type StaleReason,
} from "../lock/verdict/classify.js";
export {
  describeOwner,
  describeSessionLockFailure,
  isSessionWriteLockAcquireError,
  isSessionWriteLockStaleError,
  isSessionWriteLockTimeoutError,
  type LockObstacle,
  type SessionLockFailure,
  SessionWriteLockError,
  type SessionWriteLockErrorCode,
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "./errors.js";
export { heldLocks, type HeldLockSummary, releaseAllLocks } from "../lock/held-locks.js";
export { inspectSessionLock, type InspectSessionLockOptions } from "./inspect.js";
export type { KeptReason, SessionLockInspection, SweepCounts } from "../lock/verdict/inspection.js";
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
export type {
  KernelEvidence,
  OwnerJudgement,
  OwnerReason,
  OwnerState,
  PlainLocks,
} from "../lock/verdict/owner.js";
export type { ReadOwnerProcessArgs } from "../lock/verdict/owner-args.js";
export { formatPayload, parsePayload, type SessionLockPayload } from "../lock/protocol/payload.js";
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
  AcquireTrace,
  AcquireTraceResult,
  ReclaimEvidence,
  ReclaimTrace,
  ReclaimTraceResult,
  ReleaseCause,
  ReleaseOutcome,
  ReleaseTrace,
  ReleaseTraceResult,
  SweepTrace,
} from "../lock/trace.js";
export { withSessionWriteLock } from "./with-lock.js";
export type { SessionWriteLock } from "../lock/hold.js";
export { nativeStatus, type NativeStatus } from "../process/backends/select-backend.js";
