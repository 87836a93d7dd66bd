/**
 * Removes another holder's lock: the second look and the unlink are one step, inside the guard.
 *
 * While `L` exists no process can publish another one in its place, and only the process inside the guard
 * removes it; so what was verified in here is what gets unlinked.
 */
import { errorCode, isDiskFull, isTransientOnWindows, isVanished } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import { lookAtForeignGuard, removeForeignGuard } from "./foreign-guard.js";
import { type GuardAttempt, tryEnterGuard } from "./guard.js";
import { tryEnterThroughLock } from "./guard-by-link.js";
import { asidePathOf, foreignGuardPathOf, guardPathOf } from "./names.js";
import { newNonce } from "./nonce.js";

export type RemovalAttempt =
  | { readonly kind: "removed" }
  /**
   * Another process is changing this lock; try again soon. With an `error` (Windows): the file or its guard
   * cannot be touched now, and perhaps never; a caller that runs out of patience reports it. With a
   * `guardPath`: it is that guard which is busy, not the lock's own.
   */
  | { readonly kind: "busy"; readonly error?: Error; readonly guardPath?: string }
  /** `isStillRemovable` said no, or the lock is gone. */
  | { readonly kind: "changed" }
  /** There are no kernel locks here; `code` says why. */
  | { readonly kind: "no-guard"; readonly code: string };

/**
 * Tries once; never waits.
 *
 * @param isStillRemovable - Reads the lock again and judges it by fresh facts; called inside the guard, with the
 *   file calls to use there.
 * @throws the file system's error when the guard cannot be created or the lock not be removed, GuardRefusal when
 *   the guard's kernel lock is refused for a reason that may pass; on Windows EPERM, EACCES and EBUSY are `busy`
 *   instead
 */
export function tryRemoveLock(
  lockPath: string,
  fs: LockFs,
  isStillRemovable: (inside: LockFs) => boolean,
  platform: NodeJS.Platform = process.platform,
): RemovalAttempt {
  // The process that made it is about to change this lock.
  const foreign = foreignGuardPathOf(lockPath);
  const isForeignThere = fs.exists(foreign);
  const isForeignBusy = (): boolean => isForeignThere && lookAtForeignGuard(foreign, fs) === "busy";
  if (isForeignBusy()) return { kind: "busy", guardPath: foreign };
  const guard = tryEnterToRemove(lockPath, fs, platform);
  if (guard === null) return { kind: "changed" };
  switch (guard.kind) {
    case "busy":
      return guard;
    case "unavailable":
      return { kind: "no-guard", code: guard.error.code };
    case "refused":
      throw guard.error;
    case "entered":
  }
  try {
    if (isForeignBusy()) return { kind: "busy", guardPath: foreign };
    // What another descriptor of this process has locked itself no other has: it was free to be locked.
    const calls: LockFs = guard.hasLockItself ? { ...fs, probe: () => "acquired" } : fs;
    if (!isStillRemovable(calls)) return { kind: "changed" };
    if (isForeignThere) removeForeignGuard(foreign, fs);
    return freeName(lockPath, fs, platform);
  } catch (error) {
    // A program that does not know the guard removed it meanwhile.
    if (errorCode(error) === "ENOENT") return { kind: "changed" };
    throw error;
  } finally {
    guard.leave();
  }
}

/** null: the lock is gone. */
function tryEnterToRemove(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform,
): GuardAttempt | null {
  try {
    return tryEnterGuard(lockPath, fs, platform);
  } catch (error) {
    // A directory that was deleted has taken the lock with it.
    if (isVanished(error) && !fs.exists(lockPath)) return null;
    if (!isDiskFull(error)) throw error;
    return enterFull(lockPath, fs, platform, error);
  }
}

function enterFull(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform,
  refusal: unknown,
): GuardAttempt | null {
  let attempt: ReturnType<typeof tryEnterThroughLock>;
  try {
    attempt = tryEnterThroughLock(lockPath, guardPathOf(lockPath), fs, platform);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw refusal;
  }
  if (attempt === null) throw refusal;
  return attempt;
}

/**
 * Frees the lock's name. Call only inside its guard, or as the holder where there is no guard.
 *
 * On Windows an unlinked name stays taken while any process has the file open; a renamed one is free.
 *
 * @throws the file system's error; on Windows EPERM, EACCES and EBUSY are `busy` instead
 */
export function freeName(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): RemovalAttempt {
  if (platform === "win32") return moveAside(lockPath, fs);
  try {
    fs.unlink(lockPath);
  } catch (error) {
    // In here no other process takes it away: what is gone went by this call, whose answer got lost (EIO), or
    // which a network file system repeated (ENOENT).
    if (!isGone(lockPath, fs)) throw error;
  }
  return { kind: "removed" };
}

function isGone(path: string, fs: LockFs): boolean {
  try {
    return fs.lstat(path) === null;
  } catch {
    return false;
  }
}

/** Frees the name by a rename, then removes what is left, if that can be done now. */
export function moveAside(lockPath: string, fs: LockFs): RemovalAttempt {
  const aside = asidePathOf(lockPath, newNonce());
  try {
    fs.rename(lockPath, aside);
  } catch (error) {
    // Opened by a program that does not share deletion, being deleted, or forbidden.
    if (isTransientOnWindows(error)) return { kind: "busy", error: error as Error };
    // A network file system repeated it: the first answer got lost.
    if (errorCode(error) !== "ENOENT" || !fs.exists(aside)) throw error;
  }
  try {
    fs.unlink(aside);
  } catch {
    // Held by a virus scanner, perhaps: the lock is gone all the same, a sweep finds the rest.
  }
  return { kind: "removed" };
}
