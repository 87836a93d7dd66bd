/**
 * The guard of a lock file `L`: only the one process inside it changes what `L` names.
 *
 * Why it exists. "Read the lock, decide that its owner is dead, unlink it" lets two reclaimers remove one
 * after the other, the second one a lock that was taken in between: measured with 8 processes, 8–20 %
 * of contended reclaims end with two holders. Renaming the file aside and verifying it there is no better
 * (10–15 %). The look and the removal have to be one step, and only something that the kernel takes
 * back from a dead process can make them one without ever wedging: a guard *directory* stays behind.
 *
 * There are two kinds, which know nothing of each other: the lock file itself, on Linux's local file systems
 * (guard-inode.ts), and a guard file beside it (guard-file.ts). Which of them a process must enter before it may
 * remove a file follows from what the file says ({@link guardsOf}), never from what the process can do; so all
 * processes on one file system take the same. Either way a crash at any instruction gives the guard back: the kernel
 * closes the descriptor. A process that is *stopped* inside delays that one lock until it is continued or killed. The
 * guard is held for microseconds, never across an await.
 */
import { printable } from "../../util/printable.js";
import type { FileSystemKind } from "./file-system-kind.js";
import type { LockAttempt } from "./lock-fs.js";
import type { LockPayload } from "./payload.js";

export interface Guard {
  readonly kind: "entered";
  /** This process has the lock file itself kernel-locked, which shows that no other has (guard-by-link.ts). */
  readonly hasLockItself?: true;
  /** @param isClosing - The descriptor of the lock is closed next, which takes its locks along. */
  leave(isClosing?: boolean): void;
}

/**
 * Another process is inside. With an `error` (Windows) none need be: a delete that is pending, a virus scanner, or
 * a file or directory that this process may not touch; only time tells which.
 */
export interface BusyGuard {
  readonly kind: "busy";
  /** The file that is the guard. */
  readonly guardPath: string;
  readonly error?: Error;
}

/**
 * `unavailable`: this file system or process has no guard.
 * `refused`: it has one, as far as is known, and did not let this process in for a reason that may pass or be this
 * process's alone (out of locks, a server that does not answer, a sandbox). Another process may be inside.
 */
export type GuardAttempt =
  | Guard
  | BusyGuard
  | { readonly kind: "unavailable" | "refused"; readonly error: GuardRefusal };

/** The kernel lock on the guard was refused, and not because another process has it. */
export class GuardRefusal extends Error {
  override readonly name = "GuardRefusal";
  /** An errno's name. */
  readonly code: string;
  readonly syscall = "flock";
  readonly path: string;

  constructor(code: string, guardPath: string) {
    super(printable(`${code}: the kernel lock was refused, flock '${guardPath}'`));
    this.code = code;
    this.path = guardPath;
  }
}

const NEVER_LOCKABLE: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP", "EINVAL"]);

/** Whether a refusal says that the file system has no such locks, for any process. */
export function isLockless(lock: LockAttempt): boolean {
  return typeof lock !== "string" && NEVER_LOCKABLE.has(lock.refused);
}

/** This process has none: no addon, or a sandbox whose kernel does not know the call. */
export const NOT_FOR_US = "ENOSYS";

export function notEntered(code: string, guardPath: string): GuardAttempt {
  const isUnavailable = code === NOT_FOR_US || NEVER_LOCKABLE.has(code);
  return {
    kind: isUnavailable ? "unavailable" : "refused",
    error: new GuardRefusal(code, guardPath),
  };
}

/**
 * What must be entered before a file at a lock's path may be removed. `foreign`: a later version's guard, or one on the
 * other side of a file system that keeps its locks to itself.
 */
export type Guards = "inode" | "file" | "both" | "foreign";

/** What {@link LockPayload.guard} says where the lock file is its own guard. */
export const INODE_GUARD = "inode";

/** Whether a lock file can be its own guard on some file system there. */
export function canGuardByInode(platform: NodeJS.Platform): boolean {
  // macOS lets the two kinds of kernel locks see each other, Windows has one.
  return platform === "linux" || platform === "android";
}

/** Whether locks that are made there have themselves as their guard. */
export function hasInodeGuards(platform: NodeJS.Platform, kind: FileSystemKind): boolean {
  return canGuardByInode(platform) && kind === "local";
}

/**
 * A lock of this package says which kind it has; it is complete before it has a name, or was written inside its guard
 * file. A file without a payload may be one that is being written there: it takes both. A plain lock is never
 * one of those.
 *
 * @param payload - null: the file has none that can be read.
 */
export function guardsOf(
  payload: Pick<LockPayload, "guard" | "nonce"> | null,
  kind: FileSystemKind,
  platform: NodeJS.Platform,
): Guards {
  const guard = payload?.guard ?? null;
  if (guard !== null && guard !== INODE_GUARD) return "foreign";
  const isInodeGuarded = guard === INODE_GUARD;
  if (hasInodeGuards(platform, kind)) {
    if (payload === null) return "both";
    return isInodeGuarded || payload.nonce === null ? "inode" : "file";
  }
  // Of a disk, seen through something that is none (bindfs): processes at the disk do not know a guard file's lock.
  if (isInodeGuarded) return "foreign";
  // Which kind it is could not be asked, perhaps by this process alone.
  const isUnsure = kind === "unlisted" && canGuardByInode(platform);
  return isUnsure && (payload?.nonce ?? null) === null ? "both" : "file";
}
