/** Which file a lock is: one, whatever the route to it. */
import { basename, dirname, join, resolve } from "node:path";

import type { LockFs } from "../util/lock-fs.js";

/** The lock file that goes with a file, by any route to it. */
export function lockPathFor(file: string): string {
  return `${resolve(file)}.lock`;
}

/**
 * `realpath(dirname)/basename`; the resolved path where realpath fails. Two routes through a symlinked
 * directory are one lock. A missing directory is made.
 *
 * @throws the file system's error when the directory is missing and cannot be made
 */
export function prepareLockPath(lockPath: string, fs: LockFs): string {
  const known = realPathOf(lockPath, fs);
  if (known !== null) return known;
  fs.makeDirectory(dirname(lockPath));
  return canonicalPath(lockPath, fs);
}

/** The same path; makes nothing. */
export function canonicalPath(lockPath: string, fs: LockFs): string {
  return realPathOf(lockPath, fs) ?? resolve(lockPath);
}

function realPathOf(lockPath: string, fs: LockFs): string | null {
  const resolved = resolve(lockPath);
  const folder = dirname(resolved);
  try {
    const real = fs.realpath(folder);
    return real === folder ? resolved : join(real, basename(resolved));
  } catch {
    return null;
  }
}
