/** The lock file's place, where the caller chooses it. */
import { canonicalPath } from "../lock/lock-path.js";
import { type LockFs, realLockFs } from "../lock/protocol/lock-fs.js";
import { absolutePath, tidyPath } from "../util/absolute-path.js";
import { outOfRange } from "../util/argument-error.js";

// Ends like a directory's name, which no file can have.
const NAMES_DIRECTORY = process.platform === "win32" ? /(?:^|[\\/])\.{0,2}$/u : /(?:^|\/)\.{0,2}$/u;

/**
 * `lockPath` made absolute.
 *
 * A guarded file that is empty would be taken for a broken lock, and removed: so it must not be the lock itself, by
 * whatever route.
 *
 * @throws RangeError when it can be no file's name, or leads to the guarded file
 */
export function ownLockPath(
  lockPath: string | URL,
  guarded: string,
  fs: LockFs = realLockFs,
): string {
  const path = absolutePath(lockPath);
  if (NAMES_DIRECTORY.test(typeof lockPath === "string" ? lockPath : path)) {
    throw outOfRange("options.lockPath", "the path of a file, not of a directory", lockPath);
  }
  const own = tidyPath(path);
  if (isSameFile(own, tidyPath(guarded), fs)) {
    throw outOfRange("options.lockPath", "another file than options.path", lockPath);
  }
  return own;
}

function isSameFile(own: string, guarded: string, fs: LockFs): boolean {
  const name = canonicalPath(own, fs);
  const target = behindLinks(guarded, fs);
  if (target === null) return name === canonicalPath(guarded, fs);
  // The second one in the spelling of the disk, where letters of either case are the same.
  return name === target || behindLinks(own, fs) === target;
}

/** null: there is no such file. */
function behindLinks(path: string, fs: LockFs): string | null {
  try {
    return fs.realpath(path);
  } catch {
    return null;
  }
}
