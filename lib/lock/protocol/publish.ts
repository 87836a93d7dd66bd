/**
 * Publishes a lock: its file appears under its name complete, already kernel-locked, or not at all.
 *
 * 1. Create a private `<L>.<nonce>.tmp` exclusively and take the kernel lock on it at once. From here on
 *    the descriptor is never let go, so a crash at any instruction shows as "free".
 * 2. Write the payload, which names this descriptor's inode as `kernelLock`.
 * 3. `link(tmp, L)`. It never replaces: of any number of contenders one succeeds. Unlink the temp.
 *
 * Readers never see an empty lock of ours, nor an unlocked one. ENOENT from link: a sweep took the
 * temp because we were stopped for long; start over. Where hard links are missing, `L` itself is created
 * exclusively, locked and written inside the guard, where no process removes it meanwhile. So it is always on
 * Windows, where the temp's name would stay in the directory for the whole hold: a file that is open is
 * unlinked when it is closed (Node 20; measured).
 *
 * What a payload claims must be true when it becomes visible, and a visible file is never written again (readers
 * would see it torn). So where the file system is not one that keeps locks in this kernel (file-system-kind.ts) the
 * publisher looks first whether its lock shows through a second open of the file: of a second private name, as `L`
 * will be one (mergerfs and bindfs give a linked name another kernel inode), or of `L` itself where it was created
 * in place. If it does not show, the payload claims no kernel lock: such a holder is never displaced, and its lock
 * is judged by its token. And where a lock keeps even its holder from reading the file through another descriptor
 * (SMB: flock is mandatory there), it is given up, and the lock is published without. A local disk pays for none of
 * this.
 */
import { dirname } from "node:path";

import { closeQuietly } from "./close-quietly.js";
import { errorCode, isDiskFull } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import { type FileSystem, fileSystemOf } from "./file-system-kind.js";
import { type GuardAttempt, isLockless, tryEnterGuard } from "./guard.js";
import { newNonce } from "./nonce.js";
import { formatPayload, type SessionLockPayload } from "./payload.js";
import { checkPayloadSize } from "./payload-size.js";
import { isOwnLock, type OwnLock } from "./read-lock.js";

/** A published lock; keep `fd` open for the whole hold. */
export interface Published extends OwnLock {
  readonly kind: "published";
  readonly fd: number;
  readonly payload: SessionLockPayload;
  /** Once `fd` is closed, others know from the kernel alone that the lock is free. */
  readonly showsWhenFree: boolean;
  /** No process can lock files here: then there is no guard either. */
  readonly isLockless: boolean;
}

/** `contended`: `L` exists. `busy`: the guard that is needed here is taken, or (with an `error`) cannot be touched. */
export type PublishAttempt =
  | Published
  | { readonly kind: "contended" }
  | { readonly kind: "busy"; readonly error?: Error };

/** What the payload says beside nonce and kernel lock. */
export type PayloadDraft = Omit<
  SessionLockPayload,
  "nonce" | "kernelLock" | "fileSystem" | "verified"
>;

// No hard links on this file system, or none to files of this kind.
const NO_LINKS: ReadonlySet<string> = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);

// Each further attempt means that our temp, or the directory, was swept away under us.
const MAX_ATTEMPTS = 5;

/**
 * Tries once; never waits.
 *
 * @throws the file system's error; RangeError for a draft that readers would not take. Nothing is left behind
 */
export function tryPublish(
  lockPath: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): PublishAttempt {
  checkPayloadSize(draft);
  for (let attempt = 1; ; attempt++) {
    // A process that only finds it taken shall not keep others out of the guard.
    if (platform === "win32" && fs.exists(lockPath)) return { kind: "contended" };
    const nonce = newNonce();
    const temporary = temporaryOf(lockPath, nonce);
    try {
      if (platform === "win32") return createUnderGuard(lockPath, draft, fs, platform);
      const lookAnew = (): number => openUnderSecondName(lockPath, temporary, fs);
      const lock = writeLocked(temporary, nonce, draft, fs, platform, lookAnew);
      return linkInto(lockPath, temporary, lock, fs, platform);
    } catch (error) {
      // There is no room for a lock, and it is another's turn anyway, or its lock's that can be cleared away.
      if (isDiskFull(error) && fs.exists(lockPath)) return { kind: "contended" };
      // A network file system repeated the creation: the first answer got lost. No other process uses this name.
      if (errorCode(error) === "EEXIST") unlinkQuietly(temporary, fs);
      if (!isWorthAnotherTry(error) || attempt >= MAX_ATTEMPTS) throw error;
      if (errorCode(error) === "ENOENT") fs.makeDirectory(dirname(lockPath));
    }
    if (fs.exists(lockPath)) return { kind: "contended" };
  }
}

function isWorthAnotherTry(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "EEXIST";
}

function temporaryOf(lockPath: string, nonce: string): string {
  return `${lockPath}.${nonce}.tmp`;
}

/**
 * Creates `path`, locks it, writes the payload. On failure there is no file and no descriptor.
 *
 * @param lookAnew - Opens the file once more, for reading.
 */
function writeLocked(
  path: string,
  nonce: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform,
  lookAnew: () => number,
): Published {
  const fd = fs.createExclusive(path);
  let second: number | null = null;
  try {
    const attempt = fs.tryExclusive(fd);
    const isLocked = attempt === "acquired";
    const { kind, name } = fileSystemAt(path, fd, fs, platform);
    if (!isLocked || kind === "local") {
      const lock = writePayload(fd, nonce, draft, isLocked, name, null, fs);
      return isLockless(attempt) ? { ...lock, isLockless: true } : lock;
    }
    second = lookAnew();
    const shows = fs.probe(second) === "held";
    const lock = writePayload(fd, nonce, draft, shows, name, shows || null, fs);
    if (isReadable(second, lock.text, fs)) return lock;
  } catch (error) {
    discard(path, fd, fs);
    throw error;
  } finally {
    if (second !== null) closeQuietly(second, fs);
  }
  discard(path, fd, fs);
  return writeUnlocked(path, nonce, draft, fs, platform);
}

function writeUnlocked(
  path: string,
  nonce: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform,
): Published {
  const fd = fs.createExclusive(path);
  try {
    const { name } = fileSystemAt(path, fd, fs, platform);
    return writePayload(fd, nonce, draft, false, name, null, fs);
  } catch (error) {
    discard(path, fd, fs);
    throw error;
  }
}

function writePayload(
  fd: number,
  nonce: string,
  draft: PayloadDraft,
  showsLock: boolean,
  fileSystem: string | null,
  verified: true | null,
  fs: LockFs,
): Published {
  const kernelLock = showsLock ? fs.fileId(fd) : null;
  const payload = complete(draft, nonce, kernelLock, fileSystem, verified);
  const text = formatPayload(payload);
  fs.writeText(fd, text);
  return {
    kind: "published",
    fd,
    nonce,
    text,
    payload,
    showsWhenFree: showsLock && verified === null,
    isLockless: false,
  };
}

function fileSystemAt(path: string, fd: number, fs: LockFs, platform: NodeJS.Platform): FileSystem {
  // Windows has no number: there the name of the directory tells.
  const type = platform === "win32" ? 0 : fs.fileSystemTypeOf(fd);
  return type === null ? NOT_TOLD : fileSystemOf(platform, type, dirname(path));
}

const NOT_TOLD: FileSystem = { kind: "unlisted", name: null };

/** The temp by another private name, which is gone again when this returns. */
function openUnderSecondName(lockPath: string, temporary: string, fs: LockFs): number {
  const other = temporaryOf(lockPath, newNonce());
  try {
    fs.link(temporary, other);
  } catch (error) {
    const code = errorCode(error) ?? "";
    // Without links the lock will be created in place, and looked at there.
    if (NO_LINKS.has(code)) return fs.openForReading(temporary);
    // Repeated by a network file system: no other process uses this name.
    if (code !== "EEXIST") throw error;
  }
  try {
    return fs.openForReading(other);
  } finally {
    unlinkQuietly(other, fs);
  }
}

/** Whether the holder can read what it wrote through another descriptor. */
function isReadable(fd: number, text: string, fs: LockFs): boolean {
  const buffer = Buffer.alloc(Buffer.byteLength(text));
  try {
    return fs.read(fd, buffer, 0, buffer.length) > 0;
  } catch {
    return false;
  }
}

/** Not `{ ...draft, nonce, kernelLock }`: V8 clones an object into a larger one many times slower. */
function complete(
  draft: PayloadDraft,
  nonce: string,
  kernelLock: string | null,
  fileSystem: string | null,
  verified: true | null,
): SessionLockPayload {
  const { pid, createdAt, maxHoldMs, starttime, owner, monotonicMs, label } = draft;
  return {
    pid,
    createdAt,
    maxHoldMs,
    starttime,
    owner,
    nonce,
    kernelLock,
    monotonicMs,
    label,
    fileSystem,
    verified,
  };
}

function linkInto(
  lockPath: string,
  temporary: string,
  lock: Published,
  fs: LockFs,
  platform: NodeJS.Platform,
): PublishAttempt {
  let keep = false;
  try {
    fs.link(temporary, lockPath);
    keep = true;
    return lock;
  } catch (error) {
    const code = errorCode(error) ?? "";
    // A network file system may have done it and lost the answer, or repeated the call. Not the number of links
    // tells, which a repetition that failed has as well, but that the name is this very file's.
    keep = code === "EEXIST" ? isLinked(lockPath, lock, fs) : hasArrived(lockPath, lock, fs);
    if (keep) return lock;
    if (code === "EEXIST") return { kind: "contended" };
    if (!NO_LINKS.has(code)) throw error;
  } finally {
    if (keep) unlinkQuietly(temporary, fs);
    else discard(temporary, lock.fd, fs);
  }
  return lock.isLockless
    ? createInPlace(lockPath, lock.payload, fs, platform)
    : createUnderGuard(lockPath, lock.payload, fs, platform);
}

/** Without links the file is visible before it is complete; its guard keeps judges away until then. */
function createUnderGuard(
  lockPath: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform,
): PublishAttempt {
  const guard: GuardAttempt = tryEnterGuard(lockPath, fs, platform);
  if (guard.kind === "busy") return guard;
  if (guard.kind === "refused") throw guard.error;
  try {
    return createInPlace(lockPath, draft, fs, platform);
  } finally {
    if (guard.kind === "entered") guard.leave();
  }
}

function createInPlace(
  lockPath: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform,
): PublishAttempt {
  try {
    const lookAnew = (): number => fs.openForReading(lockPath);
    return writeLocked(lockPath, newNonce(), draft, fs, platform, lookAnew);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return { kind: "contended" };
    throw error;
  }
}

/** Asked of every contender that finds the name taken: two system calls. */
function isLinked(lockPath: string, lock: Published, fs: LockFs): boolean {
  if (fs.isNamed(lockPath, lock.fd)) return true;
  // Where a linked name may have another inode, the nonce tells as well: it is in no other process's file.
  return !lock.showsWhenFree && hasArrived(lockPath, lock, fs);
}

function hasArrived(lockPath: string, own: OwnLock, fs: LockFs): boolean {
  try {
    return isOwnLock(lockPath, own, fs);
  } catch {
    return false;
  }
}

function discard(path: string, fd: number, fs: LockFs): void {
  unlinkQuietly(path, fs);
  closeQuietly(fd, fs);
}

function unlinkQuietly(path: string, fs: LockFs): void {
  try {
    fs.unlink(path);
  } catch {
    // A sweep finds it: no process has it locked once we are done.
  }
}
