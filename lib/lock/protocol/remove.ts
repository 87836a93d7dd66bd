/**
 * Removes another holder's lock: the second look and the unlink are one step, inside the guard.
 *
 * While `L` exists no process can publish another one in its place, and only the process inside the guard
 * removes it; so what was verified in here is what gets unlinked.
 */
import { errorCode, isDiskFull, isTransientOnWindows, isVanished } from "../../util/error-code.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { lookAtForeignGuard, removeForeignGuard } from "./foreign-guard.js";
import { type BusyGuard, type Guard, type GuardAttempt, type Guards, notEntered } from "./guard.js";
import { tryEnterThroughLock } from "./guard-by-link.js";
import { tryEnterGuardFile } from "./guard-file.js";
import { tryEnterInode } from "./guard-inode.js";
import { asidePathOf, foreignGuardPathOf, guardFilePathOf } from "./names.js";
import { newNonce } from "./nonce.js";

export type RemovalAttempt =
  | { readonly kind: "removed" }
  /**
   * Another process is changing this lock; try again soon. With an `error` (Windows): the file or its guard
   * cannot be touched now, and perhaps never; a caller that runs out of patience reports it.
   */
  | BusyGuard
  /** `isStillRemovable` said no, or the lock is gone. */
  | { readonly kind: "changed" }
  /** There are no kernel locks here; `code` says why. */
  | { readonly kind: "no-guard"; readonly code: string };

/** The file that was judged to be removable. */
export interface JudgedFile {
  readonly lockPath: string;
  readonly guards: Guards;
  /** It, still open, and closed by the caller right afterwards; null: the guard is not the file itself. */
  readonly fd: number | null;
}

/** What the look inside the guard is made with. */
export interface InsideGuard {
  /** The file that the lock's name leads to. */
  readonly fd: number;
  /** That was seen in here, not only by opening it. */
  readonly isNamed: boolean;
  readonly fs: LockFs;
}

/**
 * Tries once; never waits.
 *
 * @param isStillRemovable - Reads the lock again and judges it by fresh facts; called inside the guard.
 * @throws the file system's error when the guard cannot be created or the lock not be removed, GuardRefusal when
 *   the guard's kernel lock is refused for a reason that may pass; on Windows EPERM, EACCES and EBUSY are `busy`
 *   instead
 */
export function tryRemoveLock(
  file: JudgedFile,
  fs: LockFs,
  isStillRemovable: (inside: InsideGuard) => boolean,
  platform: NodeJS.Platform = process.platform,
): RemovalAttempt {
  const { lockPath } = file;
  // The process that made it is about to change this lock.
  const foreign = foreignGuardPathOf(lockPath);
  const isForeignThere = fs.exists(foreign);
  const isForeignBusy = (): boolean => isForeignThere && lookAtForeignGuard(foreign, fs) === "busy";
  if (isForeignBusy()) return { kind: "busy", guardPath: foreign };
  const guard = tryEnterToRemove(file, fs, platform);
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
  let isRemoved = false;
  try {
    if (isForeignBusy()) return { kind: "busy", guardPath: foreign };
    // What another descriptor of this process has locked itself no other has: it was free to be locked.
    const calls: LockFs = guard.hasLockItself ? { ...fs, probe: () => "acquired" } : fs;
    if (!looksRemovable(file, calls, isStillRemovable)) return { kind: "changed" };
    if (isForeignThere) removeForeignGuard(foreign, fs);
    const removal = freeName(lockPath, fs, platform);
    isRemoved = removal.kind === "removed";
    return removal;
  } catch (error) {
    // A program that does not know the guard removed it meanwhile.
    if (errorCode(error) === "ENOENT") return { kind: "changed" };
    throw error;
  } finally {
    guard.leave(isRemoved);
  }
}

/** Inside: where the judged file is open, it is the one that must have the name. */
function looksRemovable(
  { lockPath, fd }: JudgedFile,
  fs: LockFs,
  isStillRemovable: (inside: InsideGuard) => boolean,
): boolean {
  if (fd !== null) return fs.isNamed(lockPath, fd) && isStillRemovable({ fd, fs, isNamed: true });
  const opened = fs.openForReading(lockPath);
  try {
    return isStillRemovable({ fd: opened, fs, isNamed: false });
  } finally {
    closeQuietly(opened, fs);
  }
}

/** null: the lock is gone. */
function tryEnterToRemove(
  { lockPath, guards, fd }: JudgedFile,
  fs: LockFs,
  platform: NodeJS.Platform,
): GuardAttempt | null {
  switch (guards) {
    case "foreign":
      return notEntered("ENOTSUP", lockPath);
    case "file":
      return tryEnterFile(lockPath, fs, platform);
    case "inode":
      return tryEnterInode(lockPath, openOf(fd), fs);
    case "both": {
      const outer = tryEnterFile(lockPath, fs, platform);
      if (outer === null || outer.kind !== "entered" || outer.hasLockItself) return outer;
      return within(outer, () => tryEnterInode(lockPath, openOf(fd), fs));
    }
  }
}

function openOf(fd: number | null): number {
  if (fd === null) throw new TypeError("the file that is its own guard must be open");
  return fd;
}

/** Both, or neither. */
function within(outer: Guard, tryEnter: () => GuardAttempt): GuardAttempt {
  let inner: GuardAttempt | null = null;
  try {
    inner = tryEnter();
  } finally {
    if (inner?.kind !== "entered") outer.leave();
  }
  if (inner.kind !== "entered") return inner;
  const entered = inner;
  return {
    kind: "entered",
    leave: (isClosing) => {
      entered.leave(isClosing);
      outer.leave();
    },
  };
}

/** null: the lock is gone. */
function tryEnterFile(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform,
): GuardAttempt | null {
  try {
    return tryEnterGuardFile(lockPath, fs, platform);
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
    attempt = tryEnterThroughLock(lockPath, guardFilePathOf(lockPath), fs, platform);
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
    if (isTransientOnWindows(error)) {
      return { kind: "busy", guardPath: guardFilePathOf(lockPath), error: error as Error };
    }
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
