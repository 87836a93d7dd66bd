/** What a sessions directory holds for the lock layer, listed and sorted in time slices. */
import { errorCode } from "../../util/error-code.js";
import { pathPrefix } from "../../util/absolute-path.js";
import type { LockFs } from "../../lock/protocol/lock-fs.js";
import { lockNameOf, parseLeftoverName } from "../../lock/protocol/names.js";
import { sortInSlices } from "../../util/sort-in-slices.js";
import type { TimeSlice } from "../../util/time-slice.js";

/** What the name of a session's lock ends with. */
export const SESSION_LOCK_SUFFIX = lockNameOf(".jsonl");

export interface ListedLocks {
  /** Names of regular files that are locks, sorted. */
  readonly locks: readonly string[];
  /** Names that end like a lock's but are a directory, a socket, a symbolic link or the like. */
  readonly odd: readonly string[];
  /** Names of locks as they were decoded, which lead to no file: the bytes on the disk are no UTF-8. */
  readonly undecodable: readonly string[];
  readonly leftovers: readonly string[];
  /** There is no such directory. */
  readonly missing: boolean;
}

/**
 * Not recursive. A directory that does not exist has no locks.
 *
 * @throws the file system's error for anything but a missing directory (ENOTDIR, EACCES, …)
 */
export async function listLocks(
  directory: string,
  fs: LockFs,
  slice: TimeSlice,
): Promise<ListedLocks> {
  const locks: string[] = [];
  const odd: string[] = [];
  const undecodable: string[] = [];
  const leftovers: string[] = [];
  const listing = openListing(directory, fs);
  if (listing === null) return { locks, odd, undecodable, leftovers, missing: true };
  try {
    for (let entry = listing.next(); entry !== null; entry = listing.next()) {
      const { name, isFile } = entry;
      if (isUndecodable(directory, name, fs)) undecodable.push(name);
      else if (name.endsWith(SESSION_LOCK_SUFFIX)) (isFile ? locks : odd).push(name);
      else if (isLeftover(name, isFile)) leftovers.push(name);
      if (slice.exhausted()) await slice.next();
    }
  } finally {
    listing.close();
  }
  const sorted = await sortInSlices(locks, slice);
  return { locks: sorted, odd, undecodable, leftovers, missing: false };
}

/** Whether what a directory lists may have been no UTF-8: decoded, it leads to no file then. */
export function hasReplacement(name: string): boolean {
  return name.includes("\uFFFD");
}

function isUndecodable(directory: string, name: string, fs: LockFs): boolean {
  return (
    hasReplacement(name) &&
    name.endsWith(SESSION_LOCK_SUFFIX) &&
    !fs.exists(pathPrefix(directory) + name)
  );
}

/** What the protocol left beside a session's lock; another library's guard can be a directory. */
function isLeftover(name: string, isFile: boolean): boolean {
  const leftover = parseLeftoverName(name);
  if (leftover === null || !leftover.lockPath.endsWith(SESSION_LOCK_SUFFIX)) return false;
  return isFile || leftover.kind === "foreign-guard";
}

function openListing(directory: string, fs: LockFs): ReturnType<LockFs["list"]> | null {
  try {
    return fs.list(directory);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}
