/** The guard, entered by the lock's holder. */
import { isDiskFull } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import { type BusyGuard, type Guard, GuardRefusal, tryEnterGuard } from "./guard.js";
import { insideByOwnLock, tryEnterByLink } from "./guard-by-link.js";
import { guardPathOf } from "./names.js";
import type { Published } from "./new-lock-file.js";

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
  lock: Pick<Published, "fd" | "kernelLock" | "showsWhenFree" | "isLockless">,
  fs: LockFs,
): Guard | BusyGuard {
  if (lock.isLockless) return NOT_NEEDED;
  const isNeverDisplaced = lock.kernelLock === null;
  try {
    const attempt = tryEnterGuard(lockPath, fs);
    switch (attempt.kind) {
      case "entered":
        return attempt;
      case "busy":
        return attempt.error === undefined && lock.showsWhenFree
          ? enterOnce(lock.fd, () => insideByOwnLock(guardPathOf(lockPath), lock.fd, fs))
          : attempt;
      case "unavailable":
      case "refused":
        throw attempt.error;
    }
  } catch (error) {
    if (isNeverDisplaced) return NOT_NEEDED;
    const isFull = isDiskFull(error) && !(error instanceof GuardRefusal);
    if (!isFull || !lock.showsWhenFree) throw error;
    return enterOnce(lock.fd, () => enterByLink(lockPath, lock.fd, fs, error));
  }
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
    return tryEnterByLink(lockPath, guardPathOf(lockPath), fd, fs);
  } catch {
    throw refusal;
  }
}

// A descriptor's own kernel lock would let it in any number of times: also a fenced write within a fenced write.
const inside = new Set<number>();

function enterOnce(fd: number, enter: () => Guard | BusyGuard): Guard | BusyGuard {
  if (inside.has(fd)) return { kind: "busy" };
  const attempt = enter();
  if (attempt.kind === "busy") return attempt;
  inside.add(fd);
  return {
    kind: "entered",
    leave: () => {
      inside.delete(fd);
      attempt.leave();
    },
  };
}

const NOT_NEEDED: Guard = {
  kind: "entered",
  leave() {
    // Nothing was entered.
  },
};
