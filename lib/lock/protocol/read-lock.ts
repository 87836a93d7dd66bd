/** Reads one lock file and, when that counts, asks the kernel whether its holder still has it locked. */
import type { BigIntStats } from "node:fs";

import { closeQuietly } from "./close-quietly.js";
import { errorCode } from "../../util/error-code.js";
import type { LockFs } from "./lock-fs.js";
import { printable } from "../../util/printable.js";
import type { EvidenceSource } from "../verdict/evidence.js";
import { timesOf } from "./file-times.js";
import { isPlain, type KernelEvidence, tokenOf, weighKernelLock } from "../verdict/owner.js";
import { parsePayload, type SessionLockPayload } from "./payload.js";

/** `bytes` are the file's, for telling later whether it still says the same. */
export interface LockContent {
  readonly kind: "lock";
  readonly bytes: Buffer;
  readonly payload: SessionLockPayload | null;
  readonly kernel: KernelEvidence;
  /** `<st_dev>:<st_ino>`; null for plain locks, where nothing depends on it. */
  readonly fileId: string | null;
  /** Only read when a lock without pid makes it matter. */
  readonly mtimeMs: number | null;
  /** The same. */
  readonly ctimeMs: number | null;
}

/** What a file was found to say. */
export type SeenContent = Pick<LockContent, "bytes" | "payload">;

export type LockReading =
  | LockContent
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: Error };

const NO_TIMES = { mtimeMs: null, ctimeMs: null };

export const MAX_LOCK_BYTES = 64 * 1024;

// One byte more than allowed shows a file that is too large. Used only within one synchronous call.
const scratch = Buffer.alloc(MAX_LOCK_BYTES + 1);

/**
 * @param isRegular the caller has just seen in a directory listing that this is a regular file. Without
 *   that, and wherever removal hangs on it, the descriptor is asked.
 * @param seen what an earlier reading found: where the file still says that, it is not parsed again.
 */
export function readLock(
  lockPath: string,
  fs: LockFs,
  evidence: EvidenceSource,
  { isRegular, seen = null }: { readonly isRegular: boolean; readonly seen?: SeenContent | null },
): LockReading {
  let fd: number;
  try {
    fd = fs.openForReading(lockPath);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return { kind: "absent" };
    return { kind: "unreadable", error: cause as Error };
  }
  try {
    return readOpenLock(lockPath, fd, fs, evidence, isRegular, seen);
  } catch (cause) {
    return { kind: "unreadable", error: cause as Error };
  } finally {
    closeQuietly(fd, fs);
  }
}

function readOpenLock(
  lockPath: string,
  fd: number,
  fs: LockFs,
  evidence: EvidenceSource,
  isRegular: boolean,
  seen: SeenContent | null,
): LockReading {
  let stats: BigIntStats | null = null;
  if (!isRegular) {
    stats = fs.fstat(fd);
    if (!stats.isFile()) return unreadable(`lock is not a regular file: ${lockPath}`);
  }
  const firstLength = fs.read(fd, scratch, 0, scratch.length);
  const isSeen = seen !== null && isInScratch(seen, firstLength);
  const { length, payload } = isSeen
    ? { length: firstLength, payload: seen.payload }
    : readPayload(fd, fs, firstLength);
  if (length > MAX_LOCK_BYTES) {
    return unreadable(`lock is larger than ${String(MAX_LOCK_BYTES)} bytes: ${lockPath}`);
  }
  if (payload === null || payload.pid === null) {
    stats ??= fs.fstat(fd);
    if (!stats.isFile()) return unreadable(`lock is not a regular file: ${lockPath}`);
  }
  const fileId = payload === null || isPlain(payload) ? null : fs.fileId(fd);
  const kernel =
    payload === null || fileId === null
      ? "silent"
      : kernelEvidence(lockPath, fd, fileId, payload, fs, evidence);
  // Unlinked since it was opened: free because it was released, and nobody's lock any more.
  if ((kernel === "free" || kernel === "free-unconfirmed") && fs.fstat(fd).nlink === 0n)
    return { kind: "absent" };
  return {
    kind: "lock",
    bytes: isSeen ? seen.bytes : Buffer.from(scratch.subarray(0, length)),
    payload,
    kernel,
    fileId,
    ...(stats === null ? NO_TIMES : timesOf(stats)),
  };
}

/** Whether the first read brought all of what was seen. What did not parse may have more to come. */
function isInScratch({ bytes, payload }: SeenContent, length: number): boolean {
  return payload !== null && scratch.compare(bytes, 0, bytes.length, 0, length) === 0;
}

function kernelEvidence(
  lockPath: string,
  fd: number,
  found: string,
  payload: SessionLockPayload,
  fs: LockFs,
  evidence: EvidenceSource,
): KernelEvidence {
  const token = tokenOf(payload);
  return weighKernelLock(
    { recorded: payload, token: typeof token === "string" ? null : token, found },
    evidence.tokenHost,
    () => evidence.fileSystem(lockPath),
    () => fs.probe(fd),
  );
}

/**
 * Reads on into {@link scratch} where that is needed: `length` bytes in all.
 *
 * @param firstLength - What the first read has brought there.
 */
function readPayload(
  fd: number,
  fs: LockFs,
  firstLength: number,
): { readonly length: number; readonly payload: SessionLockPayload | null } {
  let length = firstLength;
  let payload = parsePayload(scratch.subarray(0, length));
  // No part of a JSON object is one itself: only bytes that did not parse can be incomplete.
  while (payload === null && length > 0 && length < scratch.length) {
    const more = fs.read(fd, scratch, length, scratch.length - length);
    if (more === 0) break;
    length += more;
    payload = parsePayload(scratch.subarray(0, length));
  }
  return { length, payload };
}

function unreadable(message: string): LockReading {
  return { kind: "unreadable", error: new Error(printable(message)) };
}

/** What an acquisition wrote. */
export interface OwnLock {
  readonly nonce: string;
  /** The whole file. */
  readonly text: string;
}

/**
 * Whether the lock is this one: its payload has the nonce. False when there is no file.
 *
 * @throws the file system's error when the file is there and cannot be read
 */
export function isOwnLock(lockPath: string, { nonce, text }: OwnLock, fs: LockFs): boolean {
  let fd: number;
  try {
    fd = fs.openForReading(lockPath);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  try {
    const length = fs.read(fd, scratch, 0, scratch.length);
    // As a rule it says what was written: not parsed again.
    if (scratch.toString("utf8", 0, length) === text) return true;
    return readPayload(fd, fs, length).payload?.nonce === nonce;
  } finally {
    closeQuietly(fd, fs);
  }
}
