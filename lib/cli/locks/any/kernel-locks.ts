/** Which process has a kernel lock on a file, by Linux's list of all of them. Touches no lock. */
import { closeSync, openSync, readSync } from "node:fs";

/** One lock of the list. */
export interface KernelLock {
  /** flock(2), fcntl(2) of a process, or fcntl(2) of an open file description; null: not told. */
  readonly type: "flock" | "posix" | "ofd" | null;
  /** null: the kernel names none (an open file description's may be shared), or none that can be seen from here. */
  readonly pid: number | null;
}

/** - `unknown`: this platform has no such list, or it need not be complete. */
export type KernelAnswer =
  | { readonly state: "held"; readonly lock: KernelLock }
  | { readonly state: "free" }
  | { readonly state: "unknown" };

/** The locks of each inode, by `<major>:<minor>:<inode>` and by inode alone. */
export interface KernelLockList {
  readonly byFile: ReadonlyMap<string, KernelLock>;
  readonly inodes: ReadonlySet<string>;
}

const TYPES: Readonly<Record<string, KernelLock["type"]>> = {
  FLOCK: "flock",
  POSIX: "posix",
  OFDLCK: "ofd",
};

/**
 * `/proc/locks` (proc_locks(5)): `<number>: <type> ADVISORY <WRITE|READ> <pid> <major>:<minor>:<inode> <start> <end>`,
 * numbers of devices in hexadecimal. Lines with `->` are of processes that wait. Pure.
 */
export function parseKernelLocks(text: string): KernelLockList {
  const byFile = new Map<string, KernelLock>();
  const inodes = new Set<string>();
  for (const line of text.split("\n")) {
    const [, kind = "", , , pid = "", file = ""] = line.split(/ +/, 6);
    const type = TYPES[kind];
    const [, major = "", minor = "", inode = ""] =
      /^([0-9a-f]{1,8}):([0-9a-f]{1,8}):(\d{1,20})$/.exec(file) ?? [];
    if (type === undefined || inode === "") continue;
    const owner = /^[1-9]\d{0,9}$/.test(pid) ? Number(pid) : null;
    const key = `${String(Number.parseInt(major, 16))}:${String(Number.parseInt(minor, 16))}:${inode}`;
    inodes.add(inode);
    // One that names its process says more.
    if (owner !== null || !byFile.has(key)) byFile.set(key, { type, pid: owner });
  }
  return { byFile, inodes };
}

/** Longer ones are cut: then what is not in it may still be locked. */
const MOST_BYTES = 16 * 1024 * 1024;

/** null: there is no such list here, or it is longer than what is read. */
export function readKernelLocks(): KernelLockList | null {
  if (process.platform !== "linux" && process.platform !== "android") return null;
  try {
    const text = readAll("/proc/locks");
    return text === null ? null : parseKernelLocks(text);
  } catch {
    return null;
  }
}

function readAll(path: string): string | null {
  const parts: Buffer[] = [];
  let length = 0;
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const part = Buffer.alloc(64 * 1024);
      const count = readSync(fd, part);
      if (count === 0) return Buffer.concat(parts).toString("latin1");
      parts.push(part.subarray(0, count));
      length += count;
      if (length > MOST_BYTES) return null;
    }
  } finally {
    closeSync(fd);
  }
}

/** Where the list is read, and what of a file it can tell. */
export interface KernelView {
  readonly locks: KernelLockList | null;
  /** Locks of processes that this one cannot see are left out: only the initial pid namespace sees all. */
  readonly isInitialNamespace: boolean;
}

// What stat(2) tells of their files need not be what the list has.
const OTHER_NUMBERS: ReadonlySet<string | null> = new Set(["overlay", "ecryptfs"]);

/** @param fileSystem - The one the file lies on: only a local one's locks are all in this kernel. */
export function askKernel(
  { device, inode }: { readonly device: bigint; readonly inode: bigint },
  { locks, isInitialNamespace }: KernelView,
  fileSystem: () => { readonly kind: string; readonly name: string | null },
): KernelAnswer {
  if (locks === null) return { state: "unknown" };
  // Linux's makedev(3).
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  const lock = locks.byFile.get(`${String(major)}:${String(minor)}:${String(inode)}`);
  if (lock !== undefined) return { state: "held", lock };
  // A file of another device, or this one by a device's other number (btrfs).
  if (locks.inodes.has(String(inode)) || !isInitialNamespace) return { state: "unknown" };
  const { kind, name } = fileSystem();
  return kind === "local" && !OTHER_NUMBERS.has(name) ? { state: "free" } : { state: "unknown" };
}
