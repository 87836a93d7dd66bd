/**
 * A lock whose file says nothing but its holder's pid, for programs that read no more (monit, systemd, shell scripts).
 * Pure.
 *
 * A number has no place for a token, a nonce or the name of the inode that its holder has locked. What proves that it
 * is held is the kernel lock alone. That the lock is *free* proves the holder's end only of a file that had one: other
 * programs write the same bytes without any. So the publisher leaves a mark in what is its own to write besides: the
 * microseconds of the modification time are a checksum of which file this is and of the number in it.
 *
 * - A later write to the file, of the same bytes even, sets another time: the mark is gone, as is the claim.
 * - A copy is another inode, for which the mark is wrong. So it is on another view of the file (another device), where
 *   the holder's lock does not show.
 * - One in a million files that were never marked (Windows: in a hundred thousand) has the right microseconds; but what
 *   is only written has equal modification and change times, which a marked file never has.
 * - A file system that keeps no microseconds keeps no mark: then the number is judged as any other program's.
 */
import { isAnonymousDevice } from "./file-id.js";

/** Which file the mark is for. */
export interface MarkedFile {
  /** `<st_dev>:<st_ino>` */
  readonly fileId: string;
  readonly pid: number;
  /** The boot's id; null: not known. */
  readonly boot: string | null;
}

/**
 * How many microseconds one number of the mark takes: libuv computes Windows' 100 ns since 1601 in a double, which is 0.8 µs
 * off.
 */
function grain(platform: string): number {
  return platform === "win32" ? 10 : 1;
}

/** Nanoseconds since the Unix epoch. */
export interface ExactTimes {
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export function formatNumber(pid: number): string {
  return `${String(pid)}\n`;
}

// As formatNumber writes it; ten digits hold every pid of every platform.
const NUMBER = /^[1-9]\d{0,9}\n$/;
const LONGEST_NUMBER = 11;

/** The pid in a file that {@link formatNumber} may have written; null: it did not. */
export function numberIn(bytes: Buffer): number | null {
  if (bytes.length > LONGEST_NUMBER) return null;
  const text = bytes.toString("latin1");
  return NUMBER.test(text) ? Number(text) : null;
}

/**
 * The modification time that a file is to be given, in seconds since the Unix epoch: the latest one with its mark, less
 * than a second ago. null: it can have none that would be believed.
 *
 * @param nowMs - The wall clock.
 */
export function markedTime(file: MarkedFile, platform: string, nowMs: number): number | null {
  const mark = markOf(file, platform);
  if (mark === null) return null;
  // The middle: a double is 0.2 µs too small, perhaps, and then cut off.
  const fraction = ((mark + 0.5) * grain(platform)) / 1e6;
  const second = Math.floor(nowMs / 1000);
  const time = second + fraction;
  return time * 1000 <= nowMs ? time : time - 1;
}

/** Whether a file was given its mark, and not written to since. */
export function hasMark(
  file: MarkedFile,
  platform: string,
  { mtimeNs, ctimeNs }: ExactTimes,
): boolean {
  const microseconds = Number((((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S) / 1000n);
  return (
    mtimeNs !== ctimeNs && Math.floor(microseconds / grain(platform)) === markOf(file, platform)
  );
}

const NS_PER_S = 1_000_000_000n;

/**
 * 0 to 999 999; on Windows to 99 999. A device that is no disk's (tmpfs, overlay, btrfs) gets its number anew with each
 * mount, and another boot's may be another file system's: there the boot counts, too.
 */
function markOf({ fileId, pid, boot }: MarkedFile, platform: string): number | null {
  const isOfThisBoot = isAnonymousDevice(fileId, platform);
  if (isOfThisBoot && boot === null) return null;
  return (
    checksum(`${fileId} ${String(pid)} ${isOfThisBoot ? String(boot) : ""}`) %
    (1_000_000 / grain(platform))
  );
}

/** FNV-1a, 32 bits, of ASCII. */
function checksum(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
