/** What is in a lock's way without being a lock that names its owner. */
import type { LockFs } from "./protocol/lock-fs.js";
import type { LockObstacle } from "../session-lock/errors.js";

/**
 * `directory`: other libraries lock by making one (`mkdir` is as exclusive as creating a file). null: none, or it
 * cannot be told.
 */
export function obstacleAt(lockPath: string, fs: LockFs): LockObstacle | null {
  try {
    return fs.lstat(lockPath)?.isDirectory() === true ? "directory" : null;
  } catch {
    return null;
  }
}
