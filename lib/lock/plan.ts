/** What an acquisition is told: which lock, how long, how to judge the lock that is in the way, what to give. */
import type { LockFace } from "./held-lock.js";
import type { TakeLease } from "./lease-above.js";
import type { LockRoute } from "./lock-path.js";
import type { ReclaimEvidence } from "./trace.js";
import { DEFAULT_GRACE_MS, type JudgingPolicy } from "./verdict/judge.js";
import { type ReadOwnerProcessArgs, tolerant } from "./verdict/owner-args.js";
import type { PlainLocks } from "./verdict/plain-owner.js";
import { wallMs } from "../util/clocks.js";

/** What a waiter is told once a second. */
export interface WaitingForLock {
  /** `pid=N alive=true|false ageMs=N`, or `owner=unknown`. */
  readonly owner: string;
  /** Milliseconds since the acquire began. */
  readonly waitedMs: number;
}

/** A stale lock that an acquisition removed, and took in its place. */
export interface ReclaimedLock {
  readonly lockPath: string;
  readonly evidence: ReclaimedEvidence;
}

/**
 * Why it was taken: what the lock said, and what the judgement that decided rests on, which is the one that was made
 * inside the lock's guard.
 */
export interface ReclaimedEvidence extends ReclaimEvidence {
  /** What the lock named; null: no process. */
  readonly pid: number | null;
  /** Never empty; the table of reasons in `pidentity/session-lock` says what each means. */
  readonly staleReasons: readonly string[];
  /** When it was taken, as the lock says; of a bare pid its file's mtime; null: it does not say. */
  readonly createdAt: string | null;
  /** Milliseconds since `createdAt` by the wall clock, never negative; null: not known. */
  readonly ageMs: number | null;
  /** The previous owner's token; null when another program wrote the lock. */
  readonly token: string | null;
  /** The previous owner's own text. */
  readonly label: string | null;
}

/** What a lock file is written as: all that is known of its holder, or its pid as a bare number. */
export type LockFormat = "json" | "pid";

/** Options in the shape that acquire works with; its paths are absolute. */
export interface AcquirePlan<Handle> extends LockRoute {
  readonly face: LockFace<Handle>;
  /** The file to be guarded. */
  readonly file: string;
  /** Milliseconds, as the other two limits; may be Infinity. */
  readonly timeoutMs: number;
  readonly staleMs: number;
  readonly maxHoldMs: number;
  readonly allowReentrant: boolean;
  readonly signal: AbortSignal | undefined;
  readonly label: string | null;
  /** Default `json`. */
  readonly format?: LockFormat | undefined;
  readonly onWait: ((waiting: WaitingForLock) => void) | undefined;
  readonly onReclaimed: ((reclaimed: ReclaimedLock) => void) | undefined;
  readonly readOwnerProcessArgs: ReadOwnerProcessArgs | undefined;
  readonly policy: JudgingPolicy;
  /** Takes the lease above the lock; absent: none stands there. */
  readonly takeLease?: TakeLease | undefined;
}

/** The part of a plan that does not depend on what its handles are. */
export type ContentionPlan = Omit<AcquirePlan<unknown>, "face"> & {
  readonly face: Pick<LockFace<unknown>, "toError">;
};

// Other processes change a lock within microseconds: also a caller that does not wait for a holder waits for that.
const SHORTEST_BUDGET_MS = 100;

/** How long acquire may take in all where it does not wait for a holder, milliseconds. */
export function budgetOf({ timeoutMs }: Pick<ContentionPlan, "timeoutMs">): number {
  return Math.max(timeoutMs, SHORTEST_BUDGET_MS);
}

// A shorter timeout would be over before the sweep's grace is.
const SHORT_GRACE_MS = 5000;

/** How contenders judge. */
export function acquirePolicy(
  { timeoutMs, staleMs }: Pick<ContentionPlan, "timeoutMs" | "staleMs">,
  {
    isOwnerArgv,
    plainLocks = "judge",
    readOther,
    present,
  }: {
    readonly isOwnerArgv: (args: readonly string[]) => boolean;
    readonly plainLocks?: PlainLocks | undefined;
    readonly readOther?: JudgingPolicy["readOther"];
    readonly present: JudgingPolicy["present"];
  },
): JudgingPolicy {
  return {
    nowMs: wallMs,
    staleMs,
    graceMs: timeoutMs >= DEFAULT_GRACE_MS ? DEFAULT_GRACE_MS : SHORT_GRACE_MS,
    respectMaxHold: true,
    atAcquire: true,
    // A thread contends only for a lock that it does not hold: its acquisitions of one lock queue.
    isHeldHere: () => false,
    isOwnerArgv: tolerant(isOwnerArgv),
    plainLocks,
    readOther,
    present,
  };
}
