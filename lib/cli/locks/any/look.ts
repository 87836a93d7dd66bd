/** Looks at one file that may be a lock; opens regular files only, follows no link, changes nothing. */
import type { BigIntStats } from "node:fs";
import { sep } from "node:path";

import { closeQuietly, realLockFs } from "../../../lock/protocol/lock-fs.js";
import { hasMark, numberIn } from "../../../lock/protocol/number-file.js";
import { tokenHost } from "../../../process/identity.js";
import { isWithoutEntries } from "../../../util/directory-reader.js";
import { isVanished } from "../../../util/error-code.js";
import { type FoundFile, type FoundType, MOST_BYTES } from "../forms/form.js";

/** A file that was found, and what the file system says of it. */
export interface Found {
  readonly kind: "found";
  readonly file: FoundFile;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
  readonly device: bigint;
  readonly inode: bigint;
}

export type Look =
  | Found
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: Error };

// One byte more than a form's content can have shows that there is more. Used only within one synchronous call.
const scratch = Buffer.alloc(MOST_BYTES + 1);

/** @param path - Absolute. */
export function lookAt(path: string): Look {
  try {
    const stats = realLockFs.lstat(path);
    if (stats === null) return { kind: "absent" };
    return { kind: "found", ...read(path, stats), ...timesOf(stats) };
  } catch (error) {
    if (isVanished(error)) return { kind: "absent" };
    return { kind: "unreadable", error: error as Error };
  }
}

function timesOf(stats: BigIntStats): Omit<Found, "kind" | "file"> {
  const { mtimeNs, ctimeNs, dev, ino } = stats;
  return { mtimeMs: toMs(mtimeNs), ctimeMs: toMs(ctimeNs), device: dev, inode: ino };
}

function toMs(nanoseconds: bigint): number {
  return Number(nanoseconds / 1000n) / 1000;
}

function read(path: string, stats: BigIntStats): Pick<Found, "file"> {
  const type = typeOf(stats);
  const normal = withSlashes(path);
  const file = {
    path: normal,
    name: normal.slice(normal.lastIndexOf("/") + 1),
    type,
    bytes: null,
    isWhole: true,
    hasOwnMark: false,
    target: null,
    isEmptyDirectory: null,
    platform: process.platform,
  };
  switch (type) {
    case "file":
      return { file: { ...file, ...readContent(path) } };
    case "link":
      return { file: { ...file, target: realLockFs.readLink(path) } };
    case "directory":
      return { file: { ...file, isEmptyDirectory: isWithoutEntries(path) } };
    case "other":
      return { file };
  }
}

function typeOf(stats: BigIntStats): FoundType {
  if (stats.isSymbolicLink()) return "link";
  if (stats.isDirectory()) return "directory";
  return stats.isFile() ? "file" : "other";
}

/** Without slashes at its end. */
function withSlashes(path: string): string {
  const normal = sep === "/" ? path : path.replaceAll(sep, "/");
  let end = normal.length;
  while (end > 1 && normal[end - 1] === "/") end--;
  return normal.slice(0, end);
}

function readContent(path: string): Pick<FoundFile, "bytes" | "isWhole" | "hasOwnMark" | "type"> {
  const fd = realLockFs.openForReading(path);
  try {
    // Another file may have taken the name since it was looked at: nothing is read of a FIFO or a device.
    const stats = realLockFs.fstat(fd);
    if (!stats.isFile()) return { type: "other", bytes: null, isWhole: true, hasOwnMark: false };
    let length = 0;
    while (length < scratch.length) {
      const more = realLockFs.read(fd, scratch, length, scratch.length - length);
      if (more === 0) break;
      length += more;
    }
    const bytes = Buffer.from(scratch.subarray(0, Math.min(length, MOST_BYTES)));
    const isWhole = length <= MOST_BYTES;
    return { type: "file", bytes, isWhole, hasOwnMark: isWhole && isMarked(fd, bytes, stats) };
  } finally {
    closeQuietly(fd, realLockFs);
  }
}

/** Whether it is a pid file of this package that says nothing but a pid, and was not written to since. */
function isMarked(fd: number, bytes: Buffer, times: BigIntStats): boolean {
  const pid = numberIn(bytes);
  if (pid === null) return false;
  const file = { fileId: realLockFs.fileId(fd), pid, boot: tokenHost().boot };
  return hasMark(file, process.platform, times);
}
