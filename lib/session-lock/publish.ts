/**
 * Publishes a lock: its file appears under its name complete, already kernel-locked, or not at all.
 *
 * 1. Create a private `<L>.<nonce>.tmp` exclusively and take the kernel lock on it at once. From here on
 *    the descriptor is never let go, so a crash at any instruction shows as "free".
 * 2. Write the payload, which names this descriptor's inode as `kernelLock`.
 * 3. `link(tmp, L)`. It never replaces: of any number of contenders one succeeds. Unlink the temp.
 *
 * Readers never see an empty lock of ours, nor an unlocked one. ENOENT from link: somebody swept the
 * temp because we were stopped for long; start over. Where hard links are missing, `L` itself is created
 * exclusively, locked and written inside the guard, where nobody removes it meanwhile. So it is always on
 * Windows, where the temp's name would stay in the directory for the whole hold: a file that is open is
 * unlinked when it is closed (Node 20; measured).
 */
import { dirname } from "node:path";

import { closeQuietly } from "../util/close-quietly.js";
import { errorCode } from "../util/error-code.js";
import type { LockFs } from "../util/lock-fs.js";
import { fileSystemOf } from "./file-system.js";
import { type GuardAttempt, tryEnterGuard } from "./guard.js";
import { newNonce } from "./nonce.js";
import { formatPayload, type SessionLockPayload } from "./payload.js";
import { checkPayloadSize } from "./payload-size.js";
import { isOwnLock, type OwnLock } from "./read-lock.js";

/** A published lock; keep `fd` open for the whole hold. */
export interface Published extends OwnLock {
  readonly kind: "published";
  readonly fd: number;
  readonly payload: SessionLockPayload;
}

/** `contended`: `L` exists. `busy`: the guard that is needed here is taken. */
export type PublishAttempt = Published | { readonly kind: "contended" } | { readonly kind: "busy" };

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
    // Whoever only finds it taken shall not keep others out of the guard.
    if (platform === "win32" && fs.exists(lockPath)) return { kind: "contended" };
    const nonce = newNonce();
    const temporary = `${lockPath}.${nonce}.tmp`;
    try {
      if (platform === "win32") return createUnderGuard(lockPath, draft, fs);
      const lock = writeLocked(temporary, nonce, draft, fs);
      return linkInto(lockPath, temporary, lock, fs);
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attempt >= MAX_ATTEMPTS) throw error;
      fs.makeDirectory(dirname(lockPath));
    }
    if (fs.exists(lockPath)) return { kind: "contended" };
  }
}

/** Creates `path`, locks it, writes the payload. On failure there is no file and no descriptor. */
function writeLocked(path: string, nonce: string, draft: PayloadDraft, fs: LockFs): Published {
  const fd = fs.createExclusive(path);
  try {
    const hasKernelLock = fs.tryExclusive(fd) === "acquired";
    const kernelLock = hasKernelLock ? fs.fileId(fd) : null;
    const payload = complete(draft, nonce, kernelLock, fileSystemName(fd, fs));
    const text = formatPayload(payload);
    fs.writeText(fd, text);
    return { kind: "published", fd, nonce, text, payload };
  } catch (error) {
    discard(path, fd, fs);
    throw error;
  }
}

/** Not `{ ...draft, nonce, kernelLock }`: V8 clones an object into a larger one many times slower. */
function complete(
  draft: PayloadDraft,
  nonce: string,
  kernelLock: string | null,
  fileSystem: string | null,
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
    verified: null,
  };
}

function fileSystemName(fd: number, fs: LockFs): string | null {
  const type = fs.fileSystemTypeOf(fd);
  return type === null ? null : fileSystemOf(process.platform, type, "").name;
}

function linkInto(
  lockPath: string,
  temporary: string,
  lock: Published,
  fs: LockFs,
): PublishAttempt {
  let keep = false;
  try {
    fs.link(temporary, lockPath);
    keep = true;
    return lock;
  } catch (error) {
    const code = errorCode(error) ?? "";
    if (code === "EEXIST") return { kind: "contended" };
    // A network file system may have done it and lost the answer.
    keep = hasArrived(lockPath, lock, fs);
    if (keep) return lock;
    if (!NO_LINKS.has(code)) throw error;
  } finally {
    if (keep) unlinkQuietly(temporary, fs);
    else discard(temporary, lock.fd, fs);
  }
  return createUnderGuard(lockPath, lock.payload, fs);
}

/** Without links the file is visible before it is complete; its guard keeps judges away until then. */
function createUnderGuard(lockPath: string, draft: PayloadDraft, fs: LockFs): PublishAttempt {
  const guard: GuardAttempt = tryEnterGuard(lockPath, fs);
  if (guard.kind === "busy") return guard;
  try {
    return writeLocked(lockPath, newNonce(), draft, fs);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return { kind: "contended" };
    throw error;
  } finally {
    if (guard.kind === "entered") guard.leave();
  }
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
    // A sweep finds it: nobody has it locked once we are done.
  }
}
