/** Removes what crashed processes left of the protocol itself. No such file ever keeps a lock from being taken for long. */
import { lookAtForeignGuard, removeForeignGuard } from "./foreign-guard.js";
import { lastChangeMs, timesOf } from "./file-times.js";
import { tryEnterGuardFile } from "./guard-file.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { parseLeftoverName } from "./names.js";

/** How old a leftover must be, by which clock. */
export interface LeftoverAge {
  readonly nowMs: number;
  readonly graceMs: number;
}

/**
 * Removes one leftover when it is older than the grace and no process has it locked. A live publisher whose
 * temporary disappears notices (its link fails with ENOENT) and starts over.
 *
 * @param path - A temporary, a lock renamed aside, a guard, or another library's guard.
 * @returns whether it was removed.
 * @throws the file system's error
 */
export function removeLeftover(path: string, fs: LockFs, { nowMs, graceMs }: LeftoverAge): boolean {
  const name = parseLeftoverName(path);
  if (name === null) return false;
  const { kind, lockPath } = name;
  if (kind === "foreign-guard") return removeForeignLeftover(path, lockPath, fs, nowMs);
  const stats = fs.lstat(path);
  if (stats === null || !stats.isFile()) return false;
  if (nowMs - lastChangeMs(timesOf(stats), nowMs) <= graceMs) return false;
  return kind === "guard" ? passThroughGuard(lockPath, fs) : removeUnlessHeld(path, fs);
}

/** Leaving a guard removes it, and only the process inside may do so. */
function passThroughGuard(lockPath: string, fs: LockFs): boolean {
  const guard = tryEnterGuardFile(lockPath, fs);
  if (guard.kind !== "entered") return false;
  guard.leave();
  return true;
}

/** Whatever it contains: a holder keeps its kernel lock, of either kind, from before the first byte on. */
function removeUnlessHeld(path: string, fs: LockFs): boolean {
  const fd = fs.openForReading(path);
  try {
    if (fs.probeOwner(fd) === "held" || fs.probe(fd) === "held") return false;
  } finally {
    closeQuietly(fd, fs);
  }
  fs.unlink(path);
  return true;
}

/** Inside the lock's own guard: there no process of this package is about to rely on it, or to remove it. */
function removeForeignLeftover(path: string, lockPath: string, fs: LockFs, nowMs: number): boolean {
  if (lookAtForeignGuard(path, fs, nowMs) !== "leftover") return false;
  const guard = tryEnterGuardFile(lockPath, fs);
  if (guard.kind !== "entered") return false;
  try {
    return lookAtForeignGuard(path, fs, nowMs) === "leftover" && removeForeignGuard(path, fs);
  } finally {
    guard.leave();
  }
}
