/**
 * Another library's guard for the same purpose: `<L>.reclaim`, a file or directory (some make either)
 * that the process which made it removes after milliseconds. Nothing takes it back from a process that was killed.
 */
import { inspectProcess } from "../../process/inspect.js";
import { isValidPid } from "../../process/pid.js";
import { wallMs } from "../../util/clocks.js";
import { isVanished } from "../../util/error-code.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { lastChangeMs, timesOf } from "./file-times.js";
import { parsePayload } from "./payload.js";

/** How long one is respected that names no process, or none that lives here: it may be another container's. */
export const FOREIGN_GUARD_GRACE_MS = 600_000;

// A process that started later than the file was made, by so much, is not the one that made it: clocks of file
// systems and start times are both coarse.
const CLOCK_TOLERANCE_MS = 10_000;

const MAX_BYTES = 4096;

const BARE_PID = /^\s*([1-9]\d{0,9})\s*$/;

/** `leftover`: the process that made it has crashed, as far as can be known. */
export type ForeignGuard = "none" | "busy" | "leftover";

/** @throws the file system's error when it is there and cannot be looked at */
export function lookAtForeignGuard(path: string, fs: LockFs, nowMs = wallMs()): ForeignGuard {
  const stats = fs.lstat(path);
  if (stats === null) return "none";
  const times = timesOf(stats);
  if (stats.isFile() && isMakerAlive(readPid(path, fs), times.mtimeMs)) return "busy";
  return nowMs - lastChangeMs(times, nowMs) > FOREIGN_GUARD_GRACE_MS ? "leftover" : "busy";
}

/**
 * Takes away one that is a leftover; call only inside the lock's own guard, where no process of this package is
 * about to do the same. One that is not empty stays: it is in no process's way any more.
 */
export function removeForeignGuard(path: string, fs: LockFs): boolean {
  try {
    if (fs.lstat(path)?.isDirectory() === true) fs.removeDirectory(path);
    else fs.unlink(path);
    return true;
  } catch (error) {
    return isVanished(error);
  }
}

function readPid(path: string, fs: LockFs): number | null {
  const buffer = Buffer.alloc(MAX_BYTES);
  try {
    const fd = fs.openForReading(path);
    try {
      const bytes = buffer.subarray(0, fs.read(fd, buffer, 0, MAX_BYTES));
      const bare = BARE_PID.exec(bytes.toString("latin1"))?.[1];
      return bare === undefined ? (parsePayload(bytes)?.pid ?? null) : Number(bare);
    } finally {
      closeQuietly(fd, fs);
    }
  } catch {
    // Another user's file (mode 0600): the pid in it cannot be read.
    return null;
  }
}

/** @param madeMs - The file's modification time. */
function isMakerAlive(pid: number | null, madeMs: number): boolean {
  if (pid === null || !isValidPid(pid)) return false;
  const { state, startedAtMs } = inspectProcess(pid, { args: false });
  if (state === "gone") return false;
  // In a restarted container the same pids come again, this process's among them.
  return startedAtMs === null || startedAtMs <= madeMs + CLOCK_TOLERANCE_MS;
}
