/**
 * The guard where no file can be made for it: on a disk without a free inode, where nothing could be released or
 * reclaimed for as long as it is full, though each removal would free an inode.
 *
 * A second name needs no inode (ext4, xfs, btrfs; tmpfs counts names as well, and refuses it): `link(L, G)` makes the
 * lock file X itself the guard file. It never replaces, so at most one process makes it. To be inside a process must,
 * as ever, have the file that G names kernel-locked: a holder has, since before it published; a process that wants to
 * remove the lock of a dead owner locks X first, which it only can because the owner is gone. Then:
 *
 * - Every other process that comes meanwhile opens G and finds it locked: busy. A crash drops the lock, and G is an
 *   ordinary leftover guard, which the next process enters and removes.
 * - `link` goes by path: `L` may have changed hands in the microseconds before, and G is now a name of another
 *   lock Y. That is seen (G does not name X), and nothing is touched. G cannot be taken back: only a process inside
 *   may unlink it. It keeps all others out for as long as the holder of Y keeps its lock, and that holder, which
 *   finds G busy and sees that G names its own file, is inside by that very lock, and removes G when it leaves.
 *
 * Model-checked like the rest ("a disk without free inodes").
 */
import { errorCode } from "../../util/error-code.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { fileSystemOf } from "./file-system-kind.js";
import type { BusyGuard, Guard } from "./guard.js";

/**
 * @param fd - Of the lock file, kernel-locked by this process.
 * @throws the file system's error when there is no room for the name either
 */
export function tryEnterByLink(
  lockPath: string,
  guardPath: string,
  fd: number,
  fs: LockFs,
): Guard | BusyGuard {
  try {
    fs.link(lockPath, guardPath);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  return insideByOwnLock(guardPath, fd, fs);
}

/** @param fd - Of the lock file, kernel-locked by this process. */
export function insideByOwnLock(guardPath: string, fd: number, fs: LockFs): Guard | BusyGuard {
  if (!fs.isNamed(guardPath, fd)) return { kind: "busy", guardPath };
  return {
    kind: "entered",
    leave: () => {
      try {
        fs.unlink(guardPath);
      } catch {
        // An ordinary leftover guard once the lock is dropped.
      }
    },
  };
}

/**
 * For a process that wants to remove another's lock.
 *
 * @returns null where that is no way in: a live process has it locked, or the file system is not a local one.
 * @throws the file system's error
 */
export function tryEnterThroughLock(
  lockPath: string,
  guardPath: string,
  fs: LockFs,
  platform: NodeJS.Platform,
): Guard | BusyGuard | null {
  const fd = fs.openForReading(lockPath);
  let keep = false;
  try {
    const type = fs.fileSystemTypeOf(fd);
    if (type === null || fileSystemOf(platform, type, "").kind !== "local") return null;
    if (fs.tryExclusive(fd) !== "acquired") return null;
    const attempt = tryEnterByLink(lockPath, guardPath, fd, fs);
    if (attempt.kind === "busy") return attempt;
    keep = true;
    return {
      kind: "entered",
      hasLockItself: true,
      leave: () => {
        attempt.leave();
        closeQuietly(fd, fs);
      },
    };
  } finally {
    if (!keep) closeQuietly(fd, fs);
  }
}
