/** From facts about one lock to reasons and a verdict: keep or remove. Pure, total, no clock. */
import type { KernelEvidence, OwnerJudgement, OwnerReason, OwnerState } from "./owner.js";
import type { SessionLockPayload } from "../protocol/payload.js";

/** Why a lock is stale, in the order in which reasons are listed. */
export type StaleReason =
  | "missing-pid"
  | "dead-pid"
  | "recycled-pid"
  | "holder-gone"
  | "invalid-createdAt"
  | "too-old"
  | "hold-exceeded"
  | "orphan-self-pid"
  | "non-openclaw-owner";

/** Why {@link classifySessionLock} keeps a lock although something is wrong with it. */
export type ClassifiedKeptReason =
  | "owner-alive"
  | "owner-unknown"
  | "unreadable"
  | "in-grace"
  | "no-guard"
  | "other-view"
  | null;

/** Everything the rule looks at beside the payload. Times are milliseconds. */
export interface SessionLockFacts {
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
  /** The judge runs in a worker thread: another thread of this process may own the lock. */
  readonly inWorkerThread: boolean;
  /** Judging on behalf of an acquire, where a lock of our own pid without start time is an orphan. */
  readonly atAcquire: boolean;
  /** The owner's argument vector; null when not read or not readable. */
  readonly ownerArgs: readonly string[] | null;
  readonly isOwnerArgv: (args: readonly string[]) => boolean;
}

export interface SessionLockClassification {
  readonly ageMs: number | null;
  readonly stale: boolean;
  readonly staleReasons: readonly StaleReason[];
  readonly removable: boolean;
  readonly keptReason: ClassifiedKeptReason;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
}

/** Judges one lock. `payload` null: the file holds none. */
export function classifySessionLock(
  payload: SessionLockPayload | null,
  facts: SessionLockFacts,
): SessionLockClassification {
  if (facts.unreadable) {
    return verdict(null, [], "unreadable", { state: "unknown", reason: "unreadable" });
  }
  const ageMs = ageOf(payload?.createdAt ?? null, facts.nowMs);
  if (facts.heldHere) return verdict(ageMs, [], null, { state: "same", reason: "held-here" });

  const reasons: StaleReason[] = [];
  const end = ownersEnd(payload, facts);
  if (end !== null) reasons.push(end);
  if (ageMs === null) reasons.push("invalid-createdAt");
  else if (ageMs > facts.staleMs) reasons.push("too-old");
  if (facts.respectMaxHold && isOverdue(payload, ageMs, facts)) reasons.push("hold-exceeded");
  if (isOrphanOfOurs(payload, facts)) reasons.push("orphan-self-pid");
  else if (isForeign(payload, facts)) reasons.push("non-openclaw-owner");

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
export function needsOwnerArgs(
  payload: SessionLockPayload | null,
  facts: Omit<SessionLockFacts, "ownerArgs" | "isOwnerArgv">,
): boolean {
  return (
    !facts.unreadable &&
    !facts.heldHere &&
    facts.pidAlive &&
    facts.owner.reason === "unproven" &&
    !isOrphanOfOurs(payload, facts)
  );
}

/** Rule 1: how the owner ended, by the strongest word for it. */
function ownersEnd(
  payload: SessionLockPayload | null,
  { owner, kernel }: SessionLockFacts,
): StaleReason | null {
  if (kernel === "held" || owner.undecidable) return null;
  const namesNoProcess = payload === null || payload.pid === null;
  return namesNoProcess && owner.end === null ? "missing-pid" : owner.end;
}

/** Rule 3. */
function isOverdue(
  payload: SessionLockPayload | null,
  ageMs: number | null,
  facts: SessionLockFacts,
): boolean {
  const heldMs = heldMsOf(payload, ageMs, facts);
  return payload?.maxHoldMs != null && heldMs !== null && heldMs > payload.maxHoldMs;
}

/**
 * For how long a lock has been held, milliseconds; null when unknown. Suspended time is not holding: the
 * monotonic clock decides where both ends were read on it. It never says more than the wall clock does: a reading
 * that does was taken from another clock.
 */
export function heldMsOf(
  payload: SessionLockPayload | null,
  ageMs: number | null,
  { monotonicNowMs }: Pick<SessionLockFacts, "monotonicNowMs">,
): number | null {
  if (ageMs === null || monotonicNowMs === null || payload?.monotonicMs == null) return ageMs;
  return Math.min(ageMs, Math.max(0, monotonicNowMs - payload.monotonicMs));
}

/** Rule 4, first half: a lock that an earlier life of this very process must have left. */
function isOrphanOfOurs(
  payload: SessionLockPayload | null,
  {
    owner,
    kernel,
    heldHere,
    isSelf,
    inWorkerThread,
    atAcquire,
  }: Omit<SessionLockFacts, "ownerArgs" | "isOwnerArgv">,
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

/** Rule 4, second half: somebody else's program has the pid, and nothing proves it to be the owner. */
function isForeign(payload: SessionLockPayload | null, facts: SessionLockFacts): boolean {
  const { ownerArgs } = facts;
  if (!needsOwnerArgs(payload, facts) || ownerArgs === null) return false;
  return ownerArgs.some((argument) => argument.trim() !== "") && !facts.isOwnerArgv(ownerArgs);
}

/** The table of what is done, first match; null means "remove", or "nothing is wrong". */
function reasonToKeep(
  payload: SessionLockPayload | null,
  reasons: readonly StaleReason[],
  facts: SessionLockFacts,
): ClassifiedKeptReason {
  const { owner, kernel } = facts;
  if (reasons.length === 0) return null;
  if (owner.undecidable) return "owner-unknown";
  const kept = reasonToKeepByRule(payload, reasons, facts);
  if (kept === null && owner.needsNestedLook) return "owner-unknown";
  return kept === null && kernel === "other-view" ? "other-view" : kept;
}

function reasonToKeepByRule(
  payload: SessionLockPayload | null,
  reasons: readonly StaleReason[],
  { graceMs, mtimeMs, nowMs, staleMs }: SessionLockFacts,
): ClassifiedKeptReason {
  if (reasons.some((reason) => PROOF_OF_ABANDONMENT.has(reason))) return null;
  if (reasons.includes("hold-exceeded")) {
    // Such a holder has no fence: only its own hand may remove its lock.
    const isUnguardedHolder = payload?.nonce != null && payload.kernelLock === null;
    return isUnguardedHolder ? "no-guard" : null;
  }
  if (!reasons.includes("missing-pid")) return "owner-alive";
  if (reasons.includes("too-old")) return null;
  const isPastGrace = mtimeMs !== null && nowMs - mtimeMs > Math.min(staleMs, graceMs);
  return isPastGrace ? null : "in-grace";
}

const PROOF_OF_ABANDONMENT: ReadonlySet<StaleReason> = new Set([
  "dead-pid",
  "recycled-pid",
  "holder-gone",
  "orphan-self-pid",
  "non-openclaw-owner",
]);

/** Milliseconds since `createdAt`; a lock from the future is new: clocks step back. null: not a time. */
export function ageOf(createdAt: string | null, nowMs: number): number | null {
  const created = createdAt === null ? Number.NaN : Date.parse(createdAt);
  return Number.isNaN(created) ? null : Math.max(0, nowMs - created);
}

function verdict(
  ageMs: number | null,
  staleReasons: readonly StaleReason[],
  keptReason: ClassifiedKeptReason,
  owner: { readonly state: OwnerState; readonly reason: OwnerReason },
): SessionLockClassification {
  const stale = staleReasons.length > 0;
  return {
    ageMs,
    stale,
    staleReasons,
    removable: stale && keptReason === null,
    keptReason,
    ownerState: owner.state,
    ownerReason: owner.reason,
  };
}
