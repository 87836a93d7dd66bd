/** Linux: which processes have a file open for writing, or locked. Looks at descriptors' names only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

import { DirectoryReader } from "../../../util/directory-reader.js";
import { errorCode } from "../../../util/error-code.js";
import type { TimeSlice } from "../../../util/time-slice.js";

/** A process that has one of the files open. */
export interface OpenFile {
  readonly pid: number;
  /** The kernel lock on the file was taken through that descriptor. */
  readonly hasLock: boolean;
}

/** One descriptor, by `/proc/<pid>/fdinfo/<fd>`. */
export interface DescriptorFacts {
  readonly isForWriting: boolean;
  /** It, or the process, has a kernel lock on the file (since Linux 4.1). */
  readonly hasLock: boolean;
  /** The file's inode number (since Linux 5.14); null: not told. */
  readonly inode: string | null;
}

// O_WRONLY and O_RDWR, whose third value is neither.
const ACCESS_MODE = 0o3;

/** proc_pid_fdinfo(5): a field a line; `flags` in octal, a `lock` for each kernel lock. Pure. */
export function parseDescriptor(text: string): DescriptorFacts {
  let flags = 0;
  let hasLock = false;
  let inode: string | null = null;
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, Math.max(0, colon))) {
      case "flags":
        flags = /^[0-7]{1,12}$/.test(value) ? Number.parseInt(value, 8) : 0;
        break;
      case "ino":
        inode = value;
        break;
      case "lock":
        hasLock = true;
        break;
      default:
    }
  }
  const access = flags & ACCESS_MODE;
  return { isForWriting: access === 1 || access === 2, hasLock, inode };
}

/**
 * Asks every process that may be asked; what another user's processes have open only root is told. A file that is
 * absent from the answer may still be open.
 *
 * @param files - Inode numbers by real path.
 * @returns by path; a process that has the lock before one that only writes
 */
export async function whoHasOpen(
  files: ReadonlyMap<string, bigint>,
  slice: TimeSlice,
): Promise<Map<string, OpenFile>> {
  const found = new Map<string, OpenFile>();
  if (process.platform !== "linux" || files.size === 0) return found;
  for (const pid of namesIn("/proc")) {
    if (!/^[1-9]\d*$/.test(pid) || pid === String(process.pid)) continue;
    for (const fd of namesIn(`/proc/${pid}/fd`)) {
      if (slice.exhausted()) await slice.next();
      const path = orNull(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      const inode = path === null ? undefined : files.get(path);
      if (path === null || inode === undefined || found.get(path)?.hasLock === true) continue;
      const text = orNull(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"));
      if (text === null) continue;
      const facts = parseDescriptor(text);
      // A file of that name in another root, or one that had it earlier.
      if (facts.inode !== null && facts.inode !== String(inode)) continue;
      if (!facts.hasLock && (!facts.isForWriting || found.has(path))) continue;
      found.set(path, { pid: Number(pid), hasLock: facts.hasLock });
    }
  }
  return found;
}

/**
 * Linux: whether a process has a file open, by its inode number or, where a file system shows another one there
 * (overlay), by its real path. null: it may not be asked, or is not told; a process that is gone has none open.
 */
export function hasOpen(pid: number, path: string, inode: bigint): boolean | null {
  if (process.platform !== "linux") return null;
  const descriptors = `/proc/${String(pid)}/fd`;
  let names: readonly string[];
  try {
    names = readdirSync(descriptors);
  } catch (error) {
    return errorCode(error) === "ENOENT" ? false : null;
  }
  for (const fd of names) {
    if (orNull(() => readlinkSync(`${descriptors}/${fd}`)) === path) return true;
    const text = orNull(() => readFileSync(`/proc/${String(pid)}/fdinfo/${fd}`, "latin1"));
    if (text === null) continue;
    const facts = parseDescriptor(text);
    // Before Linux 5.14 it is not told.
    if (facts.inode === null) return null;
    if (facts.inode === String(inode)) return true;
  }
  return false;
}

/** None where they may not be read, or are gone. */
function* namesIn(path: string): Generator<string> {
  const directory = orNull(() => new DirectoryReader(path));
  if (directory === null) return;
  try {
    for (;;) {
      const entry = orNull(() => directory.next());
      if (entry === null) return;
      yield entry.name;
    }
  } finally {
    directory.close();
  }
}

/** Processes come and go meanwhile, and others' may not be asked. */
function orNull<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch {
    return null;
  }
}
