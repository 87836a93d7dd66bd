/**
 * A guard file `G` = `<L>.guard`, which exists for microseconds: on macOS, Windows, FUSE and network file systems.
 *
 * POSIX. Open `G` (create), take an exclusive kernel lock on it without waiting, then check that the
 * path still names the file that was locked. The check closes this race: A is inside `G`; B opens the same
 * file and tries to lock it; A leaves, which unlinks `G`; C creates a new `G` and enters; B gets the lock
 * on the *old* file, which no other process opens any more. B sees that the path names another inode (or
 * none) and starts over. To leave, unlink first and close second: in the other order a second process could
 * enter, and its guard would be unlinked by the first one.
 *
 * Windows. Create `G` exclusively with delete-on-close; leave by closing. No other process can create it while
 * a handle is open. A `G` that no process has open (power loss) is taken over by opening it with sharing
 * denied, which succeeds only when it is the one handle.
 */
import { errorCode, isTransientOnWindows } from "../../util/error-code.js";
import { dirname } from "../../util/node-modules.js";
import { type GuardAttempt, notEntered, NOT_FOR_US } from "./guard.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { guardFilePathOf } from "./names.js";
import { newNonce } from "./nonce.js";

/**
 * Tries once to enter the guard file of `lockPath`; never waits.
 *
 * @throws the file system's error when the guard file cannot be created or read
 */
export function tryEnterGuardFile(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): GuardAttempt {
  const guardPath = guardFilePathOf(lockPath);
  return platform === "win32" ? tryEnterByCreation(guardPath, fs) : tryEnterByLock(guardPath, fs);
}

// A guard is empty, or holds one nonce (see isWrittenThrough); a lock's payload is longer.
const MAX_GUARD_BYTES = 32;

// Each failed attempt means that another process went through the guard meanwhile.
const MAX_ATTEMPTS = 8;

function tryEnterByLock(guardPath: string, fs: LockFs): GuardAttempt {
  if (!fs.canLock()) return notEntered(NOT_FOR_US, guardPath);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const fd = orMissed(guardPath, fs, fs.openGuard);
    if (fd === null) continue;
    let keep = false;
    try {
      const lock = fs.tryExclusive(fd);
      if (lock === "held") return { kind: "busy", guardPath };
      if (lock !== "acquired") {
        // The file stays, whatever the reason: another process may be inside.
        return notEntered(lock.refused, guardPath);
      }
      if (namesDescriptor(guardPath, fd, fs)) {
        keep = true;
        return { kind: "entered", leave: () => leaveByUnlink(guardPath, fd, fs) };
      }
    } finally {
      if (!keep) closeQuietly(fd, fs);
    }
  }
  return { kind: "busy", guardPath };
}

/**
 * null: a process on another mount has left the guard, and this one's kernel still remembers its name (FUSE, for a second
 * by default) or had just looked it up: to create a file that has a name is to open it, which finds none.
 */
function orMissed(guardPath: string, fs: LockFs, open: (path: string) => number): number | null {
  try {
    return open(guardPath);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" || !fs.exists(dirname(guardPath))) throw error;
    return null;
  }
}

/** Whether `path` still names the very file that `fd` has open. */
function namesDescriptor(path: string, fd: number, fs: LockFs): boolean {
  if (fs.isNamed(path, fd)) return true;
  const byDescriptor = fs.fstat(fd);
  // As a rule: the process that was inside has left, and has unlinked it.
  if (byDescriptor.nlink === 0n) return false;
  const byPath = fs.lstat(path);
  if (byPath === null) return false;
  if (byPath.ino === byDescriptor.ino && byPath.dev === byDescriptor.dev) return true;
  // A lock file, of which the guard was a second name for a while (guard-by-link.ts).
  if (byDescriptor.size > MAX_GUARD_BYTES) return false;
  // Some virtual file systems number one file differently by path and by descriptor: ask the content.
  return isWrittenThrough(path, fd, fs);
}

function isWrittenThrough(path: string, fd: number, fs: LockFs): boolean {
  const token = newNonce();
  const writer = orMissed(path, fs, fs.openForWriting);
  if (writer === null) return false;
  try {
    // Never into a lock file.
    if (fs.fstat(writer).size > MAX_GUARD_BYTES) return false;
    fs.writeText(writer, token);
  } finally {
    fs.close(writer);
  }
  const buffer = Buffer.alloc(token.length);
  return fs.read(fd, buffer, 0, buffer.length) === token.length && buffer.toString() === token;
}

function leaveByUnlink(guardPath: string, fd: number, fs: LockFs): void {
  try {
    // Fails in a sticky directory when another user created the file: then it stays, and any process can enter it.
    removeQuietly(guardPath, fs);
  } finally {
    closeQuietly(fd, fs);
  }
}

function tryEnterByCreation(guardPath: string, fs: LockFs): GuardAttempt {
  let refusal: Error | undefined;
  for (const open of [fs.createSelfDeleting, fs.takeOverSelfDeleting]) {
    try {
      const fd = open(guardPath);
      return {
        kind: "entered",
        leave: () => {
          closeQuietly(fd, fs);
        },
      };
    } catch (error) {
      const code = errorCode(error) ?? "";
      // A new file's ENOENT means that its directory is missing.
      if (TAKEN.has(code) && !(code === "ENOENT" && open === fs.createSelfDeleting)) continue;
      if (!isTransientOnWindows(error)) throw error;
      refusal ??= error as Error;
    }
  }
  const busy = { kind: "busy", guardPath } as const;
  return refusal === undefined ? busy : { ...busy, error: refusal };
}

// It exists and another process has it open (ERROR_SHARING_VIOLATION), or has just left it.
const TAKEN: ReadonlySet<string> = new Set(["EEXIST", "EBUSY", "ENOENT"]);

function removeQuietly(path: string, fs: LockFs): void {
  try {
    fs.unlink(path);
  } catch {
    // Nothing depends on it: an empty guard file is entered like a missing one.
  }
}
