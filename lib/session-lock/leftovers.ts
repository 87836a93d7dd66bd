/** Clears away what crashed processes left of the protocol itself. Nothing ever blocks on such files. */
import { closeQuietly } from "../util/close-quietly.js";
import type { LockFs } from "../util/lock-fs.js";
import { tryEnterGuard } from "./guard.js";

const GUARD_SUFFIX = ".guard";

/**
 * Removes one leftover when it is older than the grace and nobody has it locked. A live publisher whose
 * temp disappears under it notices (its link fails with ENOENT) and starts over.
 *
 * @param path - A temp, a lock renamed aside, or a guard.
 * @returns whether it was removed.
 * @throws the file system's error
 */
export function removeLeftover(path: string, fs: LockFs, nowMs: number, graceMs: number): boolean {
  const stats = fs.lstat(path);
  if (stats === null || !stats.isFile()) return false;
  if (nowMs - Number(stats.mtimeNs) / 1e6 <= graceMs) return false;
  return path.endsWith(GUARD_SUFFIX) ? passThroughGuard(path, fs) : removeUnlessHeld(path, fs);
}

/** Leaving a guard removes it, and only its occupant may do so. */
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
