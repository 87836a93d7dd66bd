/**
 * Every file-system call of the lock layer, as one interface.
 *
 * It exists so that tests can number, delay and fail the very calls that production makes; nothing in
 * `lib/lock` imports `node:fs` beside it. Calls are synchronous on purpose: on a local disk each
 * takes 2–10 µs, a hop through the thread pool 30–60 µs.
 */
import type { BigIntStats } from "node:fs";

import { loadNative } from "../../native/load.js";
import { DirectoryReader } from "../../util/directory-reader.js";
import { errorCode, systemError } from "../../util/error-code.js";
import { dirname, fs } from "../../util/node-modules.js";
import { printable } from "../../util/printable.js";
import { closeFile, openFile, readFile, unlinkFile, writeText } from "./file-calls.js";
import { isAnonymousDevice } from "./file-id.js";
import { isTypeOfDisk, TYPE_OF_9P } from "./file-system-kind.js";
import { codeOf } from "./system-call-error.js";

/** `acquired`: this descriptor has it now (a probe: it was free). `held`: another one has it. Else the errno's name. */
export type LockAttempt = "acquired" | "held" | { readonly refused: string };

export type PathKind = (typeof PATH_KINDS)[number];

/** In the order of `PathKind` in native/file_lock.h. */
const PATH_KINDS = ["nothing", "file", "directory", "link", "other"] as const;

/** One directory entry; `isFile` is false for symbolic links, whatever they point to. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isFile: boolean;
}

/** A directory being listed; `next` reads ahead in blocks, so most calls cost no system call. */
export interface DirectoryListing {
  readonly next: () => DirectoryEntry | null;
  readonly close: () => void;
}

export interface LockFs {
  /** Read-only, without following a final symlink and without waiting for a FIFO's writer. */
  readonly openForReading: (path: string) => number;
  /** A new file for reading and writing; throws EEXIST. */
  readonly createExclusive: (path: string) => number;
  /**
   * Linux: a new file in `directory` that has no name yet and goes with its descriptor (O_TMPFILE, since 3.11; not on
   * FUSE and network file systems).
   */
  readonly createUnnamed: (directory: string) => number;
  /** Gives such a file a name; never replaces. Throws EEXIST, and ENOENT also where the kernel has no way to it. */
  readonly linkOpenFile: (fd: number, path: string) => void;
  /**
   * The guard: created when missing, opened otherwise; never followed through a symlink. For writing where that is
   * allowed: NFSv4 gives no exclusive lock on a descriptor that is read-only.
   */
  readonly openGuard: (path: string) => number;
  /** Windows guard: created exclusively, deleted by the OS with its last handle. Throws EEXIST. */
  readonly createSelfDeleting: (path: string) => number;
  /** Windows: opens one that was left behind, which only succeeds when no process has it open. */
  readonly takeOverSelfDeleting: (path: string) => number;
  /** Reads what lies at `offset` of the file, to `offset` of the buffer. */
  readonly read: (fd: number, buffer: Buffer, offset: number, length: number) => number;
  /** Writes all of `text` or throws. */
  readonly writeText: (fd: number, text: string) => void;
  /** Sets when the file was last written to, and read; seconds since the Unix epoch, fractions too. */
  readonly setModified: (fd: number, seconds: number) => void;
  /** Opens an existing file for writing, without following a final symlink. */
  readonly openForWriting: (path: string) => number;
  readonly close: (fd: number) => void;
  readonly fstat: (fd: number) => BigIntStats;
  /** `<st_dev>:<st_ino>`: which one an open file is among those that exist now. */
  readonly fileId: (fd: number) => string;
  /**
   * Whether `path` names the very regular file that `fd` has open, at half the price of `lstat` and `fstat`.
   * False also when that cannot be told: those two know why.
   */
  readonly isNamed: (path: string, fd: number) => boolean;
  /** null when there is nothing at `path`. */
  readonly lstat: (path: string) => BigIntStats | null;
  /** What is at `path`, a final symbolic link not followed. */
  readonly kindAt: (path: string) => PathKind;
  /** Whether `directory` is its own real path, as one call tells; false also where none does. */
  readonly isWithoutLinks: (directory: string) => boolean;
  /** A second name for a file; never replaces. Throws EEXIST. */
  readonly link: (existing: string, path: string) => void;
  readonly makeDirectory: (path: string) => void;
  /**
   * The path without links. Windows: GetFinalPathNameByHandle, which also looks behind junctions and
   * `subst` drives, and gives a mapped network drive as the share (`\\server\share\…`) that it is.
   */
  readonly realpath: (path: string) => string;
  /** What a symbolic link says, which may be relative to its own directory. */
  readonly readLink: (path: string) => string;
  readonly exists: (path: string) => boolean;
  readonly unlink: (path: string) => void;
  /** An empty directory. */
  readonly removeDirectory: (path: string) => void;
  readonly rename: (from: string, to: string) => void;
  readonly list: (directory: string) => DirectoryListing;
  /** `statfs` type number of the file system that `path` is on; 0 on Windows. */
  readonly fileSystemType: (path: string) => number;
  /** The same of the file system that an open file is on; null where only a path can be asked. */
  readonly fileSystemTypeOf: (fd: number) => number | null;
  /** Whether this process can take kernel locks at all, i.e. whether the addon is loaded. */
  readonly canLock: () => boolean;
  /** The one kind of kernel lock that every platform has (flock, LockFileEx): guards, and ownership but on Linux. */
  readonly tryExclusive: (fd: number) => LockAttempt;
  /** Takes the lock shared and drops it at once. */
  readonly probe: (fd: number) => LockAttempt;
  /** Drops what `tryExclusive` took; what cannot be dropped now ends with the descriptor. */
  readonly drop: (fd: number) => void;
  /** Linux: the other kind, an open-file-description lock. Neither kind sees the other. */
  readonly tryOwn: (fd: number) => LockAttempt;
  /** Takes nothing. */
  readonly probeOwner: (fd: number) => LockAttempt;
  /**
   * Which file is open, `fileId` first, its size and when it was last written to: whether a file was left alone. null:
   * the OS does not tell.
   */
  readonly stamp: (fd: number) => string | null;
  /** The same of what `path` names; null also when there is nothing. */
  readonly stampAt: (path: string) => string | null;
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;
// Linux, asm-generic/fcntl.h: the same on every architecture but for O_DIRECTORY, which is part of it.
const O_TMPFILE = 0o20000000 | (fs.constants.O_DIRECTORY ?? 0);
// Windows has neither; there a listing's entry types keep symbolic links away.
const O_NOFOLLOW: number = fs.constants.O_NOFOLLOW ?? 0;
const O_NONBLOCK: number = fs.constants.O_NONBLOCK ?? 0;
const O_NOCTTY: number = fs.constants.O_NOCTTY ?? 0;
// Windows: FILE_FLAG_DELETE_ON_CLOSE, by libuv's number.
const O_TEMPORARY = 0x40;
// Windows: no sharing with any other handle, by libuv's number.
const O_EXLOCK = 0x10000000;
// Less the umask: others must be able to read who holds a lock; nothing in it is secret.
const FILE_MODE = 0o666;

/** The real calls. */
export const realLockFs: LockFs = {
  openForReading: (path) =>
    openFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, FILE_MODE),
  createExclusive: (path) => openFile(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE),
  createUnnamed: (directory) => openFile(directory, O_TMPFILE | O_RDWR, FILE_MODE),
  linkOpenFile,
  openGuard,
  createSelfDeleting: (path) =>
    fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_TEMPORARY, FILE_MODE),
  takeOverSelfDeleting: (path) => fs.openSync(path, O_RDWR | O_TEMPORARY | O_EXLOCK, FILE_MODE),
  read: readFile,
  writeText,
  setModified: (fd, seconds) => {
    fs.futimesSync(fd, seconds, seconds);
  },
  openForWriting: (path) =>
    openFile(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, FILE_MODE),
  close: closeFile,
  fstat: (fd) => fs.fstatSync(fd, { bigint: true }),
  fileId: (fd) => loadNative().binding?.fileId(fd) ?? fileIdIn(fs.fstatSync(fd, { bigint: true })),
  isNamed: (path, fd) => loadNative().binding?.isNamed(path, fd) ?? false,
  lstat: (path) => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null,
  kindAt,
  isWithoutLinks: (directory) => loadNative().binding?.isWithoutLinks(directory) ?? false,
  link: (existing, path) => {
    fs.linkSync(existing, path);
  },
  makeDirectory,
  realpath: (path) => fs.realpathSync.native(path),
  readLink: (path) => fs.readlinkSync(path),
  exists,
  unlink: unlinkFile,
  removeDirectory: (path) => {
    fs.rmdirSync(path);
  },
  rename: (from, to) => {
    fs.renameSync(from, to);
  },
  list: (directory) => {
    const reader = openDirectory(directory);
    return {
      next: () => {
        const entry = reader.next();
        return entry === null ? null : { name: entry.name, isFile: entry.isFile() };
      },
      close: () => {
        reader.close();
      },
    };
  },
  fileSystemType: (path) =>
    typeHere(fs.statfsSync(path).type, () => fileIdIn(fs.statSync(path, { bigint: true }))),
  fileSystemTypeOf: (fd) => {
    const type = loadNative().binding?.fileSystemType(fd) ?? null;
    return type === null ? null : typeHere(type, () => realLockFs.fileId(fd));
  },
  canLock: () => loadNative().binding !== undefined,
  tryExclusive: (fd) => lockAttempt(loadNative().binding?.lockTryExclusive(fd)),
  probe: (fd) => lockAttempt(loadNative().binding?.lockProbe(fd)),
  drop: (fd) => void loadNative().binding?.lockDrop(fd),
  tryOwn: (fd) => lockAttempt(loadNative().binding?.ownershipTry(fd)),
  probeOwner: (fd) => lockAttempt(loadNative().binding?.ownershipProbe(fd)),
  stamp: (fd) => loadNative().binding?.fileStamp(fd) ?? null,
  stampAt: (path) => loadNative().binding?.fileStampAt(path) ?? null,
};

// Each further attempt means that a guard of another user's appeared and went meanwhile.
const MAX_GUARD_ATTEMPTS = 8;
const GUARD_FLAGS = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/**
 * In a sticky directory `fs.protected_regular` (Linux; a usual default) refuses O_CREAT for another user's file
 * (EACCES, may_create_in_sticky in fs/namei.c), and this process may seldom write such a file. flock(2) asks for
 * neither: on a local disk a descriptor for reading takes the lock.
 */
function openGuard(path: string): number {
  for (let attempt = 1; ; attempt++) {
    try {
      return openFile(path, O_RDWR | O_CREAT | GUARD_FLAGS, FILE_MODE);
    } catch (refusal) {
      if (!NOT_OURS_TO_WRITE.has(errorCode(refusal))) throw refusal;
      const fd = openExisting(path, O_RDWR) ?? openExisting(path, O_RDONLY);
      if (fd !== null) return fd;
      // There is none: it went in between, or its directory is what was refused.
      if (attempt >= MAX_GUARD_ATTEMPTS || !isWritable(dirname(path))) throw refusal;
    }
  }
}

const NOT_OURS_TO_WRITE: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EROFS"]);

/**
 * What a file system is here. 9p passes on what its server says of its disk (fs/9p/vfs_super.c v9fs_statfs): a folder
 * that a virtual machine shares with its host looks like the host's disk, but has no disk's device number.
 */
function typeHere(type: number, fileId: () => string): number {
  if (process.platform !== "linux" || !isTypeOfDisk(type)) return type;
  return isAnonymousDevice(fileId(), "linux") ? TYPE_OF_9P : type;
}

/** null: it is not there, or may not be opened so. */
function openExisting(path: string, access: number): number | null {
  try {
    return openFile(path, access | GUARD_FLAGS, FILE_MODE);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || NOT_OURS_TO_WRITE.has(code)) return null;
    throw error;
  }
}

function isWritable(directory: string): boolean {
  try {
    fs.accessSync(directory, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const BY_DESCRIPTOR = 0;
const BY_PROC = 1;

/** What has worked in this thread: without a capability kernels before 6.10 say ENOENT to the first way. */
let linkBy: typeof BY_DESCRIPTOR | typeof BY_PROC = BY_DESCRIPTOR;

function linkOpenFile(fd: number, path: string): void {
  const binding = loadNative().binding;
  let result = binding?.linkOpenFile(fd, path, linkBy) ?? null;
  if (result === 0) return;
  if (linkBy === BY_DESCRIPTOR && result !== null && codeOf(result) === "ENOENT") {
    result = binding?.linkOpenFile(fd, path, BY_PROC) ?? null;
    if (result === 0) {
      linkBy = BY_PROC;
      return;
    }
  }
  const code = result === null ? "ENOSYS" : codeOf(result);
  throw systemError(code, "cannot name an open file", "linkat", path);
}

function kindAt(path: string): PathKind {
  const kind = loadNative().binding?.pathKind(path) ?? null;
  return (kind === null ? null : PATH_KINDS[kind]) ?? kindByNode(path);
}

/** Behind a final symbolic link, too: there Node follows it. */
function exists(path: string): boolean {
  const kind = loadNative().binding?.pathKind(path) ?? null;
  return kind === null || PATH_KINDS[kind] === "link" ? fs.existsSync(path) : kind !== 0;
}

function kindByNode(path: string): PathKind {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return "nothing";
  if (stats.isSymbolicLink()) return "link";
  if (stats.isDirectory()) return "directory";
  return stats.isFile() ? "file" : "other";
}

function fileIdIn({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${String(dev)}:${String(ino)}`;
}

function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { recursive: true });
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    // Node says so of some other refusals, too (EROFS): the first missing directory by itself tells.
    let missing = path;
    while (dirname(missing) !== missing && !fs.existsSync(dirname(missing))) {
      missing = dirname(missing);
    }
    try {
      fs.mkdirSync(missing);
    } catch (refusal) {
      if (errorCode(refusal) !== "EEXIST") throw refusal;
    }
    fs.mkdirSync(path, { recursive: true });
  }
}

/** Node's own error does not name the directory. */
function openDirectory(directory: string): DirectoryReader {
  try {
    return new DirectoryReader(directory);
  } catch (cause) {
    const { code, errno, syscall, message } = cause as NodeJS.ErrnoException;
    const error = new Error(printable(`${message} '${directory}'`), { cause });
    throw Object.assign(error, { code, errno, syscall, path: directory });
  }
}

/** @param result - What the addon answered; undefined: there is none. */
function lockAttempt(result: number | undefined): LockAttempt {
  if (result === undefined) return { refused: "ENOSYS" };
  if (result === 0) return "acquired";
  if (result === 1) return "held";
  return { refused: codeOf(result) };
}

/**
 * Closes a descriptor through which nothing was written that matters. Whatever close says (EIO, EINTR), the
 * descriptor and its kernel lock are gone, and what was done before stands.
 */
export function closeQuietly(fd: number, lockFs: LockFs): void {
  try {
    lockFs.close(fd);
  } catch {
    // See above.
  }
}
