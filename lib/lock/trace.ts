/**
 * What the engine tells `node:diagnostics_channel`: one tracing channel per operation, with plain objects. Nothing is
 * gathered while a channel has no subscriber.
 */
import type { TracingChannel } from "node:diagnostics_channel";

import { tracingChannel } from "../util/tracing.js";
import type { BreakRefusal } from "./break-refusal.js";
import type { LeaseOfLock } from "./protocol/lease-claim.js";
import type { LockInspection } from "./verdict/inspection.js";
import type { KernelEvidence } from "./verdict/kernel-evidence.js";
import type { OwnerReason, OwnerState } from "./verdict/owner-judgement.js";

/** Messages of `pidentity:acquire`; `error` is on those of `error` and what follows it. */
export interface AcquireTrace {
  readonly lockPath: string;
  readonly label: string | null;
  /** The limits in force, milliseconds. */
  readonly timeoutMs: number;
  readonly staleMs: number;
  readonly maxHoldMs: number;
  readonly result?: AcquireTraceResult;
  readonly error?: unknown;
}

export interface AcquireTraceResult {
  /** The published lock's nonce; null when a lock that this process held already is shared. */
  readonly nonce: string | null;
  /** Milliseconds from the call to the lock. */
  readonly waitedMs: number;
  /** Stale locks that this acquisition removed. */
  readonly reclaimed: number;
  /** The lease above the lock; null: there is none. */
  readonly lease: LeaseOfLock | null;
}

/**
 * Why a lock ends: its last handle's release, releaseAllLocks, its own limit, the thread's end (a signal's,
 * too), a contender took it, or the lease above it is lost.
 */
export type ReleaseCause =
  | "released"
  | "drained"
  | "watchdog"
  | "exit"
  | "displaced"
  | "lease-lost";

/** Messages of `pidentity:release`. */
export interface ReleaseTrace {
  readonly lockPath: string;
  readonly nonce: string;
  readonly cause: ReleaseCause;
  /** Milliseconds on the monotonic clock. */
  readonly heldMs: number;
  readonly maxHoldMs: number;
  /** The lease above the lock, which is given back after it; null: there is none. */
  readonly lease: LeaseOfLock | null;
  readonly result?: ReleaseTraceResult;
  readonly error?: unknown;
}

/** `left`: the file is still there, unlocked, for others to remove. */
export type ReleaseOutcome = "removed" | "not-ours" | "left";

export interface ReleaseTraceResult {
  readonly outcome: ReleaseOutcome;
}

/** Messages of `pidentity:reclaim`: every attempt to remove another holder's lock. */
export interface ReclaimTrace {
  readonly lockPath: string;
  /** `break`: by hand, with {@link reason}. */
  readonly by: "acquire" | "sweep" | "break";
  /** What was given to breakLock; absent otherwise. */
  readonly reason?: string;
  /** The same. */
  readonly force?: boolean;
  readonly result?: ReclaimTraceResult;
  readonly error?: unknown;
}

export interface ReclaimTraceResult {
  /**
   * `changed`: the look inside the guard did not bear out the first one; nothing was touched. `vanished` and the
   * refusals: of breakLock only.
   */
  readonly outcome:
    | "removed"
    | "changed"
    | "busy"
    | "no-guard"
    | "vanished"
    | Exclude<BreakRefusal, "guard-busy">;
  /** The judgement that decided: the one inside the guard, if it came to that. */
  readonly inspection: LockInspection<string>;
  readonly evidence: ReclaimEvidence;
}

/** What the judgement rests on: answers "why was my lock taken?". */
export interface ReclaimEvidence {
  /** What the kernel says of the holder's lock; `silent` where that is no evidence. */
  readonly kernelLock: KernelEvidence;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
  readonly pidAlive: boolean;
  /** How long it was held by the clock that decides, and the holder's own limit; milliseconds. */
  readonly heldMs: number | null;
  readonly maxHoldMs: number | null;
  /** The command line of the pid's present process, where that was asked for and readable. */
  readonly ownerArgs: readonly string[] | null;
}

/** The channels, by the names that subscribers use; each made when it is first needed. */
export const traces = {
  get acquire() {
    return (acquire ??= tracingChannel<AcquireTrace>("pidentity:acquire"));
  },
  get release() {
    return (release ??= tracingChannel<ReleaseTrace>("pidentity:release"));
  },
  get reclaim() {
    return (reclaim ??= tracingChannel<ReclaimTrace>("pidentity:reclaim"));
  },
};

let acquire: TracingChannel<AcquireTrace, AcquireTrace> | undefined;
let release: TracingChannel<ReleaseTrace, ReleaseTrace> | undefined;
let reclaim: TracingChannel<ReclaimTrace, ReclaimTrace> | undefined;
