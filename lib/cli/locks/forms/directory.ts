/** Directories that are locks: made by mkdir, which fails where there is one. Pure. */
import { claim, type FoundType, type LockForm } from "./form.js";

function isLockDirectory(name: string, type: FoundType): boolean {
  return type === "directory" && name.endsWith(".lock");
}

/**
 * `<file>.lock/` without an entry, whose mtime its holder renews: proper-lockfile's. By its defaults every 5 s, and
 * others take it when that is 10 s ago; both are options that nothing in the directory tells.
 */
export const HEARTBEAT_DIRECTORY: LockForm = {
  kind: "proper-lockfile",
  title: "proper-lockfile's lock",
  remedy:
    "when its time does not move for a minute and its program does not run, remove the directory",
  mayBe: isLockDirectory,
  read: ({ name, type, isEmptyDirectory }) =>
    isLockDirectory(name, type) && isEmptyDirectory === true ? claim({ hasHeartbeat: true }) : null,
};

/** One with something in it is another library's. */
export const OTHER_DIRECTORY: LockForm = {
  kind: "directory",
  title: "a directory with a lock's name",
  remedy: "find out which program makes it; what is in it may tell",
  mayBe: isLockDirectory,
  read: ({ name, type }) => (isLockDirectory(name, type) ? claim() : null),
};
