/** What can be said of a lock's owner. Pure. */
import type { ProcessVerdict } from "../../process/judge-token.js";

export type OwnerState = "same" | "gone" | "unknown";

/**
 * Why {@link OwnerState} is what it is.
 *
 * - of the kernel lock: `kernel-lock-held`, `kernel-lock-free`; `mount-gone`: the overlay that it was taken
 *   through is mounted no more
 * - of the lease above it: `lease-superseded`: the judging process holds it now, under a later epoch
 * - of the token: `running` and every reason of `verifyProcess`; `pid-mismatch` when the lock's pid is
 *   not the token's
 * - `no-token`: this package wrote the lock, and nothing in it can be verified here
 * - of a plain lock: `start-time-equal`, `start-time-differs`, `earlier-boot`, the reason of a pid that
 *   is not alive, `unproven` (alive, nothing more is known), `other-host` (a network's file system),
 *   `other-pid-namespace` (a container's process may own it), `plain-lock` (the caller asked to keep those)
 * - `missing-pid`: the lock names no process
 * - `held-here`: this very process holds it
 * - `unreadable`: the lock file could not be read
 */
export type OwnerReason =
  | "kernel-lock-held"
  | "kernel-lock-free"
  | "mount-gone"
  | "lease-superseded"
  | ProcessVerdict["reason"]
  | "pid-mismatch"
  | "no-token"
  | "start-time-equal"
  | "start-time-differs"
  | "earlier-boot"
  | "thread-id"
  | "invalid-pid"
  | "unproven"
  | "plain-lock"
  | "missing-pid"
  | "held-here"
  | "unreadable";

export interface OwnerJudgement {
  readonly state: OwnerState;
  readonly reason: OwnerReason;
  /** The reason for removal that follows, if any (`missing-pid` is the classifier's own). */
  readonly end: "dead-pid" | "recycled-pid" | "holder-gone" | null;
  /**
   * The owner can neither be proven alive nor gone for a reason that forbids removal: another host or
   * pid namespace, access denied, an unreadable token.
   */
  readonly undecidable: boolean;
  /**
   * A look at the processes of nested pid namespaces may change this judgement and was not made. Until it
   * was, nothing may be removed.
   */
  readonly needsNestedLook: boolean;
}

export function same(reason: OwnerReason): OwnerJudgement {
  return { state: "same", reason, end: null, undecidable: false, needsNestedLook: false };
}

export function gone(reason: OwnerReason, end: NonNullable<OwnerJudgement["end"]>): OwnerJudgement {
  return { state: "gone", reason, end, undecidable: false, needsNestedLook: false };
}

export function undecidable(reason: OwnerReason): OwnerJudgement {
  return { state: "unknown", reason, end: null, undecidable: true, needsNestedLook: false };
}

/** Nothing is proven, and nothing forbids a removal for another reason. */
export function unproven(reason: OwnerReason): OwnerJudgement {
  return { state: "unknown", reason, end: null, undecidable: false, needsNestedLook: false };
}
