/** Who holds a file's lock now; touches nothing. */
import type { LockObstacle } from "../lock/failure.js";
import { findLockPath, obstacleAt } from "../lock/lock-path.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { freshEvidence } from "../lock/verdict/evidence.js";
import type { KeptReason } from "../lock/verdict/inspection.js";
import type { KernelEvidence } from "../lock/verdict/kernel-evidence.js";
import {
  judgeFully,
  judgeFullyAtOnce,
  type JudgeBy,
  type Judgement,
  type JudgingPolicy,
} from "../lock/verdict/judge.js";
import type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
import {
  OwnerArgsMemo,
  type ReadOwnerProcessArgs,
  type ReadOwnerProcessArgsSync,
  tolerant,
} from "../lock/verdict/owner-args.js";
import { tokenOf } from "../lock/verdict/owner-token.js";
import { PLAIN_LOCKS, type PlainLocks } from "../lock/verdict/plain-owner.js";
import { readLock } from "../lock/verdict/reading.js";
import { isProof, nameReasons, type StaleReason } from "../session-lock/reasons.js";
import { absolutePath } from "../util/absolute-path.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkFunction,
  checkOneOf,
  checkPath,
  optional,
} from "../util/check-values.js";
import { type Routine, runAtOnce, runInTurns, waitFor } from "../util/routine.js";
import { type AcquireFileLockOptions, fileLockRoute } from "./options.js";
import { readAnyPid } from "./other-content.js";
import { FILE_LOCK_POLICY } from "./policy.js";

/** Which lock, and how it is judged: as in {@link AcquireFileLockOptions}. */
export interface CheckFileLockOptions extends Pick<
  AcquireFileLockOptions,
  "path" | "lockPath" | "resolveLinks"
> {
  /** As `acquireFileLock` takes it. */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
  /** As `acquireFileLock` takes it. */
  readonly plainLocks?: PlainLocks | undefined;
  /** As `acquireFileLock` takes it. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgs | undefined;
}

/** The same where nothing can be awaited. */
export interface CheckFileLockSyncOptions extends Omit<
  CheckFileLockOptions,
  "readOwnerProcessArgs"
> {
  /** As `acquireFileLockSync` takes it. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgsSync | undefined;
}

/**
 * What is in the way and is no lock that names its holder.
 *
 * - `directory`: another library's lock, held or left
 * - `no-lock`: another program's file, perhaps with a pid in its first line; never removed
 * - `unreadable`: it may not be read, or is no regular file
 */
export type FileLockObstacle = LockObstacle | "no-lock" | "unreadable";

/** The process that a lock names: what the lock says of it, and what is known of it now. */
export interface FileLockHolder {
  readonly pid: number;
  /** A process with that pid runs here; whether it is this holder `state` says. */
  readonly alive: boolean;
  /** `same`: the holder runs. `gone`: it provably does not. `unknown`: neither is proven. */
  readonly state: OwnerState;
  /** The evidence for `state`. */
  readonly reason: OwnerReason;
  /** What the kernel says of the holder's lock on the file; `silent` where that is no evidence. */
  readonly kernelLock: KernelEvidence;
  /** When it took the lock, as the lock says; of a bare pid its file's mtime. */
  readonly acquiredAt: string | null;
  /** Milliseconds since then by the wall clock, never negative; null: not known. */
  readonly ageMs: number | null;
  /** Its own limit, milliseconds; null: none. */
  readonly maxHoldMs: number | null;
  /** Its start time in the unit of plain locks: see `getFileLockProcessStartTime`. */
  readonly startTime: number | null;
  /** For `verifyProcess` and `waitForProcessExit`; null when another program wrote the lock. */
  readonly token: string | null;
  /** The digest of its machine's id, from the token; null: not known. */
  readonly hostId: string | null;
  /** Its own text. */
  readonly label: string | null;
}

/** A file's lock as it was found. By the time it is looked at it may be another one. */
export interface FileLockStatus {
  /** The path that was given, made absolute. */
  readonly path: string;
  /** Where its lock is, without symbolic links on the way. */
  readonly lockPath: string;
  /**
   * Held, also by a holder past its own limit, or nothing proves that it is not. A dead owner's lock is not locked, even
   * where it has to be kept.
   */
  readonly locked: boolean;
  /** Whether an acquisition would get it now: nothing is in the way, or a lock that it may remove. */
  readonly available: boolean;
  /** null: no lock, or one that names no process. */
  readonly holder: FileLockHolder | null;
  /** What is wrong with the lock; empty: nothing. */
  readonly staleReasons: readonly StaleReason[];
  /** Why a contender would leave it although something is wrong with it; null: it would not, or nothing is. */
  readonly keptReason: KeptReason | null;
  /** null: nothing of that kind. */
  readonly obstacle: FileLockObstacle | null;
  /** Behind the obstacle `unreadable`. */
  readonly error: Error | null;
}

const CHECKS: OptionChecks<CheckFileLockOptions> = {
  path: checkPath,
  lockPath: optional(checkPath),
  resolveLinks: optional(checkBoolean),
  isOwnerArgv: optional(checkFunction),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
  readOwnerProcessArgs: optional(checkFunction),
};

/**
 * Tells who holds the lock of a file and whether an acquisition would get it, without taking it: reads only, makes
 * nothing, leaves nothing behind. It is judged as {@link acquireFileLock} with its default timeout would judge it.
 *
 * The answer is one look: to act on it, acquire with `timeoutMs: 0`.
 *
 * @throws (rejection) TypeError or RangeError for bad options. What cannot be read is an answer.
 */
export async function checkFileLock(options: CheckFileLockOptions): Promise<FileLockStatus> {
  return await runInTurns(check(options));
}

/**
 * {@link checkFileLock} at once.
 *
 * @throws what {@link checkFileLock} rejects with; TypeError when `readOwnerProcessArgs` answers with a promise.
 */
export function checkFileLockSync(options: CheckFileLockSyncOptions): FileLockStatus {
  return runAtOnce(check(options));
}

function* check(options: CheckFileLockOptions): Routine<FileLockStatus> {
  checkRequiredOptions(options, CHECKS);
  const path = absolutePath(options.path);
  const lockPath = findLockPath(fileLockRoute(path, options), realLockFs);
  const found = { path, lockPath };
  const directory = obstacleAt(lockPath, realLockFs);
  if (directory !== null) return { ...found, ...behind(directory, null) };
  const evidence = freshEvidence(realLockFs);
  const reading = readLock(lockPath, realLockFs, evidence);
  if (reading.kind === "absent") return { ...found, ...FREE };
  if (reading.kind === "unreadable") return { ...found, ...behind("unreadable", reading.error) };
  const args = new OwnerArgsMemo(options.readOwnerProcessArgs, evidence.identity);
  const judgeIn = (by: JudgeBy): Routine<Judgement> =>
    waitFor({
      inTurns: () => judgeFully(reading, by),
      atOnce: () => judgeFullyAtOnce(reading, by),
    });
  const policy = policyOf(options);
  const judged = yield* judgeIn({ policy, evidence, args });
  if (!judged.facts.unreadable) return { ...found, ...statusOf(judged) };
  const owned = { ...policy, readOther: readAnyPid };
  const named = yield* judgeIn({ policy: owned, evidence, args });
  return { ...found, ...behind("no-lock", null), ...namedBeside(named) };
}

type Findings = Omit<FileLockStatus, "path" | "lockPath">;

const FREE: Findings = {
  locked: false,
  available: true,
  holder: null,
  staleReasons: [],
  keptReason: null,
  obstacle: null,
  error: null,
};

function behind(obstacle: FileLockObstacle, error: Error | null): Findings {
  const locked = obstacle !== "no-lock";
  return { ...FREE, locked, available: false, keptReason: "unreadable", obstacle, error };
}

/** The pid in the first line of a file that an acquisition would leave alone. */
function namedBeside(judgement: Judgement): Pick<Findings, "locked" | "holder"> {
  const holder = holderOf(judgement);
  return { locked: holder !== null && holder.state !== "gone", holder };
}

function statusOf(judgement: Judgement): Findings {
  const { inspection } = judgement;
  const { ownerState, removable } = inspection;
  const staleReasons = nameReasons(inspection.staleReasons);
  // A contender may displace an overdue holder, which holds it until then.
  const isGivenUp = ownerState === "gone" || (removable && !isOnlyOverdue(staleReasons));
  // Only Windows has a guard that takes no kernel lock.
  const isWithoutGuard = removable && !realLockFs.canLock() && process.platform !== "win32";
  return {
    locked: !isGivenUp,
    available: removable && !isWithoutGuard,
    holder: holderOf(judgement),
    staleReasons,
    keptReason: isWithoutGuard ? "no-guard" : inspection.keptReason,
    obstacle: null,
    error: null,
  };
}

function isOnlyOverdue(reasons: readonly StaleReason[]): boolean {
  return reasons.includes("hold-exceeded") && !reasons.some(isProof);
}

function holderOf({ payload, inspection, facts }: Judgement): FileLockHolder | null {
  if (payload === null || payload.pid === null) return null;
  const token = tokenOf(payload);
  return {
    pid: payload.pid,
    alive: inspection.pidAlive,
    state: inspection.ownerState,
    reason: inspection.ownerReason,
    kernelLock: facts.kernel,
    acquiredAt: inspection.createdAt,
    ageMs: inspection.ageMs,
    maxHoldMs: payload.maxHoldMs,
    startTime: payload.starttime,
    token: payload.owner,
    hostId: typeof token === "string" ? null : token.hostDigest,
    label: payload.label,
  };
}

/** As an acquisition judges that waits for as long as it does by default; only it may hold the lock itself. */
function policyOf({ isOwnerArgv, plainLocks = "judge" }: CheckFileLockOptions): JudgingPolicy {
  return {
    ...FILE_LOCK_POLICY,
    respectMaxHold: true,
    atAcquire: true,
    isOwnerArgv: tolerant(isOwnerArgv ?? FILE_LOCK_POLICY.isOwnerArgv),
    plainLocks,
  };
}
