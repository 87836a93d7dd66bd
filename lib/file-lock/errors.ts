/** The errors of file locks and pid files. */
import {
  causedBy,
  describeHolder,
  describeKept,
  describeObstacle,
  isOwn,
  type LockFailure,
  type LockHolder,
  type LockLoss,
  type LockObstacle,
  type LostFailure,
  pidOf,
  syscallOf,
} from "../lock/failure.js";
import type { KeptReason } from "../lock/verdict/inspection.js";
import { nameReasons } from "../session-lock/reasons.js";
import { messageOf } from "../util/argument-error.js";
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

interface TimeoutFacts {
  readonly lockPath: string;
  readonly timeoutMs: number;
  readonly holder: LockHolder;
  readonly obstacle: LockObstacle | null;
}

interface StaleFacts {
  readonly lockPath: string;
  readonly holder: LockHolder;
  readonly staleReasons: readonly string[];
  readonly keptReason: KeptReason | null;
}

interface FileFacts {
  readonly lockPath: string;
  readonly cause: unknown;
  readonly verb?: "lock" | "read";
}

/** The budget is used up; the lock is, as far as is known, rightly held. Trying again later is reasonable. */
export class FileLockTimeoutError extends FileLockError {
  override readonly name = "FileLockTimeoutError";
  readonly code = "FILE_LOCK_TIMEOUT";
  /** How long was waited for the holder, as asked for, milliseconds. */
  readonly timeoutMs: number;
  /** `pid=N alive=true|false ageMs=N`, of this process with a remark; or `owner=unknown`. For people. */
  readonly owner: string;
  /** The holder's pid; null when it is not known. */
  readonly pid: number | null;
  /** The holder is this very process: another caller, or another thread of it. */
  readonly isOwnProcess: boolean;
  /**
   * `directory`: that is what lies at the lock's path, another library's lock, held or left. It names no owner and is
   * never removed here. null: nothing of that kind.
   */
  readonly obstacle: LockObstacle | null;

  constructor(thing: LockedThing, { lockPath, timeoutMs, holder, obstacle }: TimeoutFacts) {
    const owner = describeHolder(holder);
    const text = `${thing} locked (timeout ${String(timeoutMs)}ms): ${owner} ${lockPath}`;
    super(text + describeObstacle(obstacle), lockPath);
    this.timeoutMs = timeoutMs;
    this.owner = owner;
    this.pid = pidOf(holder);
    this.isOwnProcess = isOwn(holder);
    this.obstacle = obstacle;
  }
}

/** The lock is stale, and removing it is not safe or not for a contender to decide. */
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

  constructor(thing: LockedThing, { lockPath, holder, staleReasons, keptReason }: StaleFacts) {
    const reasons = staleReasons.length === 0 ? ["unknown"] : staleReasons;
    const owner = describeHolder(holder);
    const text = `${thing} lock stale (${reasons.join(", ")}): ${owner} ${lockPath}`;
    super(text + describeKept(keptReason), lockPath);
    this.owner = owner;
    this.pid = pidOf(holder);
    this.staleReasons = reasons;
    this.keptReason = keptReason;
  }
}

/** This holder's lock is no longer its own: released by the watchdog, or taken over because it was overdue. */
export class FileLockLostError extends FileLockError {
  override readonly name = "FileLockLostError";
  readonly code = "FILE_LOCK_LOST";
  readonly loss: LockLoss;
  /** Of `taken-over`: the pid in the lock that is in its place; null: it names none. */
  readonly pid: number | null;

  constructor(thing: LockedThing, { why, lockPath, loss, pid, cause }: Omit<LostFailure, "kind">) {
    super(`${thing} lock lost (${why}): ${lockPath}`, lockPath, causedBy(cause));
    this.loss = loss;
    this.pid = pid;
  }
}

/** The file system refused, or what is in the way is no lock. */
export class FileLockFileError extends FileLockError {
  override readonly name = "FileLockFileError";
  readonly code = "FILE_LOCK_FILE";
  /** Null when it was not a system call that failed. */
  readonly syscall: string | null;

  constructor(thing: LockedThing, { lockPath, cause, verb = "lock" }: FileFacts) {
    const message = messageOf(cause);
    super(`cannot ${verb} ${thing} (${message}): ${lockPath}`, lockPath, { cause });
    this.syscall = syscallOf(cause);
  }
}

/** The engine's failure as an error of this entry. */
export function fileLockError(thing: LockedThing, failure: LockFailure): FileLockError {
  switch (failure.kind) {
    case "timeout":
      return new FileLockTimeoutError(thing, failure);
    case "stale": {
      const staleReasons = nameReasons(failure.staleReasons);
      return new FileLockStaleError(thing, { ...failure, staleReasons });
    }
    case "lost":
      return new FileLockLostError(thing, failure);
    case "file":
      return new FileLockFileError(thing, failure);
  }
}
