/** What a file is that is in a lock's way and not in the lock format. Pure. */
import type { OtherContent } from "../lock/verdict/judge.js";
import { type LockPayload, parsePayload, plainPayload } from "../lock/protocol/payload.js";
import { decodeText } from "./decode-text.js";

// A pid by itself, as most daemons write it: perhaps padded: by blanks, by the end of a C string or by a power failure.
// Ten digits hold every pid of every platform.
// oxlint-disable-next-line no-control-regex -- NUL bytes are what is looked for
const BARE_PID = /^\s*0*([1-9]\d{0,9})[\s\u0000]*$/;

// One in the first line, and other lines below it (postmaster.pid, sendmail.pid).
const FIRST_LINE_PID = /^[^\S\r\n]*0*([1-9]\d{0,9})[^\S\r\n]*\r?\n/;

// Nothing, or what a power failure makes of a file that was just written.
// oxlint-disable-next-line no-control-regex -- NUL bytes are what is looked for
const BLANK = /^[\s\u0000]*$/;

// How this package's locks begin, when their end is missing.
const TORN = /^\s*\{\s*"pid":/;

// The latest time that a Date can tell, in milliseconds (ECMA-262).
const LATEST_DATE_MS = 8.64e15;

/**
 * A caller may have given the path of a file that is no lock at all, and must not lose it: only what is blank,
 * or the beginning of a lock, counts as a broken one. A bare pid is a lock of that process, as old as the file.
 * Editors and shells of Windows write either as UTF-16, or with a byte order mark.
 */
export function readOtherContent(bytes: Buffer, mtimeMs: number | null): OtherContent {
  const text = decodeText(bytes);
  const pid = BARE_PID.exec(text)?.[1];
  if (pid !== undefined) return plainLock(Number(pid), mtimeMs);
  // What a power failure has padded is still whole.
  const payload = parsePayload(Buffer.from(withoutPadding(text)));
  if (payload !== null && payload.pid !== null) return withTime(payload, mtimeMs);
  const isBroken = BLANK.test(text) || (TORN.test(text) && !isJson(text));
  return isBroken ? null : "no-lock";
}

/**
 * {@link readOtherContent} for a reader that removes nothing: a pid in the first line counts, whatever follows. An
 * acquisition leaves such a file to its owner: the rest of it may matter to another program.
 */
export function readAnyPid(bytes: Buffer, mtimeMs: number | null): OtherContent {
  const other = readOtherContent(bytes, mtimeMs);
  if (other !== "no-lock") return other;
  const pid = pidInFirstLine(bytes);
  return pid === null ? other : plainLock(pid, mtimeMs);
}

/** null: there is none. */
export function pidInFirstLine(bytes: Buffer): number | null {
  const pid = FIRST_LINE_PID.exec(decodeText(bytes))?.[1];
  return pid === undefined ? null : Number(pid);
}

/** Without a pattern: `\0+$` looks through the rest of a run of NULs for each of them. */
function withoutPadding(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === "\0") end--;
  return text.slice(0, end);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Other programs' JSON need not say when it was written; its file does. */
function withTime(payload: LockPayload, mtimeMs: number | null): LockPayload {
  if (payload.createdAt !== null || payload.nonce !== null || mtimeMs === null) return payload;
  return { ...payload, createdAt: isoTime(mtimeMs) };
}

function plainLock(pid: number, mtimeMs: number | null): LockPayload {
  return plainPayload(pid, { createdAt: mtimeMs === null ? null : isoTime(mtimeMs) });
}

/** A file system's times reach beyond what a date can tell (tmpfs, btrfs: 290 billion years): the nearest one. */
function isoTime(ms: number): string {
  return new Date(Math.max(-LATEST_DATE_MS, Math.min(LATEST_DATE_MS, ms))).toISOString();
}
