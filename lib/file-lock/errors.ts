/** The errors of file locks: what the lock's own errors say, in neutral words. */
import {
  describeObstacle,
  type LockObstacle,
  SessionWriteLockError,
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../session-lock/errors.js";
import { printable } from "../util/printable.js";

export type FileLockErrorCode =
  | "FILE_LOCK_TIMEOUT"
  | "FILE_LOCK_STALE"
  | "FILE_LOCK_LOST"
  | "FILE_LOCK_FILE";

/** What is locked, as messages call it. */
export type LockedThing = "file" | "pid file";

/** What all errors of file locks and pid files have in common. What a terminal would obey is escaped in messages, not in fields. */
export abstract class FileLockError extends Error {
  abstract readonly code: FileLockErrorCode;
  readonly lockPath: string;

  constructor(message: string, lockPath: string, options?: ErrorOptions) {
    super(printable(message), options);
    this.lockPath = lockPath;
  }
}

/** The budget is used up; the lock is, as far as is known, rightly held. Trying again later is reasonable. */
export class FileLockTimeoutError extends FileLockError {
  override readonly name = "FileLockTimeoutError";
  readonly code = "FILE_LOCK_TIMEOUT";
  /** How long was waited for the holder, as asked for, milliseconds. */
  readonly timeoutMs: number;
  /** `pid=N alive=true|false ageMs=N`, or `owner=unknown`. */
  readonly owner: string;
  /** The holder's pid; null when it is not known. */
  readonly pid: number | null;
  /**
   * `directory`: that is what lies at the lock's path, another library's lock, held or left. It names no owner and is
   * never removed here. null: nothing of that kind.
   */
  readonly obstacle: LockObstacle | null;

  constructor(
    thing: LockedThing,
    timeoutMs: number,
    owner: string,
    lockPath: string,
    obstacle: LockObstacle | null = null,
  ) {
    const text = `${thing} locked (timeout ${String(timeoutMs)}ms): ${owner} ${lockPath}`;
    super(text + describeObstacle(obstacle), lockPath);
    this.timeoutMs = timeoutMs;
    this.owner = owner;
    this.pid = pidOf(owner);
    this.obstacle = obstacle;
  }
}

/** The lock is stale, and removing it is not safe or not ours to decide. */
export class FileLockStaleError extends FileLockError {
  override readonly name = "FileLockStaleError";
  readonly code = "FILE_LOCK_STALE";
  readonly owner: string;
  /** The pid that the lock names; null when it names none. */
  readonly pid: number | null;
  /** Never empty: `["unknown"]` where no reason is known. */
  readonly staleReasons: readonly string[];
  /** Why the lock was kept; see the table of reasons in `pidentity/session-lock`. */
  readonly keptReason: string | null;

  constructor(
    thing: LockedThing,
    staleReasons: readonly string[],
    owner: string,
    lockPath: string,
    keptReason: string | null,
  ) {
    super(`${thing} lock stale (${staleReasons.join(", ")}): ${owner} ${lockPath}`, lockPath);
    this.owner = owner;
    this.pid = pidOf(owner);
    this.staleReasons = staleReasons;
    this.keptReason = keptReason;
  }
}

/** This holder's lock is no longer its own: released by the watchdog, or taken over because it was overdue. */
export class FileLockLostError extends FileLockError {
  override readonly name = "FileLockLostError";
  readonly code = "FILE_LOCK_LOST";

  constructor(thing: LockedThing, why: string, lockPath: string) {
    super(`${thing} lock lost (${why}): ${lockPath}`, lockPath);
  }
}

/** The file system refused, or what is in the way is no lock. */
export class FileLockFileError extends FileLockError {
  override readonly name = "FileLockFileError";
  readonly code = "FILE_LOCK_FILE";
  /** Null when it was not a system call that failed. */
  readonly syscall: string | null;

  constructor(
    thing: LockedThing,
    lockPath: string,
    cause: unknown,
    syscall: string | null = null,
    verb: "lock" | "read" = "lock",
  ) {
    const message = cause instanceof Error ? cause.message : String(cause);
    super(`cannot ${verb} ${thing} (${message}): ${lockPath}`, lockPath, { cause });
    this.syscall = syscall;
  }
}

/** The same error in neutral words; anything else as it is. */
export function inNeutralWords(error: unknown, thing: LockedThing): unknown {
  if (!(error instanceof SessionWriteLockError)) return error;
  const { lockPath } = error;
  if (error instanceof SessionWriteLockTimeoutError) {
    const { timeoutMs, owner, obstacle } = error;
    return new FileLockTimeoutError(thing, timeoutMs, owner, lockPath, obstacle);
  }
  if (error instanceof SessionWriteLockStaleError) {
    const { staleReasons, owner, keptReason } = error;
    return new FileLockStaleError(thing, staleReasons, owner, lockPath, keptReason);
  }
  if (error instanceof SessionWriteLockLostError) {
    return new FileLockLostError(thing, error.why, lockPath);
  }
  if (error instanceof SessionWriteLockFileError) {
    return new FileLockFileError(thing, lockPath, error.cause, error.syscall);
  }
  return error;
}

function pidOf(owner: string): number | null {
  const digits = /^pid=(\d+) /.exec(owner)?.[1];
  return digits === undefined ? null : Number(digits);
}
