/** What a session's attention asks the host to do, and what the host's answer means. Pure. */
import type { SessionActivity, SessionAttention, SessionState } from "./classify.js";
import type { SessionSnapshot } from "./snapshot.js";

/**
 * `recover`: without touching active work. `abort`: work that is stalled for too long may be aborted, if there is
 * any.
 */
export type RecoveryDecision = "none" | "recover" | "abort";

/** What `recover` is called with. */
export interface SessionRecoveryRequest {
  readonly sessionKey: string;
  /** The state that the monitor believes in. */
  readonly expectedState: SessionState;
  /** The session's generation at the request; see {@link SessionSnapshot.stateGeneration}. */
  readonly stateGeneration: number;
  readonly queueDepth: number;
  /** True: active work may be aborted. Absent: it must not be. */
  readonly allowActiveAbort?: true;
}

/**
 * What came of a recovery.
 *
 * - `released`: what held the session up was let go
 * - `aborted`: active work was aborted; not believed a second time while `hasActiveEmbeddedRun` still reports it
 * - `noop`: nothing was done; with the reason `no_active_work` because nothing was there to be done
 * - `skipped`, `failed`, or `noop` with any other reason: the session is as it was
 *
 * An outcome that comes after newer progress changes nothing, whatever it says.
 */
export interface SessionRecoveryOutcome {
  readonly status: "released" | "aborted" | "noop" | "skipped" | "failed";
  readonly reason?: string | undefined;
}

/** What an outcome changes of what the monitor knows of a session. */
export type OutcomeEffect = "none" | "reset" | "reset-and-empty-queue";

/** Milliseconds. */
export interface RecoveryLimits {
  /** Progress that is not older is recent. */
  readonly warnMs: number;
  /** From this age of the last progress on, a run or model call may be aborted. */
  readonly abortMs: number;
  /** From this age on, a blocked tool call may be aborted. */
  readonly toolAbortMs: number;
}

export function decideRecovery(
  attention: SessionAttention,
  { state, activity }: Pick<SessionSnapshot, "state" | "activity">,
  { warnMs, abortMs, toolAbortMs }: RecoveryLimits,
): RecoveryDecision {
  if (attention.recoveryEligible) return "recover";
  if (attention.eventType !== "session.stalled") return "none";
  const { activeToolAgeMs = 0, lastProgressAgeMs = 0 } = activity;
  // A terminal sign makes a run stalled at once, and the limits may be as short as one likes.
  const isProgressRecent = !(lastProgressAgeMs > warnMs);
  const isLongEnough =
    attention.classification === "blocked_tool_call"
      ? activeToolAgeMs >= toolAbortMs
      : lastProgressAgeMs >= abortMs && isPutRightByAbort(state, activity);
  return !isProgressRecent && isLongEnough ? "abort" : "none";
}

/** An owned run can be aborted. One without an owner is gone, and a processing session would wait for it for ever. */
function isPutRightByAbort(
  state: SessionState,
  { activeWorkKind, hasActiveEmbeddedRun }: SessionActivity,
): boolean {
  if (activeWorkKind === "tool_call") return false;
  return hasActiveEmbeddedRun === true || state === "processing";
}

export function effectOf({ status, reason }: SessionRecoveryOutcome): OutcomeEffect {
  switch (status) {
    case "released":
      return "reset-and-empty-queue";
    case "aborted":
      return "reset";
    case "noop":
      return reason === "no_active_work" ? "reset-and-empty-queue" : "none";
    case "skipped":
    case "failed":
      return "none";
  }
}

const STATUSES: ReadonlySet<unknown> = new Set<SessionRecoveryOutcome["status"]>([
  "released",
  "aborted",
  "noop",
  "skipped",
  "failed",
]);

/** Whether what `recover` gave is an outcome. */
export function isOutcome(value: unknown): value is SessionRecoveryOutcome {
  return (
    typeof value === "object" && value !== null && "status" in value && STATUSES.has(value.status)
  );
}
