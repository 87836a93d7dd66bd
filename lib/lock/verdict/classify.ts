/** From facts about one lock to reasons and a verdict: keep or remove. Pure, total, no clock. */
import type { KernelEvidence } from "./kernel-evidence.js";
import type { OwnerJudgement, OwnerReason, OwnerState } from "./owner-judgement.js";
import type { LockPayload } from "../protocol/payload.js";

/**
 * Why a lock is stale, in the order in which reasons are listed. `foreign-owner`: its pid belongs to a program that
 * does not write such locks; faces of the engine may call it otherwise.
 */
export type StaleReason =
  | "missing-pid"
  | "dead-pid"
  | "recycled-pid"
  | "holder-gone"
  | "invalid-createdAt"
  | "too-old"
  | "hold-exceeded"
  | "orphan-self-pid"
  | "foreign-owner";

/** Each of these alone shows that the owner has given the lock up; the others only say that something is odd. */
export const PROOF_OF_ABANDONMENT: ReadonlySet<StaleReason> = new Set([
  "dead-pid",
  "recycled-pid",
  "holder-gone",
  "orphan-self-pid",
  "foreign-owner",
]);

/** Why {@link classifyLock} keeps a lock although something is wrong with it. */
export type ClassifiedKeptReason =
  | "owner-alive"
  | "owner-unknown"
  | "unreadable"
  | "in-grace"
  | "no-guard"
  | "other-view"
  | null;

/** Everything the rule looks at beside the payload. Times are milliseconds. */
export interface LockFacts {
  readonly nowMs: number;
  readonly staleMs: number;
  /** How long a lock file without a pid may exist before it counts as abandoned. */
  readonly graceMs: number;
  /** When the file was last changed (file-times.ts). null when not known: then a lock without pid stays in grace. */
  readonly mtimeMs: number | null;
  /** The machine's monotonic clock, when the payload's `monotonicMs` was taken from it in this boot. */
  readonly monotonicNowMs: number | null;
  /** Does the holder's own `maxHoldMs` count? Acquire asks for it, a sweep never does. */
  readonly respectMaxHold: boolean;
  /** The file could not be read, or is not a regular file. */
  readonly unreadable: boolean;
  readonly owner: OwnerJudgement;
  readonly kernel: KernelEvidence;
  readonly pidAlive: boolean;
  /** This very process holds the lock, by its own memory. */
  readonly heldHere: boolean;
  /** The payload's pid is this process's. */
  readonly isSelf: boolean;
  /** The caller is a worker thread: another thread of this process may own the lock. */
  readonly inWorkerThread: boolean;
  /** Judging on behalf of an acquire, where a lock of this process's pid without start time is an orphan. */
  readonly atAcquire: boolean;
}

/** The command line of the pid that a lock names, and which ones belong to owners of such locks. */
export interface OwnerCommandLine {
  /** The argument vector; null when not read or not readable. */
  readonly ownerArgs: readonly string[] | null;
  readonly isOwnerArgv: (args: readonly string[]) => boolean;
}

/** `Reason`: the reasons, as a face of the engine names them. */
export interface LockClassification<Reason extends string = StaleReason> {
  readonly ageMs: number | null;
  readonly stale: boolean;
  readonly staleReasons: readonly Reason[];
  readonly removable: boolean;
  readonly keptReason: ClassifiedKeptReason;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
}

/** Judges one lock. `payload` null: the file holds none. */
export function classifyLock(
  payload: LockPayload | null,
  facts: LockFacts,
  commandLine: OwnerCommandLine,
): LockClassification {
  if (facts.unreadable) {
    return verdict(null, [], "unreadable", { state: "unknown", reason: "unreadable" });
  }
  const ageMs = ageOf(payload?.createdAt ?? null, facts.nowMs);
  if (facts.heldHere) return verdict(ageMs, [], null, { state: "same", reason: "held-here" });

  const end = ownersEnd(payload, facts);
  const reasons: StaleReason[] = end === null ? [] : [end];
  if (ageMs === null) reasons.push("invalid-createdAt");
  else if (ageMs > facts.staleMs) reasons.push("too-old");
  if (facts.respectMaxHold && isOverdue(payload, ageMs, facts)) reasons.push("hold-exceeded");
  if (isOrphanOfThisPid(payload, facts)) reasons.push("orphan-self-pid");
  else if (isForeign(payload, facts, commandLine)) reasons.push("foreign-owner");

  const kept = reasonToKeep(payload, reasons, facts);
  return verdict(ageMs, reasons, kept, facts.owner);
}

/**
 * Whether a look at the processes of nested pid namespaces would change the verdict. Until it was made the lock is
 * kept.
 */
export function dependsOnNestedLook(
  { keptReason }: { readonly keptReason: string | null },
  { needsNestedLook, undecidable }: OwnerJudgement,
): boolean {
  return needsNestedLook && (undecidable || keptReason === "owner-unknown");
}

/**
 * Whether the command line of the payload's pid can change the verdict: alive, not proven to be the
 * owner, not proven not to be.
 */
export function needsOwnerArgs(payload: LockPayload | null, facts: LockFacts): boolean {
  return (
    !facts.unreadable &&
    !facts.heldHere &&
    facts.pidAlive &&
    facts.owner.reason === "unproven" &&
    !isOrphanOfThisPid(payload, facts)
  );
}

/** Rule 1: how the owner ended, by the strongest reason. */
function ownersEnd(payload: LockPayload | null, { owner, kernel }: LockFacts): StaleReason | null {
  if (kernel === "held" && owner.reason !== "lease-superseded") return null;
  if (owner.undecidable) return null;
  const namesNoProcess = payload === null || payload.pid === null;
  return namesNoProcess && owner.end === null ? "missing-pid" : owner.end;
}

/** Rule 3. */
function isOverdue(payload: LockPayload | null, ageMs: number | null, facts: LockFacts): boolean {
  const heldMs = heldMsOf(payload, ageMs, facts);
  return payload?.maxHoldMs != null && heldMs !== null && heldMs > payload.maxHoldMs;
}

/**
 * For how long a lock has been held, milliseconds; null when unknown. Suspended time is not holding: the
 * monotonic clock decides where both ends were read on it. It never says more than the wall clock does: a reading
 * that does was taken from another clock.
 */
export function heldMsOf(
  payload: LockPayload | null,
  ageMs: number | null,
  { monotonicNowMs }: Pick<LockFacts, "monotonicNowMs">,
): number | null {
  if (ageMs === null || monotonicNowMs === null || payload?.monotonicMs == null) return ageMs;
  return Math.min(ageMs, Math.max(0, monotonicNowMs - payload.monotonicMs));
}

/** Rule 4, first half: a lock that an earlier process with this process's pid must have left. */
function isOrphanOfThisPid(
  payload: LockPayload | null,
  { owner, kernel, heldHere, isSelf, inWorkerThread, atAcquire }: LockFacts,
): boolean {
  if (payload === null || !isSelf || heldHere || kernel === "held" || owner.undecidable) {
    return false;
  }
  if (owner.end === "dead-pid" || owner.end === "recycled-pid") return false;
  // Another thread of this process may hold it; only the kernel can tell that it does not.
  if (payload.nonce !== null) return kernel === "free" && owner.end !== null;
  if (inWorkerThread) return false;
  return owner.reason === "start-time-equal" || (atAcquire && payload.starttime === null);
}

/** Rule 4, second half: a program that writes no such locks has the pid, and nothing proves it to be the owner. */
function isForeign(
  payload: LockPayload | null,
  facts: LockFacts,
  { ownerArgs, isOwnerArgv }: OwnerCommandLine,
): boolean {
  if (!needsOwnerArgs(payload, facts) || ownerArgs === null) return false;
  return ownerArgs.some((argument) => argument.trim() !== "") && !isOwnerArgv(ownerArgs);
}

/** The table of what is done, first match; null means "remove", or "nothing is wrong". */
function reasonToKeep(
  payload: LockPayload | null,
  reasons: readonly StaleReason[],
  facts: LockFacts,
): ClassifiedKeptReason {
  const { owner, kernel } = facts;
  if (reasons.length === 0) return null;
  if (owner.undecidable) return "owner-unknown";
  const kept = reasonToKeepByRule(payload, reasons, facts);
  if (kept === null && owner.needsNestedLook) return "owner-unknown";
  // Its guard cannot be entered from here. A holder that has lost its lease has stopped without one, as one on another
  // machine has, whose guard is not seen either: a restarted pod's volume is mounted anew.
  const isStopped = owner.reason === "lease-superseded";
  return kept === null && kernel === "other-view" && !isStopped ? "other-view" : kept;
}

function reasonToKeepByRule(
  payload: LockPayload | null,
  reasons: readonly StaleReason[],
  { graceMs, mtimeMs, nowMs, staleMs }: LockFacts,
): ClassifiedKeptReason {
  if (reasons.some((reason) => PROOF_OF_ABANDONMENT.has(reason))) return null;
  if (reasons.includes("hold-exceeded")) {
    // Such a holder has no fence: only it may remove its lock.
    const isUnguardedHolder = payload?.nonce != null && payload.kernelLock === null;
    return isUnguardedHolder ? "no-guard" : null;
  }
  if (!reasons.includes("missing-pid")) return "owner-alive";
  if (reasons.includes("too-old")) return null;
  const isPastGrace = mtimeMs !== null && nowMs - mtimeMs > Math.min(staleMs, graceMs);
  return isPastGrace ? null : "in-grace";
}

/** Milliseconds since `createdAt`; 0 for one in the future, as clocks are stepped back. null: not a time. */
function ageOf(createdAt: string | null, nowMs: number): number | null {
  const created = createdAt === null ? Number.NaN : Date.parse(createdAt);
  return Number.isNaN(created) ? null : Math.max(0, nowMs - created);
}

function verdict(
  ageMs: number | null,
  staleReasons: readonly StaleReason[],
  keptReason: ClassifiedKeptReason,
  owner: { readonly state: OwnerState; readonly reason: OwnerReason },
): LockClassification {
  const stale = staleReasons.length > 0;
  return {
    ageMs: ageMs === null ? null : Math.floor(ageMs),
    stale,
    staleReasons,
    removable: stale && keptReason === null,
    keptReason,
    ownerState: owner.state,
    ownerReason: owner.reason,
  };
}

/** Milliseconds until an unchanged lock's age crosses a limit; Infinity when it never does. */
export function msUntilLimit(payload: LockPayload | null, facts: LockFacts): number {
  const { nowMs, staleMs, graceMs, mtimeMs } = facts;
  const ageMs = ageOf(payload?.createdAt ?? null, nowMs);
  const ahead = [
    msLeft(staleMs, ageMs),
    msLeft(payload?.maxHoldMs ?? null, heldMsOf(payload, ageMs, facts)),
    msLeft(Math.min(staleMs, graceMs), mtimeMs === null ? null : nowMs - mtimeMs),
  ];
  // One millisecond more: limits are crossed strictly.
  return Math.min(...ahead.filter((ms) => ms >= 0)) + 1;
}

function msLeft(limitMs: number | null, ageMs: number | null): number {
  return limitMs === null || ageMs === null ? Infinity : limitMs - ageMs;
}
