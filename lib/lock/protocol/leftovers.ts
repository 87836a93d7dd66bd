/** Clears away what crashed processes left of the protocol itself. Nothing ever blocks on such files for long. */
import { closeQuietly } from "./close-quietly.js";
import type { LockFs } from "./lock-fs.js";
import { FOREIGN_GUARD_SUFFIX, lookAtForeignGuard, removeForeignGuard } from "./foreign-guard.js";
import { guardPathOf, tryEnterGuard } from "./guard.js";
import { lastChangeMs, timesOf } from "./file-times.js";

const GUARD_SUFFIX = guardPathOf("");

/**
 * Removes one leftover when it is older than the grace and no process has it locked. A live publisher whose
 * temp disappears under it notices (its link fails with ENOENT) and starts over.
 *
 * @param path - A temp, a lock renamed aside, a guard, or another library's.
 * @returns whether it was removed.
 * @throws the file system's error
 */
export function removeLeftover(path: string, fs: LockFs, nowMs: number, graceMs: number): boolean {
  if (path.endsWith(FOREIGN_GUARD_SUFFIX)) return removeForeignLeftover(path, fs, nowMs);
  const stats = fs.lstat(path);
  if (stats === null || !stats.isFile()) return false;
  if (nowMs - lastChangeMs(timesOf(stats), nowMs) <= graceMs) return false;
  return path.endsWith(GUARD_SUFFIX) ? passThroughGuard(path, fs) : removeUnlessHeld(path, fs);
}

/** Leaving a guard removes it, and only the process inside may do so. */
function passThroughGuard(guardPath: string, fs: LockFs): boolean {
  const guard = tryEnterGuard(guardPath.slice(0, -GUARD_SUFFIX.length), fs);
  if (guard.kind !== "entered") return false;
  guard.leave();
  return true;
}

/** Whatever it contains: a holder keeps its kernel lock from before the first byte on. */
function removeUnlessHeld(path: string, fs: LockFs): boolean {
  const fd = fs.openForReading(path);
  try {
    if (fs.probe(fd) === "held") return false;
  } finally {
    closeQuietly(fd, fs);
  }
  fs.unlink(path);
  return true;
}

/** Inside the lock's own guard: there no process of this package is about to rely on it, or to remove it. */
function removeForeignLeftover(path: string, fs: LockFs, nowMs: number): boolean {
  if (lookAtForeignGuard(path, fs, nowMs) !== "leftover") return false;
  const guard = tryEnterGuard(path.slice(0, -FOREIGN_GUARD_SUFFIX.length), fs);
  if (guard.kind !== "entered") return false;
  try {
    return lookAtForeignGuard(path, fs, nowMs) === "leftover" && removeForeignGuard(path, fs);
  } finally {
    guard.leave();
  }
}
