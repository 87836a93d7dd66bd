/**
 * The lock file itself as its guard (Linux, local file systems): no file is made to remove one, a crash leaves none,
 * and a full disk cannot stand in the way.
 *
 * Linux has two kinds of kernel locks that do not see each other. Ownership is an open-file-description lock, which the
 * holder keeps on the lock file X for the whole hold. The guard is `flock` on X, taken for microseconds by the
 * process that is about to change what `L` names, the holder included. A descriptor for reading is enough.
 *
 * Inside, `L` must still name X, which closes this race: A is inside; B has opened X and tries to lock it; A unlinks
 * `L` and leaves; C publishes a new lock Y; B gets the lock on X, which no path leads to. B sees that `L` names Y and
 * has nothing to do with it. X is open, so its inode number cannot be Y's. And while B is inside with `L` naming X,
 * no process publishes over it (publishing never replaces) or unlinks it (all enter X first).
 */
import type { LockFs } from "./lock-fs.js";
import { type GuardAttempt, notEntered, NOT_FOR_US } from "./guard.js";

/**
 * Tries once to enter the guard of the file that `fd` has open; never waits. Inside, whether `lockPath` names it is
 * for the caller to see.
 *
 * @param lockPath - For messages only.
 */
export function tryEnterInode(lockPath: string, fd: number, fs: LockFs): GuardAttempt {
  if (!fs.canLock()) return notEntered(NOT_FOR_US, lockPath);
  const lock = fs.tryExclusive(fd);
  if (lock === "held") return { kind: "busy", guardPath: lockPath };
  if (lock !== "acquired") return notEntered(lock.refused, lockPath);
  return {
    kind: "entered",
    leave: (isClosing = false) => {
      if (!isClosing) fs.drop(fd);
    },
  };
}
