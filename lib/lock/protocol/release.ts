/** Removes the holder's own lock, and no other: the look at the nonce and the removal are one step. */
import { errorCode } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import type { BusyGuard } from "./guard.js";
import { tryEnterAsHolder } from "./holder-guard.js";
import type { Published } from "./new-lock-file.js";
import { isLockAt } from "./read.js";
import { freeName, type RemovalAttempt } from "./remove.js";

/** `not-ours`: the file is gone or another acquisition's. `busy`: another process is in the guard, or has the file. */
export type ReleaseAttempt = { readonly kind: "removed" | "not-ours" } | BusyGuard;

/**
 * Tries once; never waits.
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
  try {
    if (!isStillOwn(lockPath, lock, fs)) return { kind: "not-ours" };
    const removal = freeOwn(lockPath, lock, fs, free);
    return removal.kind === "busy" ? removal : { kind: "removed" };
  } finally {
    guard.leave();
  }
}

function freeOwn(
  lockPath: string,
  own: Pick<Published, "nonce" | "text">,
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

/**
 * Whether the lock is still this one. False, too, when its directory is gone or its name is that of something else
 * than a file.
 *
 * @throws the file system's error when a file is there and cannot be read
 */
export function isStillOwn(
  lockPath: string,
  own: Pick<Published, "nonce" | "text">,
  fs: LockFs,
): boolean {
  try {
    return isLockAt(lockPath, own, fs);
  } catch (error) {
    if (NO_FILE.has(errorCode(error))) return false;
    throw error;
  }
}

// A directory, a symbolic link, a socket; or a file in the place of the lock's directory.
const NO_FILE: ReadonlySet<string | undefined> = new Set(["EISDIR", "ELOOP", "ENXIO", "ENOTDIR"]);
