/**
 * The guard: a process changes a lock file `L` that others may look at only inside `<L>.guard`, and only one process
 * is ever inside.
 *
 * Why it exists. "Read the lock, decide that its owner is dead, unlink it" lets two reclaimers remove one
 * after the other, the second one a lock that was taken in between: measured with 8 processes, 8–20 %
 * of contended reclaims end with two holders. Renaming the file aside and verifying it there is no better
 * (10–15 %). The look and the removal have to be one step, and only something that the kernel takes
 * back from a dead process can make them one without ever wedging: a guard *directory* stays behind.
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
 *
 * Either way a crash at any instruction gives the guard back: the kernel closes the descriptor. A process
 * that is *stopped* inside delays that one lock until it is continued or killed. The guard is held for
 * microseconds, never across an await.
 */
import { errorCode, isTransientOnWindows } from "../../util/error-code.js";
import { closeQuietly, type LockAttempt, type LockFs } from "./lock-fs.js";
import { printable } from "../../util/printable.js";
import { guardPathOf } from "./names.js";
import { newNonce } from "./nonce.js";

export interface Guard {
  readonly kind: "entered";
  /** This process has the lock file itself kernel-locked, which shows that no other has (guard-by-link.ts). */
  readonly hasLockItself?: true;
  leave(): void;
}

/**
 * Another process is inside. With an `error` (Windows) none need be: a delete that is pending, a virus scanner, or
 * a file or directory that this process may not touch; only time tells which.
 */
export interface BusyGuard {
  readonly kind: "busy";
  readonly error?: Error;
}

/**
 * `unavailable`: this file system or process has no guard.
 * `refused`: it has one, as far as is known, and did not let this process in for a reason that may pass or be this
 * process's alone (out of locks, a server that does not answer, a sandbox). Another process may be inside.
 */
export type GuardAttempt =
  | Guard
  | BusyGuard
  | { readonly kind: "unavailable" | "refused"; readonly error: GuardRefusal };

/** The kernel lock on the guard was refused, and not because another process has it. */
export class GuardRefusal extends Error {
  override readonly name = "GuardRefusal";
  /** An errno's name. */
  readonly code: string;
  readonly syscall = "flock";
  readonly path: string;

  constructor(code: string, guardPath: string) {
    super(printable(`${code}: the kernel lock was refused, flock '${guardPath}'`));
    this.code = code;
    this.path = guardPath;
  }
}

/**
 * Tries once to enter the guard of `lockPath`; never waits.
 *
 * @throws the file system's error when the guard file cannot be created or read
 */
export function tryEnterGuard(
  lockPath: string,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): GuardAttempt {
  const guardPath = guardPathOf(lockPath);
  return platform === "win32" ? tryEnterByCreation(guardPath, fs) : tryEnterByLock(guardPath, fs);
}

// A guard is empty, or holds one nonce (see isWrittenThrough); a lock's payload is longer.
const MAX_GUARD_BYTES = 32;

// Each failed attempt means that another process went through the guard meanwhile.
const MAX_ATTEMPTS = 8;

const NEVER_LOCKABLE: ReadonlySet<string> = new Set(["ENOTSUP", "EOPNOTSUPP", "EINVAL"]);

/** Whether a refusal says that the file system has no such locks, for any process. */
export function isLockless(lock: LockAttempt): boolean {
  return typeof lock !== "string" && NEVER_LOCKABLE.has(lock.refused);
}

// This process has none: no addon, or a sandbox whose kernel does not know the call.
const NOT_FOR_US = "ENOSYS";

function tryEnterByLock(guardPath: string, fs: LockFs): GuardAttempt {
  if (!fs.canLock()) return notEntered(NOT_FOR_US, guardPath);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const fd = fs.openGuard(guardPath);
    let keep = false;
    try {
      const lock = fs.tryExclusive(fd);
      if (lock === "held") return { kind: "busy" };
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
  return { kind: "busy" };
}

function notEntered(code: string, guardPath: string): GuardAttempt {
  const isUnavailable = code === NOT_FOR_US || NEVER_LOCKABLE.has(code);
  return {
    kind: isUnavailable ? "unavailable" : "refused",
    error: new GuardRefusal(code, guardPath),
  };
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
  const writer = fs.openForWriting(path);
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
  return refusal === undefined ? { kind: "busy" } : { kind: "busy", error: refusal };
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
