/** What a file is that is in a lock's way and not in the lock format. Pure. */
import type { SessionLockPayload } from "../session-lock/payload.js";
import type { OtherContent } from "../session-lock/judge.js";

// A pid by itself, as most daemons write it. Ten digits hold every pid of every platform.
const BARE_PID = /^\s*([1-9]\d{0,9})\s*$/;

// Nothing, or what a power failure makes of a file that was just written.
// oxlint-disable-next-line no-control-regex -- NUL bytes are what is looked for
const BLANK = /^[\s\u0000]*$/;

// How this package's locks begin, when their end is missing.
const TORN = /^\{\s*"pid":/;

/**
 * Somebody may have given the path of a file that is no lock at all, and must not lose it: only what is blank,
 * or the beginning of a lock, counts as a broken one. A bare pid is a lock of that process, as old as the file.
 */
export function readOtherContent(bytes: Buffer, mtimeMs: number | null): OtherContent {
  const text = bytes.toString("latin1");
  const pid = BARE_PID.exec(text)?.[1];
  if (pid !== undefined) return plainLock(Number(pid), mtimeMs);
  const isBroken = BLANK.test(text) || (TORN.test(text) && !isJson(text));
  return isBroken ? null : "no-lock";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function plainLock(pid: number, mtimeMs: number | null): SessionLockPayload {
  return {
    pid,
    createdAt: mtimeMs === null ? null : new Date(mtimeMs).toISOString(),
    maxHoldMs: null,
    starttime: null,
    owner: null,
    nonce: null,
    kernelLock: null,
    monotonicMs: null,
    label: null,
    fileSystem: null,
    verified: null,
  };
}
