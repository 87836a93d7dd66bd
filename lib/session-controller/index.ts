/**
 * The writes of a run, kept safe while its session lock is given up around a model call or an abort.
 *
 * @packageDocumentation
 */
export { createSessionController, type SessionController } from "./controller.js";
export {
  isSessionTakeoverError,
  SessionFileOwnerTimeoutError,
  SessionTakeoverError,
  type SessionTakeoverFinding,
  type SessionTakeoverReason,
  SessionWriteScopeError,
} from "./errors.js";
export type { Recognised } from "../util/find-error.js";
export type { Synchronous } from "../util/synchronous.js";
export type { IsBenignChange } from "./fence/fence.js";
export type { RunWrite, SessionWrite } from "./writes/fenced-write.js";
export {
  acquireSessionFileOwner,
  type AcquireSessionFileOwnerOptions,
  type SessionFileOwner,
} from "./file-owner.js";
export type { SessionFileFingerprint } from "./fence/fingerprint.js";
export type { ControlledLock, SessionCleanupLock } from "./locks/acquired-lock.js";
export type {
  AcquireControlledLock,
  ControllerLockOptions,
  SessionControllerOptions,
} from "./options.js";
export { withPromptReleased } from "./prompt.js";
