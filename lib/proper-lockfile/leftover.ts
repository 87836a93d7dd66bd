/** The directories that proper-lockfile makes as its locks: held while their times are kept fresh, left otherwise. */
import type { LockFs } from "../lock/protocol/lock-fs.js";
import { tryEnterGuardFile } from "../lock/protocol/guard-file.js";
import { wallMs } from "../util/clocks.js";

/** `fresh`: its holder has touched it within `staleMs`. `left`: it has not. */
export type DirectoryState = "none" | "fresh" | "left";

export function directoryAt(lockPath: string, staleMs: number, fs: LockFs): DirectoryState {
  const stats = fs.lstat(lockPath);
  if (stats === null || !stats.isDirectory()) return "none";
  return Number(stats.mtimeMs) < wallMs() - staleMs ? "left" : "fresh";
}

/**
 * Removes a directory that was left, as proper-lockfile itself does after `stale` milliseconds: nothing else tells that its
 * holder is gone. Within the guard, so that of several processes of this package only one does; and never what is no
 * empty directory, so no lock of this package.
 */
export function removeIfLeft(lockPath: string, staleMs: number, fs: LockFs): void {
  if (directoryAt(lockPath, staleMs, fs) !== "left") return;
  const guard = tryEnterGuardFile(lockPath, fs);
  if (guard.kind === "busy" || guard.kind === "refused") return;
  try {
    if (directoryAt(lockPath, staleMs, fs) === "left") fs.removeDirectory(lockPath);
  } catch {
    // Gone meanwhile, or not empty: the acquisition that follows says what is there.
  } finally {
    if (guard.kind === "entered") guard.leave();
  }
}
