/** Reads one lock file and, when that counts, asks the kernel whether its holder still has it locked. */
import type { BigIntStats } from "node:fs";

import { wallMs } from "../../util/clocks.js";
import { errorCode } from "../../util/error-code.js";
import { printable } from "../../util/printable.js";
import { timesOf } from "../protocol/file-times.js";
import { canGuardByInode, hasInodeGuards, INODE_GUARD } from "../protocol/guard.js";
import { closeQuietly, type LockAttempt, type LockFs } from "../protocol/lock-fs.js";
import { type ExactTimes, numberIn } from "../protocol/number-file.js";
import { type LockPayload, MAX_LOCK_BYTES } from "../protocol/payload.js";
import { type LockContent, readContent } from "../protocol/read.js";
import type { EvidenceSource } from "./evidence.js";
import { type KernelEvidence, weighKernelLock, weighNumberFile } from "./kernel-evidence.js";
import { isPlain, tokenOf } from "./owner-token.js";

/** A lock, as its file was found. */
export interface ReadLock extends LockContent {
  readonly kind: "lock";
  readonly lockPath: string;
  readonly kernel: KernelEvidence;
  /** As {@link LockPayload.guard}; of a file that does not say it, the kind whose lock was asked for. */
  readonly guard: string | null;
  /** The kernel did not say whether a process owns the file, and the file does not say which one would. */
  readonly isUnaskable: boolean;
  /** `<st_dev>:<st_ino>`; null for plain locks, where nothing depends on it. */
  readonly fileId: string | null;
  /** Only read when a lock without pid, or another program's without a time, makes it matter. */
  readonly mtimeMs: number | null;
  /** The same. */
  readonly ctimeMs: number | null;
}

/** A file that is there and is not known to be a lock. */
export interface UnreadableLock {
  readonly kind: "unreadable";
  readonly lockPath: string;
  readonly error: Error;
}

export type LockReading = ReadLock | UnreadableLock | { readonly kind: "absent" };

const ABSENT = { kind: "absent" } as const;
const NO_TIMES = { mtimeMs: null, ctimeMs: null };

/** What the reader knows of the file already. */
export interface KnownOfFile {
  /**
   * The caller has just seen in a directory listing that this is a regular file. Without that, and wherever removal
   * depends on it, the descriptor is asked.
   */
  readonly isRegular?: boolean;
  /** The caller has just seen, inside the guard, that the lock's name leads to it. */
  readonly isNamed?: boolean;
  /** What an earlier reading found: where the file still says that, it is not parsed again. */
  readonly seen?: LockContent | null;
  /**
   * The caller is inside the lock's guard file and has not locked the file itself: no process is about to create and
   * lock it, so that asking by a lock of the same kind disturbs none.
   */
  readonly isInGuardFile?: boolean;
}

/** A process that creates a lock in its place has locked it by then, unless it is stopped. Milliseconds. */
const CREATION_MS = 1000;

export function readLock(
  lockPath: string,
  fs: LockFs,
  evidence: EvidenceSource,
  known: KnownOfFile = {},
): LockReading {
  const file = openLock(lockPath, fs);
  if (!(file instanceof OpenLock)) return file;
  try {
    return file.read(evidence, known);
  } finally {
    file.close();
  }
}

/** Opens the file, to be read once or again. */
export function openLock(lockPath: string, fs: LockFs): OpenLock | Exclude<LockReading, ReadLock> {
  try {
    return new OpenLock(lockPath, fs.openForReading(lockPath), fs);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return ABSENT;
    return { kind: "unreadable", lockPath, error: cause as Error };
  }
}

/** A lock's file, open for reading. */
export class OpenLock {
  readonly lockPath: string;
  readonly fd: number;
  readonly #fs: LockFs;
  /** Asked once: which file is open does not change. */
  #fileId: string | null = null;

  constructor(lockPath: string, fd: number, fs: LockFs) {
    this.lockPath = lockPath;
    this.fd = fd;
    this.#fs = fs;
  }

  close(): void {
    closeQuietly(this.fd, this.#fs);
  }

  read(evidence: EvidenceSource, known: KnownOfFile = {}): LockReading {
    try {
      return this.#read(evidence, known);
    } catch (cause) {
      return { kind: "unreadable", lockPath: this.lockPath, error: cause as Error };
    }
  }

  #read(evidence: EvidenceSource, known: KnownOfFile): LockReading {
    const { isRegular, isNamed, seen } = known;
    let stats: BigIntStats | null = null;
    if (isRegular !== true) {
      stats = this.#fs.fstat(this.fd);
      if (!stats.isFile()) return this.#unreadable("lock is not a regular file");
    }
    const content = readContent(this.fd, this.#fs, seen);
    if (content === null) {
      return this.#unreadable(`lock is larger than ${String(MAX_LOCK_BYTES)} bytes`);
    }
    const { bytes, payload } = content;
    if (payload === null || isIncomplete(payload)) {
      stats ??= this.#fs.fstat(this.fd);
      if (!stats.isFile()) return this.#unreadable("lock is not a regular file");
    }
    const fileId =
      payload === null || isPlain(payload) ? null : (this.#fileId ??= this.#fs.fileId(this.fd));
    const told =
      payload === null
        ? this.#weighNumber(bytes, stats ?? this.#fs.fstat(this.fd), evidence)
        : {
            kernel: fileId === null ? "silent" : this.#weigh(payload, fileId, evidence),
            guard: payload.guard,
          };
    const times = stats === null ? NO_TIMES : timesOf(stats);
    const isAsked = told.kernel === "held" || told.kernel === "free" || isClaimed(payload, fileId);
    const owner = isAsked ? UNOWNED : this.#unclaimedOwner(payload, times, evidence, known);
    const isOwned = owner.answer === "held";
    const kernel = isOwned ? "held" : told.kernel;
    // Unlinked since it was opened: free because it was released, and no process's lock any more.
    const isFree = kernel === "free" || kernel === "free-unconfirmed";
    if (isFree && isNamed !== true && this.#fs.fstat(this.fd).nlink === 0n) return ABSENT;
    return {
      kind: "lock",
      lockPath: this.lockPath,
      bytes,
      payload: isOwned && payload !== null ? withoutTerms(payload) : payload,
      kernel,
      guard: isOwned ? owner.guard : told.guard,
      isUnaskable: typeof owner.answer !== "string",
      fileId,
      ...times,
    };
  }

  /**
   * Whether a process owns the file although the file does not say so: a tool has truncated it, or written over it, and
   * its holder lives on.
   *
   * Where a lock file is its own guard the question takes nothing. Elsewhere it takes the lock for an instant, in which
   * a process that has just created the file would not get it: there it is asked inside the guard file, in which such a
   * process is, and of files that are older.
   */
  #unclaimedOwner(
    payload: LockPayload | null,
    { mtimeMs }: Pick<ReadLock, "mtimeMs">,
    evidence: EvidenceSource,
    { isInGuardFile = false }: KnownOfFile,
  ): UnclaimedOwner {
    const { platform } = evidence.host;
    // Only on Windows are there guards without kernel locks: elsewhere this process removes nothing.
    if (!this.#fs.canLock() && platform !== "win32") return UNOWNED;
    const { kind } = evidence.fileSystem(this.lockPath);
    const mayBeOwnGuard = canGuardByInode(platform) && (kind === "local" || kind === "unlisted");
    const own: UnclaimedOwner = mayBeOwnGuard
      ? { answer: this.#fs.probeOwner(this.fd), guard: INODE_GUARD }
      : UNOWNED;
    if (own.answer === "held") return own;
    const isOld = mtimeMs !== null && Math.abs(wallMs() - mtimeMs) > CREATION_MS;
    const mayAsk = isInGuardFile || (!mayBeOwnGuard && payload === null && isOld);
    const answer = mayAsk ? this.#fs.probe(this.fd) : "acquired";
    return answer === "acquired" ? own : { answer, guard: null };
  }

  #weigh(payload: LockPayload, found: string, evidence: EvidenceSource): KernelEvidence {
    const token = tokenOf(payload);
    return weighKernelLock(
      { recorded: payload, token: typeof token === "string" ? null : token, found },
      evidence.tokenHost,
      () => evidence.fileSystem(this.lockPath),
      () => probeLock(payload, this.fd, this.#fs),
    );
  }

  #weighNumber(
    bytes: Buffer,
    times: ExactTimes,
    evidence: EvidenceSource,
  ): Pick<ReadLock, "kernel" | "guard"> {
    if (numberIn(bytes) === null) return { kernel: "silent", guard: null };
    const fileSystem = evidence.fileSystem(this.lockPath);
    const guard = hasInodeGuards(evidence.host.platform, fileSystem.kind) ? INODE_GUARD : null;
    const found = this.#fs.fileId(this.fd);
    const probe = (): LockAttempt => probeLock({ guard }, this.fd, this.#fs);
    const number = { bytes, found, times };
    return { kernel: weighNumberFile(number, evidence.tokenHost, fileSystem, probe), guard };
  }

  #unreadable(what: string): UnreadableLock {
    const error = new Error(printable(`${what}: ${this.lockPath}`));
    return { kind: "unreadable", lockPath: this.lockPath, error };
  }
}

/** What the kernel has answered, and the kind of guard that goes with the lock that was asked for. */
interface UnclaimedOwner {
  readonly answer: LockAttempt;
  readonly guard: typeof INODE_GUARD | null;
}

/** None, or not to be asked now. */
const UNOWNED: UnclaimedOwner = { answer: "acquired", guard: null };

function isClaimed(payload: LockPayload | null, fileId: string | null): boolean {
  return fileId !== null && payload?.kernelLock === fileId;
}

/** Another lock's limit and lease are not those of the process that owns the file. */
function withoutTerms(payload: LockPayload): LockPayload {
  return { ...payload, maxHoldMs: null, lease: null };
}

/** It names no process, or, as none of this package's does, no time: then the file's own times may count. */
export function isIncomplete({ pid, createdAt, nonce }: LockPayload): boolean {
  return pid === null || (createdAt === null && nonce === null);
}

/**
 * Whether another descriptor has the kernel lock that goes with such a guard. A later version's guard may go with
 * another kind of ownership, which cannot be asked here.
 */
export function probeLock(
  { guard }: Pick<LockPayload, "guard">,
  fd: number,
  fs: LockFs,
): LockAttempt {
  switch (guard) {
    case INODE_GUARD:
      return fs.probeOwner(fd);
    case null:
      return fs.probe(fd);
    default:
      return { refused: "ENOTSUP" };
  }
}
