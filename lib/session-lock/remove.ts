/**
 * Removes somebody else's lock: the second look and the unlink are one step, inside the guard.
 *
 * While `L` exists nobody can publish another one in its place, and nobody but the guard's occupant
 * removes it; so what was verified in here is what gets unlinked.
 */
import { errorCode, isTransientOnWindows } from "../util/error-code.js";
import type { LockFs } from "../util/lock-fs.js";
import { tryEnterGuard } from "./guard.js";
import { newNonce } from "./nonce.js";

export type RemovalAttempt =
  | { readonly kind: "removed" }
  /**
   * Somebody is changing this lock; try again soon. With an `error` (Windows): the file or its guard
   * cannot be touched now, and perhaps never; whoever runs out of patience reports it.
   */
  | { readonly kind: "busy"; readonly error?: Error }
  /** `isStillRemovable` said no. */
  | { readonly kind: "changed" }
  /** Kernel locks are missing or refused here; `code` says why. */
  | { readonly kind: "no-guard"; readonly code: string };

/**
 * Tries once; never waits.
 *
 * @param isStillRemovable - Reads the lock again and judges it by fresh facts; called inside the guard.
 * @throws the file system's error when the guard cannot be created or the lock not be removed; on
 *   Windows EPERM, EACCES and EBUSY are `busy` instead
 */
export function tryRemoveLock(
  lockPath: string,
  fs: LockFs,
  isStillRemovable: () => boolean,
  platform: NodeJS.Platform = process.platform,
): RemovalAttempt {
  // Another library's guard for the same purpose: whoever made it is about to change this lock.
  if (fs.exists(`${lockPath}.reclaim`)) return { kind: "busy" };
  const guard = tryEnterGuard(lockPath, fs, platform);
  if (guard.kind === "busy") return guard;
  if (guard.kind === "unavailable") return { kind: "no-guard", code: guard.code };
  try {
    if (!isStillRemovable()) return { kind: "changed" };
    return freeName(lockPath, fs, platform);
  } catch (error) {
    // Somebody without our manners removed it under our hands; gone is gone.
    if (errorCode(error) === "ENOENT") return { kind: "changed" };
    throw error;
  } finally {
    guard.leave();
  }
}

/**
 * Frees the lock's name. Call only inside its guard, or for a lock of one's own where there is none.
 *
 * On Windows an unlinked name stays taken while anybody has the file open; a renamed one is free.
 *
 * @throws the file system's error; on Windows EPERM, EACCES and EBUSY are `busy` instead
 */
export function freeName(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): RemovalAttempt {
  if (platform === "win32") return moveAside(lockPath, fs);
  fs.unlink(lockPath);
  return { kind: "removed" };
}

/** Frees the name by a rename, then removes what is left, if that can be done now. */
export function moveAside(lockPath: string, fs: LockFs): RemovalAttempt {
  const aside = `${lockPath}.${newNonce()}.gone`;
  try {
    fs.rename(lockPath, aside);
  } catch (error) {
    // Opened by somebody who does not share deletion, being deleted, or forbidden.
    if (isTransientOnWindows(error)) return { kind: "busy", error: error as Error };
    throw error;
  }
  try {
    fs.unlink(aside);
  } catch {
    // Held by a virus scanner, perhaps: the lock is gone all the same, a sweep finds the rest.
  }
  return { kind: "removed" };
}
