/**
 * Makes one complete lock file: created, kernel-locked, written, and its lock seen from outside where that does not go
 * without saying.
 *
 * What a payload claims must be true when it becomes visible, and a visible file is never written again (readers
 * would see it torn). So where the file system is not one that keeps locks in this kernel (file-system-kind.ts) the
 * publisher looks first whether its lock shows through a second open of the file: of a second private name, as the
 * published name will be one (mergerfs and bindfs give a linked name another kernel inode), or of the published name
 * where it was created in place. If it does not show, the payload claims no kernel lock: such a holder is never
 * displaced, and its lock is judged by its token. And where a lock keeps even its holder from reading the file through
 * another descriptor (SMB: flock is mandatory there), it is given up, and the lock is published without. A local disk
 * pays for none of this.
 */
import { wallMs } from "../../util/clocks.js";
import { dirname } from "../../util/node-modules.js";
import { type FileSystem, fileSystemOf } from "./file-system-kind.js";
import { canGuardByInode, hasInodeGuards, INODE_GUARD, isLockless } from "./guard.js";
import { closeQuietly, type LockAttempt, type LockFs } from "./lock-fs.js";
import { newNonce } from "./nonce.js";
import { formatNumber, markedTime } from "./number-file.js";
import { formatPublished, type PayloadDraft } from "./payload.js";

/** A published lock; keep `fd` open for the whole hold. */
export interface Published {
  readonly kind: "published";
  readonly nonce: string;
  /** The whole file. */
  readonly text: string;
  readonly fd: number;
  /** What the payload says of its guard: the file itself, or (null) a guard file. */
  readonly guard: typeof INODE_GUARD | null;
  /** The file as it was left: see {@link LockFs.stamp}. */
  readonly stamp: string | null;
  /** What the payload says of its kernel lock; null: it claims none, and no process displaces its holder. */
  readonly kernelLock: string | null;
  /** Once `fd` is closed, others know from the kernel alone that the lock is free. */
  readonly showsWhenFree: boolean;
  /** No process can lock files here: then there is no guard either. */
  readonly isLockless: boolean;
  /**
   * `<st_dev>:<st_ino>` of the published file, where `text` is no more than a pid: two processes of two containers may
   * have the same. Absent: the nonce says which lock it is.
   */
  readonly fileId?: string | undefined;
}

/** Makes new lock files with one payload. */
export class LockFileMaker {
  readonly #draft: PayloadDraft;
  readonly #fs: LockFs;
  readonly #platform: NodeJS.Platform;

  constructor(draft: PayloadDraft, fs: LockFs, platform: NodeJS.Platform) {
    this.#draft = draft;
    this.#fs = fs;
    this.#platform = platform;
  }

  /**
   * Makes a file in `directory` that has no name yet, where the lock file is its own guard: a crash leaves nothing.
   *
   * @returns null where that is not possible; then the other way tells why.
   */
  makeUnnamed(directory: string): Published | null {
    if (!canGuardByInode(this.#platform)) return null;
    const fs = this.#fs;
    let fd: number;
    try {
      fd = fs.createUnnamed(directory);
    } catch {
      return null;
    }
    let lock: Published | null = null;
    try {
      const { kind, name } = this.#fileSystemAt(directory, fd);
      if (hasInodeGuards(this.#platform, kind) && fs.tryOwn(fd) === "acquired") {
        lock = this.#write(fd, { fileSystem: name, guard: INODE_GUARD, showsLock: true });
      }
      return lock;
    } finally {
      if (lock === null) closeQuietly(fd, fs);
    }
  }

  /**
   * Creates `path`, locks it, writes the payload. On failure there is no file and no descriptor.
   *
   * @param openAgain - Opens the file once more, for reading.
   * @throws the file system's error; EEXIST where there is a file
   */
  make(path: string, openAgain: () => number): Published {
    const fs = this.#fs;
    const fd = fs.createExclusive(path);
    let second: number | null = null;
    try {
      const { kind, name } = this.#fileSystemAt(dirname(path), fd);
      const { attempt, guard } = this.#lock(fd, kind);
      const isLocked = attempt === "acquired";
      if (!isLocked || kind === "local") {
        const lock = this.#write(fd, { fileSystem: name, guard, showsLock: isLocked });
        return isLockless(attempt) ? { ...lock, isLockless: true } : lock;
      }
      second = openAgain();
      const shows = fs.probe(second) === "held";
      const lock = this.#write(fd, {
        fileSystem: name,
        guard,
        showsLock: shows,
        verified: shows || null,
      });
      if (isReadable(second, lock.text, fs)) return lock;
    } catch (error) {
      discard(path, fd, fs);
      throw error;
    } finally {
      if (second !== null) closeQuietly(second, fs);
    }
    discard(path, fd, fs);
    return this.#makeUnlocked(path);
  }

  /** Takes ownership of the kind that goes with the guard. A sandbox may know only the older one. */
  #lock(
    fd: number,
    kind: FileSystem["kind"],
  ): { readonly attempt: LockAttempt; readonly guard: typeof INODE_GUARD | null } {
    if (hasInodeGuards(this.#platform, kind) && this.#fs.tryOwn(fd) === "acquired") {
      return { attempt: "acquired", guard: INODE_GUARD };
    }
    return { attempt: this.#fs.tryExclusive(fd), guard: null };
  }

  #makeUnlocked(path: string): Published {
    const fd = this.#fs.createExclusive(path);
    try {
      const { name } = this.#fileSystemAt(dirname(path), fd);
      return this.#write(fd, { fileSystem: name, guard: null, showsLock: false });
    } catch (error) {
      discard(path, fd, this.#fs);
      throw error;
    }
  }

  #write(
    fd: number,
    {
      fileSystem,
      guard,
      showsLock,
      verified = null,
    }: {
      readonly fileSystem: string | null;
      readonly guard: typeof INODE_GUARD | null;
      readonly showsLock: boolean;
      readonly verified?: true | null;
    },
  ): Published {
    const nonce = newNonce();
    const isNumber = this.#draft.asNumber !== undefined;
    const fileId = showsLock || isNumber ? this.#fs.fileId(fd) : null;
    const kernelLock = showsLock ? fileId : null;
    const added = { nonce, kernelLock, guard, fileSystem, verified };
    const text = isNumber
      ? formatNumber(this.#draft.pid ?? 0)
      : formatPublished(this.#draft, added);
    this.#fs.writeText(fd, text);
    // What readers take for the kind of lock on a local file system: another one is not to be claimed.
    const isAsExpected = guard === INODE_GUARD || !canGuardByInode(this.#platform);
    if (isNumber && fileId !== null && showsLock && isAsExpected) this.#mark(fd, fileId);
    return {
      kind: "published",
      fd,
      nonce,
      text,
      guard,
      stamp: guard === null ? null : this.#fs.stamp(fd),
      kernelLock,
      showsWhenFree: showsLock && verified === null,
      isLockless: false,
      ...(isNumber && fileId !== null ? { fileId } : {}),
    };
  }

  /** Without the mark the number is judged as another program's: that is worth no failure. */
  #mark(fd: number, fileId: string): void {
    const { pid, asNumber } = this.#draft;
    const file = { fileId, pid: pid ?? 0, boot: asNumber?.boot ?? null };
    const time = markedTime(file, this.#platform, wallMs());
    try {
      if (time !== null) this.#fs.setModified(fd, time);
    } catch {
      // A file system without times of its own, or a sandbox.
    }
  }

  #fileSystemAt(directory: string, fd: number): FileSystem {
    return fileSystemOf(this.#platform, this.#fs.fileSystemTypeOf(fd), directory);
  }
}

/** Whether the holder can read what it wrote through another descriptor. */
function isReadable(fd: number, text: string, fs: LockFs): boolean {
  const buffer = Buffer.alloc(Buffer.byteLength(text));
  try {
    return fs.read(fd, buffer, 0, buffer.length) > 0;
  } catch {
    return false;
  }
}

/** Takes back a file that was not published. */
export function discard(path: string, fd: number, fs: LockFs): void {
  unlinkQuietly(path, fs);
  closeQuietly(fd, fs);
}

export function unlinkQuietly(path: string, fs: LockFs): void {
  try {
    fs.unlink(path);
  } catch {
    // A sweep finds it: once its descriptor is closed no process has it locked.
  }
}
