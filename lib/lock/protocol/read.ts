/** Reads what a lock file says, at most once from the disk as a rule. */
import { errorCode } from "../../util/error-code.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import type { Published } from "./new-lock-file.js";
import { numberIn } from "./number-file.js";
import { type LockPayload, MAX_LOCK_BYTES, parsePayload } from "./payload.js";

/** What a lock file says; the bytes tell later whether it still says the same. */
export interface LockContent {
  readonly bytes: Buffer;
  readonly payload: LockPayload | null;
}

// One byte more than allowed shows a file that is too large. Used only within one synchronous call.
const scratch = Buffer.alloc(MAX_LOCK_BYTES + 1);

/**
 * @param seen - What an earlier reading found: where the file still says that, it is not parsed again.
 * @returns null when the file is larger than a lock can be.
 * @throws the file system's error
 */
export function readContent(fd: number, fs: LockFs, seen?: LockContent | null): LockContent | null {
  const firstLength = fs.read(fd, scratch, 0, scratch.length);
  if (seen && isInScratch(seen, firstLength)) return seen;
  const { length, payload } = readOn(fd, fs, firstLength);
  if (length > MAX_LOCK_BYTES) return null;
  return { bytes: copyOfScratch(length), payload };
}

/** One object, from Node's pool: a sweep makes one of every lock. */
function copyOfScratch(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  scratch.copy(bytes, 0, 0, length);
  return bytes;
}

/** Whether the first read brought all of what was seen. What did not parse may have more to come. */
function isInScratch({ bytes, payload }: LockContent, length: number): boolean {
  return payload !== null && scratch.compare(bytes, 0, bytes.length, 0, length) === 0;
}

/**
 * Reads on into {@link scratch} where that is needed: `length` bytes in all.
 *
 * @param firstLength - What the first read has brought there.
 */
function readOn(
  fd: number,
  fs: LockFs,
  firstLength: number,
): { readonly length: number; readonly payload: LockPayload | null } {
  let length = firstLength;
  let payload = parsePayload(scratch, length);
  // No part of a JSON object is one itself: only bytes that did not parse can be incomplete.
  while (payload === null && length > 0 && length < scratch.length) {
    const more = fs.read(fd, scratch, length, scratch.length - length);
    if (more === 0) break;
    length += more;
    payload = parsePayload(scratch, length);
  }
  return { length, payload };
}

/**
 * Whether the file at `lockPath` is that lock: its payload has the nonce, or it is the very file that says the holder's
 * pid and no more. False when there is no file.
 *
 * @throws the file system's error when the file is there and cannot be read
 */
export function isLockAt(
  lockPath: string,
  { nonce, text, fileId }: Pick<Published, "nonce" | "text" | "fileId">,
  fs: LockFs,
): boolean {
  let fd: number;
  try {
    fd = fs.openForReading(lockPath);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
  try {
    // The same pid may be in another container's file.
    if (fileId !== undefined && fs.fileId(fd) !== fileId) return false;
    const length = fs.read(fd, scratch, 0, scratch.length);
    // As a rule it says what was written: not parsed again.
    if (scratch.toString("utf8", 0, length) === text) return true;
    return readOn(fd, fs, length).payload?.nonce === nonce;
  } finally {
    closeQuietly(fd, fs);
  }
}

/**
 * The pid in whatever lock is at `lockPath`; null: it names none, or cannot be read; `absent`: there is no file.
 */
export function pidAt(lockPath: string, fs: LockFs): number | null | "absent" {
  let fd: number | null = null;
  try {
    fd = fs.openForReading(lockPath);
    const content = readContent(fd, fs);
    if (content === null) return null;
    return content.payload?.pid ?? numberIn(content.bytes);
  } catch (error) {
    return errorCode(error) === "ENOENT" ? "absent" : null;
  } finally {
    if (fd !== null) closeQuietly(fd, fs);
  }
}
