/**
 * Publishes a lock: its file appears under its name complete, already kernel-locked, or not at all.
 *
 * Linux, local file systems: a file without a name (O_TMPFILE), locked and written, is given the name `L` by its
 * descriptor (linkat). A crash before that leaves nothing. Elsewhere, and where the kernel has no such way:
 *
 * 1. Create a private `<L>.<nonce>.tmp` exclusively and take the kernel lock on it at once. From here on
 *    the descriptor is never let go, so a crash at any instruction shows as "free".
 * 2. Write the payload, which names this descriptor's inode as `kernelLock` (new-lock-file.ts).
 * 3. `link(tmp, L)`. Unlink the temporary.
 *
 * A link never replaces: of any number of contenders one succeeds. Readers never see an empty lock of this package, nor
 * an unlocked one. ENOENT from link: a sweep took the temporary because this process was stopped for long; start over.
 * Where hard links are missing, `L` itself is created exclusively, locked and written inside the guard file, where no
 * process removes it meanwhile: a file without a payload is removed by those only that are inside it. So it is always
 * on Windows, where the temporary's name would stay in the directory for the whole hold: a file that is open is
 * unlinked when it is closed (Node 20; measured).
 */
import { dirname } from "../../util/node-modules.js";
import { errorCode, isDiskFull, systemError } from "../../util/error-code.js";
import type { BusyGuard, GuardAttempt } from "./guard.js";
import { tryEnterGuardFile } from "./guard-file.js";
import { closeQuietly, type LockFs } from "./lock-fs.js";
import { temporaryPathOf } from "./names.js";
import { discard, LockFileMaker, type Published, unlinkQuietly } from "./new-lock-file.js";
import { newNonce } from "./nonce.js";
import { checkPayloadSize, type PayloadDraft } from "./payload.js";
import { isLockAt } from "./read.js";

/** `contended`: `L` exists. `busy`: the guard that is needed here is taken, or (with an `error`) cannot be touched. */
export type PublishAttempt = Published | { readonly kind: "contended" } | BusyGuard;

// No hard links on this file system, or none to files of this kind.
const NO_LINKS: ReadonlySet<string> = new Set([
  "EPERM",
  "EACCES",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);

// Each further attempt means that the temporary, or the directory, was removed by another process.
const MAX_ATTEMPTS = 5;

/**
 * Tries once; never waits.
 *
 * @throws the file system's error; RangeError for a draft that readers would not take. Nothing is left behind
 */
export function tryPublish(
  lockPath: string,
  draft: PayloadDraft,
  fs: LockFs,
  platform: NodeJS.Platform = process.platform,
): PublishAttempt {
  checkPayloadSize(draft);
  const publisher = new Publisher(lockPath, draft, fs, platform);
  for (let attempt = 1; ; attempt++) {
    // A process that only finds the name taken shall not keep others out of the guard.
    if (platform === "win32" && fs.exists(lockPath)) return CONTENDED;
    let temporary: string | null = null;
    try {
      if (platform === "win32") return publisher.createUnderGuard();
      const attempted = publisher.linkUnnamed();
      if (attempted !== null) return attempted;
      temporary = temporaryPathOf(lockPath, newNonce());
      return publisher.createAndLink(temporary);
    } catch (error) {
      // There is no room for a lock. And the one that is there may be stale, which a contender removes.
      if (isDiskFull(error) && fs.exists(lockPath)) return CONTENDED;
      // A network file system repeated the creation: the first answer got lost. No other process uses this name.
      if (errorCode(error) === "EEXIST" && temporary !== null) unlinkQuietly(temporary, fs);
      if (!isWorthAnotherTry(error) || attempt >= MAX_ATTEMPTS) throw error;
      if (errorCode(error) === "ENOENT") fs.makeDirectory(dirname(lockPath));
    }
    if (fs.exists(lockPath)) return CONTENDED;
  }
}

const CONTENDED = { kind: "contended" } as const;

function isWorthAnotherTry(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "EEXIST";
}

// What the kernel has said of itself: it finds no way from a descriptor to a file (no /proc, or not as it should be).
let canLinkUnnamed = true;

/** The ways to one name. */
class Publisher {
  readonly #lockPath: string;
  readonly #maker: LockFileMaker;
  readonly #fs: LockFs;
  readonly #platform: NodeJS.Platform;

  constructor(lockPath: string, draft: PayloadDraft, fs: LockFs, platform: NodeJS.Platform) {
    this.#lockPath = lockPath;
    this.#maker = new LockFileMaker(draft, fs, platform);
    this.#fs = fs;
    this.#platform = platform;
  }

  /** null: not here. */
  linkUnnamed(): PublishAttempt | null {
    if (!canLinkUnnamed) return null;
    const directory = dirname(this.#lockPath);
    const lock = this.#maker.makeUnnamed(directory);
    if (lock === null) return null;
    let keep = false;
    try {
      this.#fs.linkOpenFile(lock.fd, this.#lockPath);
      keep = true;
      return lock;
    } catch (error) {
      // It may have worked, and its answer got lost.
      keep = this.#fs.isNamed(this.#lockPath, lock.fd);
      if (keep) return lock;
      const code = errorCode(error);
      if (code === "EEXIST") return CONTENDED;
      if (isDiskFull(error)) throw error;
      if (code !== "ENOENT") return null;
      if (!this.#fs.exists(directory)) throw error;
      canLinkUnnamed = false;
      return null;
    } finally {
      if (!keep) closeQuietly(lock.fd, this.#fs);
    }
  }

  createAndLink(temporary: string): PublishAttempt {
    const lock = this.#maker.make(temporary, () => this.#openUnderSecondName(temporary));
    let keep = false;
    try {
      this.#fs.link(temporary, this.#lockPath);
      keep = true;
      return this.#asNamed(lock);
    } catch (error) {
      const code = errorCode(error) ?? "";
      // A network file system may have done it and lost the answer, or repeated the call. Not the number of links
      // tells, which a repetition that failed has as well, but that the name is this very file's.
      keep = code === "EEXIST" ? this.#isLinked(lock) : this.#hasArrived(lock);
      if (keep) return lock;
      if (code === "EEXIST") return CONTENDED;
      if (!NO_LINKS.has(code)) throw error;
    } finally {
      if (keep) unlinkQuietly(temporary, this.#fs);
      else discard(temporary, lock.fd, this.#fs);
    }
    return lock.isLockless ? this.#createInPlace() : this.createUnderGuard();
  }

  /** Without links the file is visible before it is complete; its guard keeps other processes from judging it. */
  createUnderGuard(): PublishAttempt {
    const guard: GuardAttempt = tryEnterGuardFile(this.#lockPath, this.#fs, this.#platform);
    if (guard.kind === "busy") return guard;
    if (guard.kind === "refused") throw guard.error;
    try {
      const made = this.#createInPlace();
      if (made.kind !== "published" || this.#platform === "win32" || this.#isLinked(made)) {
        return made;
      }
      closeQuietly(made.fd, this.#fs);
      // A program that does not know the guard has taken it away.
      throw systemError("ENOENT", "the new lock has vanished", "link", this.#lockPath);
    } finally {
      if (guard.kind === "entered") guard.leave();
    }
  }

  #createInPlace(): PublishAttempt {
    const lockPath = this.#lockPath;
    try {
      return this.#maker.make(lockPath, () => this.#fs.openForReading(lockPath));
    } catch (error) {
      if (errorCode(error) === "EEXIST") return CONTENDED;
      throw error;
    }
  }

  /** The temporary by another private name, which is gone again when this returns. */
  #openUnderSecondName(temporary: string): number {
    const other = temporaryPathOf(this.#lockPath, newNonce());
    try {
      this.#fs.link(temporary, other);
    } catch (error) {
      const code = errorCode(error) ?? "";
      // Without links the lock will be created in place, and looked at there.
      if (NO_LINKS.has(code)) return this.#fs.openForReading(temporary);
      // Repeated by a network file system: no other process uses this name.
      if (code !== "EEXIST") throw error;
    }
    try {
      return this.#fs.openForReading(other);
    } finally {
      unlinkQuietly(other, this.#fs);
    }
  }

  /** A bare pid is known by its file alone, and a linked name may have another inode (mergerfs, bindfs). */
  #asNamed(lock: Published): Published {
    if (lock.fileId === undefined || this.#fs.isNamed(this.#lockPath, lock.fd)) return lock;
    let fd: number | null = null;
    try {
      fd = this.#fs.openForReading(this.#lockPath);
      const named = { ...lock, fileId: this.#fs.fileId(fd) };
      return isLockAt(this.#lockPath, named, this.#fs) ? named : lock;
    } catch {
      // It cannot be seen now; the holder's next look tells.
      return lock;
    } finally {
      if (fd !== null) closeQuietly(fd, this.#fs);
    }
  }

  /** Asked of every contender that finds the name taken: two system calls. */
  #isLinked(lock: Published): boolean {
    if (this.#fs.isNamed(this.#lockPath, lock.fd)) return true;
    // Where a linked name may have another inode, the nonce tells as well: it is in no other process's file.
    return !lock.showsWhenFree && this.#hasArrived(lock);
  }

  #hasArrived(lock: Published): boolean {
    try {
      return isLockAt(this.#lockPath, lock, this.#fs);
    } catch {
      return false;
    }
  }
}
