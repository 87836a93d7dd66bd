/** From one reading of a lock file to its judgement: gathers the facts, asks the pure rules. */
import { machineMonotonicMs } from "../../process/machine-clock.js";
import {
  lookForNestedProcesses,
  lookForNestedProcessesSync,
  type NestedProcesses,
} from "../../process/nested-processes.js";
import { isSameBoot } from "../../process/token.js";
import { wallMs } from "../../util/clocks.js";
import { isMainThread } from "../../util/thread.js";
import { TimeSlice } from "../../util/time-slice.js";
import { asTexts, type LeaseClaim } from "../protocol/lease-claim.js";
import type { LockPayload } from "../protocol/payload.js";
import type { LockContent } from "../protocol/read.js";
import { lastChangeMs, type WatchedFile } from "../protocol/file-times.js";
import { classifyLock, dependsOnNestedLook, type LockFacts, needsOwnerArgs } from "./classify.js";
import { type EvidenceSource, withNestedLook } from "./evidence.js";
import { heldFrom } from "./held-from.js";
import type { LockInspection } from "./inspection.js";
import { isDiskOfThisMachine, type KernelEvidence } from "./kernel-evidence.js";
import { judgeOwner } from "./owner.js";
import type { OwnerArgs, OwnerArgsMemo } from "./owner-args.js";
import { type OwnerJudgement, same, undecidable, unproven } from "./owner-judgement.js";
import { isPlain, tokenOf } from "./owner-token.js";
import type { PlainLocks } from "./plain-owner.js";
import { isIncomplete, type LockReading, type ReadLock } from "./reading.js";

/** How to judge; times in milliseconds. */
export interface JudgingPolicy {
  readonly nowMs: () => number;
  readonly staleMs: number;
  readonly graceMs: number;
  readonly respectMaxHold: boolean;
  readonly atAcquire: boolean;
  /** Whether this process holds that lock, by its own memory. */
  readonly isHeldHere: (lockPath: string) => boolean;
  /** A file that this process has seen stay as it is; it counts for that file only. */
  readonly watched?: WatchedFile;
  readonly isOwnerArgv: (args: readonly string[]) => boolean;
  readonly plainLocks: PlainLocks;
  /** The lease that this process holds above the lock; absent: none. */
  readonly lease?: LeaseClaim | undefined;
  /** What a file is that names no pid in the lock format, or no time. Absent: a lock that is broken. */
  readonly readOther?: ((bytes: Buffer, mtimeMs: number | null) => OtherContent) | undefined;
  /** An inspection as the face of the engine shows it, in traces, too. */
  readonly present: (inspection: LockInspection) => LockInspection<string>;
}

/** A lock in another format; something that must not be touched; null: a lock that is broken. */
export type OtherContent = LockPayload | "no-lock" | null;

/** A lock file without pid may still be being written for so long, milliseconds. */
export const DEFAULT_GRACE_MS = 30_000;

/** A wall clock that stands still at `nowMs`, or the real one. */
export function clockAt(nowMs: number | undefined): () => number {
  return nowMs === undefined ? wallMs : () => nowMs;
}

/** A file at a lock's path. */
export type PresentReading = Exclude<LockReading, { readonly kind: "absent" }>;

/** One look at a lock: what was read, what is known of it, and what follows. */
export interface Judgement {
  readonly reading: PresentReading;
  readonly policy: JudgingPolicy;
  /** What it was judged by. */
  readonly evidence: EvidenceSource;
  readonly payload: LockPayload | null;
  /** What the file says, in the lock format only; null when it could not be read or is no lock. */
  readonly content: LockContent | null;
  readonly facts: LockFacts;
  /** The command line of the pid, where it could decide. */
  readonly ownerArgs: OwnerArgs | null;
  readonly inspection: LockInspection;
}

/** By what, and by which command lines, a lock is judged. */
export interface JudgeBy {
  readonly policy: JudgingPolicy;
  readonly evidence: EvidenceSource;
  readonly args: OwnerArgsMemo;
}

/** Judges one lock. Synchronous, unless a command line has to be fetched: a promise costs more than a judgement. */
export function judge(reading: PresentReading, by: JudgeBy): Judgement | Promise<Judgement> {
  const look = lookAt(reading, by.policy, by.evidence);
  if (look.argsWanted === null) return conclude(look, null);
  const known = by.args.peek(look.argsWanted);
  if (known !== undefined) return conclude(look, known);
  return by.args.read(look.argsWanted).then((args) => conclude(look, args));
}

/**
 * {@link judge} where nothing may be awaited.
 *
 * @param argsOf - The command line of a pid as far as it is known; null: it is not.
 */
export function judgeNow(
  reading: PresentReading,
  policy: JudgingPolicy,
  evidence: EvidenceSource,
  argsOf: (pid: number) => OwnerArgs | null,
): Judgement {
  const look = lookAt(reading, policy, evidence);
  return conclude(look, look.argsWanted === null ? null : argsOf(look.argsWanted));
}

/**
 * {@link judge} with a look at the processes of nested pid namespaces where the verdict depends on it.
 *
 * @param reading - From before this call: such a look counts only for what was read before it.
 */
export async function judgeFully(reading: PresentReading, by: JudgeBy): Promise<Judgement> {
  const first = await judge(reading, by);
  if (!waitsForNestedLook(first)) return first;
  const nested = await lookForNestedProcesses(by.evidence.identity, new TimeSlice());
  return await judge(reading, afterLook(by, nested));
}

/** {@link judgeFully} where nothing may be awaited. @throws TypeError as {@link OwnerArgsMemo.readAtOnce} */
export function judgeFullyAtOnce(reading: PresentReading, by: JudgeBy): Judgement {
  const judgeBy = ({ policy, evidence, args }: JudgeBy): Judgement =>
    judgeNow(reading, policy, evidence, (pid) => args.readAtOnce(pid));
  const first = judgeBy(by);
  if (!waitsForNestedLook(first)) return first;
  return judgeBy(afterLook(by, lookForNestedProcessesSync(by.evidence.identity)));
}

/** Whether the verdict may be another one after a look at nested pid namespaces. */
export function waitsForNestedLook({ inspection, facts }: Judgement): boolean {
  return dependsOnNestedLook(inspection, facts.owner);
}

/** To judge by a look at nested pid namespaces what was read before it began. */
export function afterLook(by: JudgeBy, nested: NestedProcesses): JudgeBy {
  return { ...by, evidence: withNestedLook(by.evidence, nested) };
}

/** Every fact but the owner's command line, which is seldom needed. */
interface Look extends Omit<Judgement, "ownerArgs" | "inspection"> {
  /** The pid whose command line can decide; null when it cannot. */
  readonly argsWanted: number | null;
}

function lookAt(reading: PresentReading, policy: JudgingPolicy, evidence: EvidenceSource): Look {
  const other = readOther(reading, policy);
  const lock = reading.kind === "lock" && other !== "no-lock" ? reading : null;
  const payload = lock === null || other === "no-lock" ? null : payloadOf(lock, other);
  const kernel = lock?.kernel ?? "silent";
  const pid = payload?.pid ?? null;
  const nowMs = policy.nowMs();
  const facts: LockFacts = {
    nowMs,
    staleMs: policy.staleMs,
    graceMs: policy.graceMs,
    mtimeMs: lock === null ? null : lastChangeOf(lock, nowMs, policy),
    monotonicNowMs: monotonicNowMs(payload, kernel, evidence),
    respectMaxHold: policy.respectMaxHold,
    unreadable: lock === null,
    owner: ownerOf(payload, lock, policy, evidence),
    kernel,
    // As `isPidAlive`: what is denied or cannot be asked is not gone.
    pidAlive: pid !== null && evidence.identity(pid).state !== "gone",
    heldHere: policy.isHeldHere(reading.lockPath),
    isSelf: pid === process.pid,
    inWorkerThread: !isMainThread(),
    atAcquire: policy.atAcquire,
  };
  const argsWanted = needsOwnerArgs(payload, facts) ? pid : null;
  return { reading, policy, evidence, payload, content: lock, facts, argsWanted };
}

/** Classifies; `ownerArgs` null: not asked for, or not known. */
function conclude(look: Look, ownerArgs: OwnerArgs | null): Judgement {
  const { reading, policy, evidence, payload, content, facts } = look;
  const verdict = classifyLock(payload, facts, {
    ownerArgs: ownerArgs?.args ?? null,
    isOwnerArgv: policy.isOwnerArgv,
  });
  const from = heldFrom(payload, facts, evidence);
  const inspection: LockInspection = {
    lockPath: reading.lockPath,
    pid: payload?.pid ?? null,
    pidAlive: facts.pidAlive,
    createdAt: payload?.createdAt ?? null,
    ageMs: verdict.ageMs,
    stale: verdict.stale,
    staleReasons: verdict.staleReasons,
    removable: verdict.removable,
    keptReason: verdict.keptReason,
    removed: false,
    ownerState: verdict.ownerState,
    ownerReason: verdict.ownerReason,
    lease: payload?.lease == null ? null : asTexts(payload.lease),
    ...(from === null ? {} : { heldFrom: from }),
  };
  return {
    reading,
    policy,
    evidence,
    payload,
    content,
    facts,
    ownerArgs,
    inspection:
      reading.kind === "unreadable" ? { ...inspection, error: reading.error } : inspection,
  };
}

/** Of another format, too, a kernel lock that was asked for is asked for again by its kind. */
function payloadOf(lock: ReadLock, other: LockPayload | null): LockPayload | null {
  if (other === null || other.guard !== null || lock.guard === null) return other ?? lock.payload;
  return { ...other, guard: lock.guard };
}

function readOther(reading: PresentReading, policy: JudgingPolicy): OtherContent {
  if (reading.kind !== "lock") return null;
  if (reading.payload !== null && !isIncomplete(reading.payload)) return null;
  return policy.readOther?.(reading.bytes, reading.mtimeMs) ?? null;
}

function lastChangeOf(
  { mtimeMs, ctimeMs }: ReadLock,
  nowMs: number,
  { watched }: JudgingPolicy,
): number | null {
  if (mtimeMs === null || ctimeMs === null) return null;
  return lastChangeMs({ mtimeMs, ctimeMs }, nowMs, watched);
}

function ownerOf(
  payload: LockPayload | null,
  lock: ReadLock | null,
  { plainLocks, lease }: JudgingPolicy,
  evidence: EvidenceSource,
): OwnerJudgement {
  if (lock === null) return unproven("missing-pid");
  const namesNoOwner = payload === null || (payload.pid === null && isPlain(payload));
  // Whatever the file says: the process that owns it has not given it up.
  if (namesNoOwner && lock.kernel === "held") return same("kernel-lock-held");
  if (namesNoOwner && lock.isUnaskable) return undecidable("unsupported");
  if (payload === null) return unproven("missing-pid");
  return judgeOwner(payload, {
    kernel: lock.kernel,
    verify: evidence.verify,
    identity: evidence.identity,
    host: evidence.host,
    tokenHost: evidence.tokenHost,
    sinceBootTicks: evidence.sinceBootTicks,
    startTimeOffsetOf: evidence.startTimeOffsetOf,
    fileSystem: () => evidence.fileSystem(lock.lockPath),
    isOnOwnDisk: () => isOnOwnDisk(payload, lock.fileId, evidence),
    nested: evidence.nested,
    plainLocks,
    lease: lease ?? null,
  });
}

function isOnOwnDisk(
  payload: LockPayload,
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
  payload: LockPayload | null,
  kernel: KernelEvidence,
  { tokenHost }: EvidenceSource,
): number | null {
  if (payload === null || payload.monotonicMs === null) return null;
  const token = tokenOf(payload);
  const isOfThisBoot =
    kernel === "held" || (typeof token !== "string" && isSameBoot(token, tokenHost));
  return isOfThisBoot ? machineMonotonicMs() : null;
}
