/** From one reading of a lock file to its inspection: gathers the facts, asks the pure rules. */
import { machineMonotonicMs } from "../../process/machine-clock.js";
import { isSameBoot } from "../../process/token.js";
import { isMainThread } from "../../util/thread.js";
import { classifySessionLock, needsOwnerArgs, type SessionLockFacts } from "./classify.js";
import type { EvidenceSource } from "./evidence.js";
import type { SessionLockInspection } from "./inspection.js";
import { lastChangeMs, type WatchedFile } from "../protocol/file-times.js";
import {
  isDiskOfThisMachine,
  judgeOwner,
  type KernelEvidence,
  type OwnerJudgement,
  type PlainLocks,
  tokenOf,
} from "./owner.js";
import type { SessionLockPayload } from "../protocol/payload.js";
import type { LockContent, LockReading, SeenContent } from "../protocol/read-lock.js";

/** How to judge; times in milliseconds. */
export interface JudgingPolicy {
  readonly nowMs: () => number;
  readonly staleMs: number;
  readonly graceMs: number;
  readonly respectMaxHold: boolean;
  readonly atAcquire: boolean;
  /** Whether this process holds that lock, by its own memory. */
  readonly isHeldHere: (lockPath: string) => boolean;
  /** A file that the judge has seen stay as it is; it counts for that file only. */
  readonly watched?: WatchedFile;
  readonly isOwnerArgv: (args: readonly string[]) => boolean;
  readonly plainLocks: PlainLocks;
  /** What a file is that names no pid in the lock format. Absent: a lock that is broken. */
  readonly readOther?: ((bytes: Buffer, mtimeMs: number | null) => OtherContent) | undefined;
}

/** A lock in another format; something that must not be touched; null: a lock that is broken. */
export type OtherContent = SessionLockPayload | "no-lock" | null;

/** A wall clock that stands still at `nowMs`, or the real one. */
export function clockAt(nowMs: number | undefined): () => number {
  return nowMs === undefined ? Date.now : () => nowMs;
}

/** A caller's predicate that throws has not said "foreign". */
export function tolerant(
  isOwnerArgv: (args: readonly string[]) => boolean,
): (args: readonly string[]) => boolean {
  return (args) => {
    try {
      return isOwnerArgv(args);
    } catch {
      return true;
    }
  };
}

/** Asks once about each argument vector: one process may have written thousands of locks. */
export function askedOnce(
  isOwnerArgv: (args: readonly string[]) => boolean,
): (args: readonly string[]) => boolean {
  const answers = new WeakMap<readonly string[], boolean>();
  return (args) => {
    const known = answers.get(args);
    if (known !== undefined) return known;
    const answer = isOwnerArgv(args);
    answers.set(args, answer);
    return answer;
  };
}

/** A lock file without pid may still be being written for so long. */
export const DEFAULT_GRACE_MS = 30_000;

/** A lock that is there, and every fact about it but the owner's command line, which is seldom needed. */
export interface LockCase {
  readonly lockPath: string;
  readonly payload: SessionLockPayload | null;
  /** What the file says, in the lock format only; null when it could not be read or is no lock. */
  readonly content: SeenContent | null;
  readonly error: Error | null;
  readonly facts: Omit<SessionLockFacts, "ownerArgs" | "isOwnerArgv">;
  /** The pid whose command line can decide; null when it cannot. */
  readonly argsWanted: number | null;
}

export function openCase(
  lockPath: string,
  reading: Exclude<LockReading, { readonly kind: "absent" }>,
  policy: JudgingPolicy,
  evidence: EvidenceSource,
): LockCase {
  const other = readOther(reading, policy);
  const isLock = reading.kind === "lock" && other !== "no-lock";
  const payload = isLock ? (other ?? reading.payload) : null;
  const kernel = isLock ? reading.kernel : "silent";
  const pid = payload?.pid ?? null;
  const nowMs = policy.nowMs();
  const facts = {
    nowMs,
    staleMs: policy.staleMs,
    graceMs: policy.graceMs,
    mtimeMs: isLock ? lastChangeOf(reading, nowMs, policy) : null,
    monotonicNowMs: monotonicNowMs(payload, kernel, evidence),
    respectMaxHold: policy.respectMaxHold,
    unreadable: !isLock,
    owner:
      payload === null
        ? NO_OWNER
        : judgeOwner(payload, {
            kernel,
            verify: evidence.verify,
            identity: evidence.identity,
            host: evidence.host,
            tokenHost: evidence.tokenHost,
            sinceBootTicks: evidence.sinceBootTicks,
            startTimeOffsetOf: evidence.startTimeOffsetOf,
            fileSystem: () => evidence.fileSystem(lockPath),
            isOnOwnDisk: () => isOnOwnDisk(payload, isLock ? reading.fileId : null, evidence),
            nested: evidence.nested,
            plainLocks: policy.plainLocks,
          }),
    kernel,
    // As `isPidAlive`: what is denied or cannot be asked is not gone.
    pidAlive: pid !== null && evidence.identity(pid).state !== "gone",
    heldHere: policy.isHeldHere(lockPath),
    isSelf: pid === process.pid,
    inWorkerThread: !isMainThread,
    atAcquire: policy.atAcquire,
  };
  return {
    lockPath,
    payload,
    content: isLock ? reading : null,
    error: reading.kind === "lock" ? null : reading.error,
    facts,
    argsWanted: needsOwnerArgs(payload, facts) ? pid : null,
  };
}

function readOther(
  reading: Exclude<LockReading, { readonly kind: "absent" }>,
  policy: JudgingPolicy,
): OtherContent {
  if (reading.kind !== "lock" || (reading.payload?.pid ?? null) !== null) return null;
  return policy.readOther?.(reading.bytes, reading.mtimeMs) ?? null;
}

function lastChangeOf(
  { mtimeMs, ctimeMs }: LockContent,
  nowMs: number,
  { watched }: JudgingPolicy,
): number | null {
  if (mtimeMs === null || ctimeMs === null) return null;
  return lastChangeMs({ mtimeMs, ctimeMs }, nowMs, watched);
}

/** Classifies; `ownerArgs` null: not asked for, or not readable. */
export function closeCase(
  { lockPath, payload, facts, error }: LockCase,
  ownerArgs: readonly string[] | null,
  { isOwnerArgv }: Pick<JudgingPolicy, "isOwnerArgv">,
): SessionLockInspection {
  const { ageMs, stale, staleReasons, removable, keptReason, ownerState, ownerReason } =
    classifySessionLock(payload, {
      // Not `...facts`: V8 clones an object of this size fifty times slower than it builds one
      // (2.6 µs against 0.05 on Node 20), as much as a system call and for every lock.
      nowMs: facts.nowMs,
      staleMs: facts.staleMs,
      graceMs: facts.graceMs,
      mtimeMs: facts.mtimeMs,
      monotonicNowMs: facts.monotonicNowMs,
      respectMaxHold: facts.respectMaxHold,
      unreadable: facts.unreadable,
      owner: facts.owner,
      kernel: facts.kernel,
      pidAlive: facts.pidAlive,
      heldHere: facts.heldHere,
      isSelf: facts.isSelf,
      inWorkerThread: facts.inWorkerThread,
      atAcquire: facts.atAcquire,
      ownerArgs,
      isOwnerArgv,
    });
  const inspection: SessionLockInspection = {
    lockPath,
    pid: payload?.pid ?? null,
    pidAlive: facts.pidAlive,
    createdAt: payload?.createdAt ?? null,
    ageMs,
    stale,
    staleReasons,
    removable,
    keptReason,
    removed: false,
    ownerState,
    ownerReason,
  };
  return error === null ? inspection : { ...inspection, error };
}

const NO_OWNER: OwnerJudgement = {
  state: "unknown",
  reason: "missing-pid",
  end: null,
  undecidable: false,
  needsNestedLook: false,
};

function isOnOwnDisk(
  payload: SessionLockPayload,
  fileId: string | null,
  { tokenHost }: EvidenceSource,
): boolean {
  const token = tokenOf(payload);
  return (
    fileId !== null &&
    isDiskOfThisMachine(fileId, typeof token === "string" ? null : token, tokenHost)
  );
}

/**
 * null unless the payload's own reading of that clock was taken in this boot: its token says so, or its holder
 * still has the kernel lock.
 */
function monotonicNowMs(
  payload: SessionLockPayload | null,
  kernel: KernelEvidence,
  { tokenHost }: EvidenceSource,
): number | null {
  if (payload === null || payload.monotonicMs === null) return null;
  const token = tokenOf(payload);
  const isOfThisBoot =
    kernel === "held" || (typeof token !== "string" && isSameBoot(token, tokenHost));
  if (!isOfThisBoot) return null;
  return machineMonotonicMs();
}
