/** Removes the holder's own lock, and no other: the look at the nonce and the removal are one step. */
import { errorCode } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import { type BusyGuard, INODE_GUARD } from "./guard.js";
import { tryEnterAsHolder } from "./holder-guard.js";
import type { Published } from "./new-lock-file.js";
import { isLockAt } from "./read.js";
import { freeName, type RemovalAttempt } from "./remove.js";

/** `not-ours`: the file is gone or another acquisition's. `busy`: another process is in the guard, or has the file. */
export type ReleaseAttempt = { readonly kind: "removed" | "not-ours" } | BusyGuard;

const NOT_OURS = { kind: "not-ours" } as const;

/**
 * Tries once; never waits. Unless it throws or is `busy`, the caller closes the descriptor next.
 *
 * @param free - How the name is freed.
 * @throws the file system's error, or the guard's refusal (see holder-guard.ts)
 */
export function tryRelease(
  lockPath: string,
  lock: Published,
  fs: LockFs,
  free: (lockPath: string, fs: LockFs) => RemovalAttempt = freeName,
): ReleaseAttempt {
  let guard: ReturnType<typeof tryEnterAsHolder>;
  try {
    guard = tryEnterAsHolder(lockPath, lock, fs);
  } catch (error) {
    // It takes no guard to leave alone what is gone with its directory, or another's.
    if (!isStillOwn(lockPath, lock, fs)) return { kind: "not-ours" };
    throw error;
  }
  if (guard.kind === "busy") return guard;
  let isOver = false;
  try {
    const removal = isStillOwn(lockPath, lock, fs) ? freeOwn(lockPath, lock, fs, free) : NOT_OURS;
    if (removal.kind === "busy") return removal;
    // The hold ends with this, and its descriptor.
    isOver = true;
    return removal.kind === "not-ours" ? removal : { kind: "removed" };
  } finally {
    guard.leave(isOver);
  }
}

function freeOwn(
  lockPath: string,
  own: OwnLock,
  fs: LockFs,
  free: (lockPath: string, fs: LockFs) => RemovalAttempt,
): RemovalAttempt {
  try {
    return free(lockPath, fs);
  } catch (error) {
    // In here no other process takes it away: what is gone went by this call, whose answer got lost (EIO), or
    // which a network file system repeated (ENOENT).
    if (isStillOwn(lockPath, own, fs)) throw error;
    return { kind: "removed" };
  }
}

/** What tells a holder its own lock. */
export type OwnLock = Pick<Published, "fd" | "nonce" | "text" | "guard" | "stamp" | "fileId">;

/**
 * Whether the lock is still this one. False, too, when its directory is gone or its name is that of something else
 * than a file.
 *
 * Where the file is its own guard, only the file itself is the lock, no copy of it: the guard of one is not the
 * other's. One that was not written to since it was published says what it said.
 *
 * @throws the file system's error when a file is there and cannot be read
 */
export function isStillOwn(lockPath: string, own: OwnLock, fs: LockFs): boolean {
  if (own.guard === INODE_GUARD) {
    if (own.stamp !== null && fs.stampAt(lockPath) === own.stamp) return true;
    // As a rule it is gone, or another's. But it may have been written to, or cannot be seen.
    if (isAbsent(lockPath, fs) || !fs.isNamed(lockPath, own.fd)) return false;
  }
  try {
    return isLockAt(lockPath, own, fs);
  } catch (error) {
    if (NO_FILE.has(errorCode(error))) return false;
    throw error;
  }
}

/** @throws the file system's error when that cannot be seen */
function isAbsent(lockPath: string, fs: LockFs): boolean {
  try {
    return fs.lstat(lockPath) === null;
  } catch (error) {
    if (NO_FILE.has(errorCode(error))) return true;
    throw error;
  }
}

// A directory, a symbolic link, a socket; or a file in the place of the lock's directory.
const NO_FILE: ReadonlySet<string | undefined> = new Set(["EISDIR", "ELOOP", "ENXIO", "ENOTDIR"]);
