/** A hint where a directory has no locks itself, and the sessions directories below it have: a state directory was meant. */
import type { Dirent } from "node:fs";
import { join } from "node:path";

import { SESSION_LOCK_SUFFIX } from "../../session-lock/sweep/list-locks.js";
import { absolutePath } from "../../util/absolute-path.js";
import { DirectoryReader } from "../../util/directory-reader.js";
import { printable } from "../../util/printable.js";

/** Where sessions are kept below a directory that a person may have named instead; the first is `--state-dir`'s. */
const LAYOUTS: readonly (readonly ("*" | "agents" | "sessions")[])[] = [
  ["agents", "*", "sessions"],
  ["*", "sessions"],
  ["sessions"],
];

/** So many entries of a directory are looked at: a hint is not worth more. */
const MOST_ENTRIES = 1000;
const MOST_NAMES = 3;

/** null: there is nothing to hint at. */
export function hintAtLocksBelow(given: string): string | null {
  for (const [index, layout] of LAYOUTS.entries()) {
    const found = withLocks(absolutePath(given), layout).map((path) => join(given, path));
    if (found.length === 0) continue;
    const where = index === 0 ? `--state-dir ${given}` : found.slice(0, MOST_NAMES).join(" ");
    return printable(`no session locks in ${given} itself, but below it: pidentity locks ${where}`);
  }
  return null;
}

/** Of the directories of a layout those with a session lock, below `root`. */
function withLocks(root: string, [name, ...rest]: (typeof LAYOUTS)[number], at = ""): string[] {
  if (name === undefined) return hasLock(join(root, at)) ? [at] : [];
  if (name !== "*") return withLocks(root, rest, join(at, name));
  const folders = entriesOf(join(root, at)).filter((entry) => !entry.isFile());
  const names = folders.map((entry) => entry.name).toSorted();
  return names.flatMap((folder) => withLocks(root, rest, join(at, folder)));
}

function hasLock(directory: string): boolean {
  return entriesOf(directory).some((entry) => entry.name.endsWith(SESSION_LOCK_SUFFIX));
}

/** None where it cannot be read, or is none. */
function entriesOf(path: string): Dirent[] {
  const entries: Dirent[] = [];
  try {
    const directory = new DirectoryReader(path);
    try {
      for (let entry = directory.next(); entry !== null; entry = directory.next()) {
        if (entries.push(entry) >= MOST_ENTRIES) break;
      }
    } finally {
      directory.close();
    }
  } catch {
    // What is not there, or may not be looked at, is not hinted at.
  }
  return entries;
}
