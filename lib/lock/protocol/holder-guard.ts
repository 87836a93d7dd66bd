/** The guard, entered by the lock's holder. */
import { isDiskFull } from "../../util/error-code.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import {
  type BusyGuard,
  type Guard,
  type GuardAttempt,
  GuardRefusal,
  INODE_GUARD,
} from "./guard.js";
import { insideByOwnLock, tryEnterByLink } from "./guard-by-link.js";
import { tryEnterGuardFile } from "./guard-file.js";
import { tryEnterInode } from "./guard-inode.js";
import { guardFilePathOf } from "./names.js";
import type { Published } from "./new-lock-file.js";

/** The file that is the guard of a lock that this process holds. */
export function guardPathOfHolder(lockPath: string, { guard }: Pick<Published, "guard">): string {
  return guard === INODE_GUARD ? lockPath : guardFilePathOf(lockPath);
}

/**
 * Tries once to enter the guard of a lock that this process holds; never waits.
 *
 * A holder whose payload shows a kernel lock may be displaced once it is past its limit, and only the guard keeps
 * that from happening between its look and its write. So a guard that does not let it in is an error, also where it
 * says that there are no locks here: there was one when the lock was published.
 *
 * A holder whose payload shows none is never displaced (the rule `no-guard` of classify.ts), and while it lives no
 * process takes its lock for abandoned: what it sees is still there when it writes or unlinks. So it goes on where it
 * is not let in: it runs, as a rule, where no process is. And where no file can be locked at all it does not try: it
 * would leave a file for nothing.
 *
 * @throws GuardRefusal, or the file system's error when the guard cannot be opened or made
 */
export function tryEnterAsHolder(
  lockPath: string,
  lock: Pick<Published, "fd" | "guard" | "kernelLock" | "showsWhenFree" | "isLockless">,
  fs: LockFs,
): Guard | BusyGuard {
  if (lock.isLockless) return NOT_NEEDED;
  if (lock.guard === INODE_GUARD) {
    return enterOnce(lockPath, lock.fd, () => orThrow(tryEnterInode(lockPath, lock.fd, fs)));
  }
  const isNeverDisplaced = lock.kernelLock === null;
  try {
    const guardPath = guardFilePathOf(lockPath);
    const attempt = orThrow(tryEnterGuardFile(lockPath, fs));
    return attempt.kind === "busy" && attempt.error === undefined && lock.showsWhenFree
      ? enterOnce(guardPath, lock.fd, () => insideByOwnLock(guardPath, lock.fd, fs))
      : attempt;
  } catch (error) {
    if (isNeverDisplaced) return NOT_NEEDED;
    const isFull = isDiskFull(error) && !(error instanceof GuardRefusal);
    if (!isFull || !lock.showsWhenFree) throw error;
    return enterOnce(guardFilePathOf(lockPath), lock.fd, () =>
      enterByLink(lockPath, lock.fd, fs, error),
    );
  }
}

function orThrow(attempt: GuardAttempt): Guard | BusyGuard {
  if (attempt.kind === "entered" || attempt.kind === "busy") return attempt;
  throw attempt.error;
}

function enterByLink(
  lockPath: string,
  fd: number,
  fs: LockFs,
  refusal: unknown,
): Guard | BusyGuard {
  // Not by a name that belongs to another lock by now: see guard-by-link.ts.
  if (!fs.isNamed(lockPath, fd)) throw refusal;
  try {
    return tryEnterByLink(lockPath, guardFilePathOf(lockPath), fd, fs);
  } catch {
    throw refusal;
  }
}

/**
 * By the descriptors of this thread that are inside by a kernel lock of their own, which would let them in any number of
 * times (a fenced write within a fenced write): how they leave.
 */
const inside = new Map<number, Guard["leave"]>();

/** Closes the descriptor of a held lock, wherever it is: a guard that it is inside ends before, not after. */
export function closeHeldFile(fd: number, fs: LockFs): void {
  inside.get(fd)?.(true);
  closeQuietly(fd, fs);
}

function enterOnce(
  guardPath: string,
  fd: number,
  enter: () => Guard | BusyGuard,
): Guard | BusyGuard {
  if (inside.has(fd)) return { kind: "busy", guardPath };
  const attempt = enter();
  if (attempt.kind === "busy") return attempt;
  const leave = (isClosing?: boolean): void => {
    // Left already, with the descriptor: its number may be another file's by now.
    if (inside.get(fd) !== leave) return;
    inside.delete(fd);
    attempt.leave(isClosing);
  };
  inside.set(fd, leave);
  return { kind: "entered", leave };
}

const NOT_NEEDED: Guard = {
  kind: "entered",
  leave() {
    // Nothing was entered.
  },
};
