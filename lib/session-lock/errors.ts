/** The lock's errors, and how a host tells them from its other failures. */
import { findErrorByCode, type Recognised } from "../util/find-error.js";
import { messageOf } from "../util/argument-error.js";
import { checkArgument, checkFields, type OptionChecks } from "../util/check-options.js";
import { checkBoolean, checkNumber, checkPositiveInteger, nullable } from "../util/check-values.js";
import { printable } from "../util/printable.js";
import {
  causedBy,
  describeHolder,
  describeObstacle,
  holderOf,
  isOwn,
  type LockFailure,
  type LockLoss,
  type LockObstacle,
  pidOf,
  syscallOf,
  UNKNOWN_HOLDER,
} from "../lock/failure.js";
import { nameReasons, type SessionLockInspection } from "./reasons.js";

export type SessionWriteLockErrorCode =
  | "SESSION_WRITE_LOCK_TIMEOUT"
  | "SESSION_WRITE_LOCK_STALE"
  | "SESSION_WRITE_LOCK_LOST"
  | "SESSION_WRITE_LOCK_FILE";

/** What all errors of the write lock have in common. What a terminal would obey is escaped in messages, not in fields. */
export abstract class SessionWriteLockError extends Error {
  abstract readonly code: SessionWriteLockErrorCode;
  readonly lockPath: string;

  constructor(message: string, lockPath: string, options?: ErrorOptions) {
    super(printable(message), options);
    this.lockPath = lockPath;
  }
}

/** What a timeout knows beside its text; by default nothing. */
interface SessionLockTimeoutFacts {
  readonly obstacle?: LockObstacle | null;
  readonly pid?: number | null;
  readonly isOwnProcess?: boolean;
}

/** The budget is used up; the lock is, as far as is known, rightly held. Trying again later is reasonable. */
export class SessionWriteLockTimeoutError extends SessionWriteLockError {
  override readonly name = "SessionWriteLockTimeoutError";
  readonly code = "SESSION_WRITE_LOCK_TIMEOUT";
  readonly timeoutMs: number;
  /** `pid=N alive=true|false ageMs=N`, of this process with a remark; or `owner=unknown`. For people. */
  readonly owner: string;
  /** The holder is this very process: another caller, or another thread of it. */
  readonly isOwnProcess: boolean;
  /**
   * `directory`: that is what lies at the lock's path, another library's lock, held or left. It names no owner and is
   * never removed here. null: nothing of that kind.
   */
  readonly obstacle: LockObstacle | null;
  /** Of the process that holds it, as its lock says; null: none is named. */
  readonly pid: number | null;

  constructor(
    timeoutMs: number,
    owner: string,
    lockPath: string,
    { obstacle = null, pid = null, isOwnProcess = false }: SessionLockTimeoutFacts = {},
  ) {
    const text = `session file locked (timeout ${String(timeoutMs)}ms): ${owner} ${lockPath}`;
    super(text + describeObstacle(obstacle), lockPath);
    this.timeoutMs = timeoutMs;
    this.owner = owner;
    this.isOwnProcess = isOwnProcess;
    this.obstacle = obstacle;
    this.pid = pid;
  }
}

/** The lock is stale, and removing it is not safe or not for a contender to decide. */
export class SessionWriteLockStaleError extends SessionWriteLockError {
  override readonly name = "SessionWriteLockStaleError";
  readonly code = "SESSION_WRITE_LOCK_STALE";
  readonly owner: string;
  /** Never empty: `["unknown"]` where no reason is known. */
  readonly staleReasons: readonly string[];
  /** Why the lock was kept, by the sweep's name for it. */
  readonly keptReason: string | null;
  /** Of the process that the lock names; null: it names none. */
  readonly pid: number | null;

  constructor(
    staleReasons: readonly string[],
    owner: string,
    lockPath: string,
    keptReason: string | null = null,
    options?: ErrorOptions & { readonly pid?: number | null },
  ) {
    const reasons = staleReasons.length === 0 ? ["unknown"] : staleReasons;
    super(
      `session file lock stale (${reasons.join(", ")}): ${owner} ${lockPath}`,
      lockPath,
      options,
    );
    this.owner = owner;
    this.staleReasons = reasons;
    this.keptReason = keptReason;
    this.pid = options?.pid ?? null;
  }
}

/** This holder's lock is no longer its own: released by the watchdog, or taken over because it was overdue. */
export class SessionWriteLockLostError extends SessionWriteLockError {
  override readonly name = "SessionWriteLockLostError";
  readonly code = "SESSION_WRITE_LOCK_LOST";
  /** For people, e.g. `taken over by pid 4711`. */
  readonly why: string;
  /** The same as a fact; null: not told. */
  readonly loss: LockLoss | null;
  /** Of `taken-over`: the pid in the lock that is in its place; null: it names none. */
  readonly pid: number | null;

  /** @param cause - Where the lease above the lock was lost, the LeaseLostError. */
  constructor(
    why: string,
    lockPath: string,
    cause?: unknown,
    {
      loss = null,
      pid = null,
    }: { readonly loss?: LockLoss | null; readonly pid?: number | null } = {},
  ) {
    super(`session write lock lost (${why}): ${lockPath}`, lockPath, causedBy(cause));
    this.why = why;
    this.loss = loss;
    this.pid = pid;
  }
}

/** The file system refused: disk full, directory read-only or forbidden, and the like. */
export class SessionWriteLockFileError extends SessionWriteLockError {
  override readonly name = "SessionWriteLockFileError";
  readonly code = "SESSION_WRITE_LOCK_FILE";
  readonly syscall: string | null;

  constructor(lockPath: string, cause: unknown) {
    const message = messageOf(cause);
    super(`cannot lock session file (${message}): ${lockPath}`, lockPath, { cause });
    this.syscall = syscallOf(cause);
  }
}

/** The engine's failure as an error of this entry. */
export function sessionLockError(failure: LockFailure): SessionWriteLockError {
  const { lockPath } = failure;
  switch (failure.kind) {
    case "timeout": {
      const { timeoutMs, holder, obstacle } = failure;
      return new SessionWriteLockTimeoutError(timeoutMs, describeHolder(holder), lockPath, {
        obstacle,
        pid: pidOf(holder),
        isOwnProcess: isOwn(holder),
      });
    }
    case "stale": {
      const { staleReasons, holder, keptReason } = failure;
      const owner = describeHolder(holder);
      const reasons = nameReasons(staleReasons);
      const pid = pidOf(holder);
      return new SessionWriteLockStaleError(reasons, owner, lockPath, keptReason, { pid });
    }
    case "lost":
      return new SessionWriteLockLostError(failure.why, lockPath, failure.cause, failure);
    case "file":
      return new SessionWriteLockFileError(lockPath, failure.cause);
  }
}

const HOLDER_CHECKS: OptionChecks<Pick<SessionLockInspection, "pid" | "pidAlive" | "ageMs">> = {
  pid: nullable(checkPositiveInteger),
  pidAlive: checkBoolean,
  ageMs: nullable(checkNumber),
};

function checkHolderFacts(field: string, value: unknown): void {
  checkFields(value, HOLDER_CHECKS, field);
}

/** The owner as error messages show it. */
export function describeOwner(inspection: SessionLockInspection | null): string {
  checkArgument("inspection", inspection, nullable(checkHolderFacts));
  return describeHolder(inspection === null ? UNKNOWN_HOLDER : holderOf(inspection));
}

/** True for a timeout of the write lock, also wrapped in other errors, and for look-alikes of that code. */
export function isSessionWriteLockTimeoutError(
  error: unknown,
): error is Recognised<SessionWriteLockTimeoutError> {
  return findErrorByCode(error, ["SESSION_WRITE_LOCK_TIMEOUT"]) !== null;
}

/** True for a stale lock that was kept, also wrapped in other errors, and for look-alikes of that code. */
export function isSessionWriteLockStaleError(
  error: unknown,
): error is Recognised<SessionWriteLockStaleError> {
  return findErrorByCode(error, ["SESSION_WRITE_LOCK_STALE"]) !== null;
}

/** True for either reason not to get the lock. */
export function isSessionWriteLockAcquireError(
  error: unknown,
): error is Recognised<SessionWriteLockTimeoutError | SessionWriteLockStaleError> {
  return (
    findErrorByCode(error, ["SESSION_WRITE_LOCK_TIMEOUT", "SESSION_WRITE_LOCK_STALE"]) !== null
  );
}

export interface SessionLockFailure {
  readonly kind: "timeout" | "stale" | "lost";
  /** A lost lock is not: what the holder was doing may have been done by another since. */
  readonly retryable: boolean;
  readonly lockPath: string | null;
}

const FAILURES = {
  SESSION_WRITE_LOCK_TIMEOUT: { kind: "timeout", retryable: true },
  SESSION_WRITE_LOCK_STALE: { kind: "stale", retryable: true },
  SESSION_WRITE_LOCK_LOST: { kind: "lost", retryable: false },
} as const;

/**
 * Tells lock contention from everything else that can fail during a run, e.g. the model. Looks through
 * `cause` chains and AggregateErrors.
 *
 * @returns null when no error of the write lock is in there.
 */
export function describeSessionLockFailure(error: unknown): SessionLockFailure | null {
  const codes = Object.keys(FAILURES) as (keyof typeof FAILURES)[];
  const found = findErrorByCode(error, codes);
  if (found === null) return null;
  const { kind, retryable } = FAILURES[found.code];
  return { kind, retryable, lockPath: lockPathOf(found.error) };
}

function lockPathOf(error: object): string | null {
  return "lockPath" in error && typeof error.lockPath === "string" ? error.lockPath : null;
}
