/** Which files the arguments of `pidentity locks` name: themselves, or what is in a directory. */
import { type Dirent, statSync } from "node:fs";
import { basename, join } from "node:path";

import { absolutePath, pathPrefix, tidyPath } from "../../../util/absolute-path.js";
import { DirectoryReader, isWithoutEntries } from "../../../util/directory-reader.js";
import { sortInSlices } from "../../../util/sort-in-slices.js";
import type { TimeSlice } from "../../../util/time-slice.js";
import { realLockFs } from "../../../lock/protocol/lock-fs.js";
import type { FoundType } from "../forms/form.js";
import { isDependencyList } from "../forms/no-lock.js";
import { mayBeLock } from "../forms/registry.js";

/** A file to look at, and its path as it is shown: as it was given. */
export interface FileToExamine {
  /** Absolute. */
  readonly path: string;
  readonly shown: string;
}

/**
 * Whether an argument is to be judged itself: everything but a directory. An empty directory that has a lock's name is
 * a lock as well (proper-lockfile's).
 */
export function isLockArgument(given: string): boolean {
  const path = absolutePath(given);
  try {
    // A link to a directory is that directory.
    if (!statSync(path).isDirectory()) return true;
    return basename(tidyPath(path)).endsWith(".lock") && isWithoutEntries(path);
  } catch {
    // A link leads nowhere, as Chromium's does; or nothing is there, and the name tells what was meant.
    return isThere(path) || mayBeLock(basename(path), "file");
  }
}

/** False also where that may not be asked. */
function isThere(path: string): boolean {
  try {
    return realLockFs.lstat(path) !== null;
  } catch {
    return false;
  }
}

/** What is told of a file that was named and is no lock; null: it may be one. */
export function whyNoLock({ path, shown }: FileToExamine): string | null {
  return isDependencyList(basename(path))
    ? `it pins versions of dependencies, and locks nothing: ${shown}`
    : null;
}

/**
 * Entries of a directory that may be locks by their names, sorted; not recursive.
 *
 * @throws the file system's error
 */
export async function filesIn(given: string, slice: TimeSlice): Promise<FileToExamine[]> {
  const path = absolutePath(given);
  const names: string[] = [];
  const directory = new DirectoryReader(path);
  try {
    for (let entry = directory.next(); entry !== null; entry = directory.next()) {
      if (mayBeLock(entry.name, typeOf(entry))) names.push(entry.name);
      if (slice.exhausted()) await slice.next();
    }
  } finally {
    directory.close();
  }
  const prefix = pathPrefix(path);
  const sorted = await sortInSlices(names, slice);
  return sorted.map((name) => ({ path: prefix + name, shown: join(given, name) }));
}

function typeOf(entry: Dirent): FoundType {
  if (entry.isSymbolicLink()) return "link";
  if (entry.isDirectory()) return "directory";
  return entry.isFile() ? "file" : "other";
}
