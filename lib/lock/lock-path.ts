/** Which file a lock is: one, whatever the route to it, and what else may lie there. */
import { leadsUp, tidyPath } from "../util/absolute-path.js";
import { basename, dirname, isAbsolute, join, resolve } from "../util/node-modules.js";
import type { LockObstacle } from "./failure.js";
import { unusableOnWindows } from "./windows-name.js";
import type { LockFs, PathKind } from "./protocol/lock-fs.js";
import { lockNameOf } from "./protocol/names.js";

/** As many links in a row as Linux follows (path_resolution(7)). */
const MOST_LINKS = 40;

const IS_WINDOWS = process.platform === "win32";

/** Which lock is meant, before the file system has been asked. */
export interface LockRoute {
  /** The lock, by any route to it. */
  readonly lockPath: string;
  /**
   * The guarded file, when symbolic links at its name are followed first: `lockPath` then is that of a file which is
   * no link. null: they are not followed.
   */
  readonly linkedFile: string | null;
  /** A directory in the place of `linkedFile` is a mistake. */
  readonly refusesDirectory: boolean;
}

/** The lock file that goes with a file, by the same route. */
export function lockPathFor(file: string): string {
  return lockNameOf(tidyPath(file));
}

/**
 * `realpath(dirname)/basename`; the resolved path where realpath fails. Two routes through a symlinked
 * directory are one lock, and so are a file and a symbolic link to it. A missing directory is made.
 *
 * @throws the file system's error when the directory is missing and cannot be made; Error EISDIR where the file is
 *   itself a directory and must be none; on Windows of a name that no file can have
 */
export function prepareLockPath(route: LockRoute, fs: LockFs): string {
  const path = behindRoute(route, fs);
  const known = realPathOf(path, fs);
  if (known !== null) return IS_WINDOWS ? spelledAsOnDisk(known, fs) : known;
  const resolved = resolve(path);
  fs.makeDirectory(dirname(resolved));
  return canonicalPath(resolved, fs);
}

/** The lock that {@link prepareLockPath} would give; makes nothing. @throws as that */
export function findLockPath(route: LockRoute, fs: LockFs): string {
  return canonicalPath(behindRoute(route, fs), fs);
}

function behindRoute({ lockPath, linkedFile, refusesDirectory }: LockRoute, fs: LockFs): string {
  const kind = linkedFile === null ? "other" : kindOf(linkedFile, fs);
  const target = linkedFile === null || kind !== "link" ? null : behindLinks(linkedFile, fs);
  if (refusesDirectory) {
    const isDirectory = target === null ? kind === "directory" : kindOf(target, fs) === "directory";
    if (isDirectory) throw directoryError(target ?? linkedFile ?? lockPath);
  }
  const found = target === null ? lockPath : lockPathFor(target);
  const unusable = IS_WINDOWS ? unusableOnWindows(found) : null;
  if (unusable !== null) throw unusable;
  return found;
}

/** A lock that is there in letters of another case is the same lock, for the thread that holds it, too. */
function spelledAsOnDisk(lockPath: string, fs: LockFs): string {
  let real: string;
  try {
    real = fs.realpath(lockPath);
  } catch {
    // Free, or it is just being removed.
    return lockPath;
  }
  // Else it is a link, which is not followed.
  return real.toLowerCase() === lockPath.toLowerCase() ? real : lockPath;
}

/** The same path; makes nothing, and follows no link at the lock's own name. */
export function canonicalPath(lockPath: string, fs: LockFs): string {
  return realPathOf(lockPath, fs) ?? resolve(lockPath);
}

/** Not by way of `resolve`: behind a symbolic link `..` leads elsewhere than to the name before it. */
function realPathOf(path: string, fs: LockFs): string | null {
  const folder = dirname(path);
  if (!leadsUp(folder) && fs.isWithoutLinks(folder)) return path;
  try {
    const real = fs.realpath(folder);
    return real === folder ? path : join(real, basename(path));
  } catch {
    return null;
  }
}

/**
 * The file that the symbolic link `file` leads to, whether it exists or not: what is written through a dangling link
 * makes its target. null: the links lead nowhere (a circle).
 */
function behindLinks(file: string, fs: LockFs): string | null {
  try {
    return fs.realpath(file);
  } catch {
    // Dangling, or behind a directory that may not be searched: link by link.
  }
  let path = file;
  for (let links = 0; links < MOST_LINKS; links++) {
    const target = linkTarget(path, fs);
    if (target === null) return path;
    // Not `join`: see above.
    path = isAbsolute(target) ? target : `${dirname(path)}/${target}`;
  }
  return null;
}

function linkTarget(path: string, fs: LockFs): string | null {
  try {
    return kindOf(path, fs) === "link" ? fs.readLink(path) : null;
  } catch {
    // No link any more.
    return null;
  }
}

/** `nothing` also for what cannot be looked at. */
function kindOf(path: string, fs: LockFs): PathKind {
  try {
    return fs.kindAt(path);
  } catch {
    return "nothing";
  }
}

/** As the kernel says it of a directory that is opened for writing. */
function directoryError(path: string): Error {
  const message = `EISDIR: illegal operation on a directory, open '${path}'`;
  return Object.assign(new Error(message), { code: "EISDIR", syscall: "open", path });
}

/**
 * `directory`: other libraries lock by making one (`mkdir` is as exclusive as creating a file). null: none, or it
 * cannot be told.
 */
export function obstacleAt(lockPath: string, fs: LockFs): LockObstacle | null {
  return kindOf(lockPath, fs) === "directory" ? "directory" : null;
}
