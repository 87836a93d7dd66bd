/** What a session's attention asks the host to do, and what the host's answer means. Pure. */
import type { SessionActivity, SessionAttention, SessionState } from "./classify.js";

/** `recover`: without touching active work. `abort`: active work that is stalled for too long may be aborted. */
export type RecoveryDecision = "none" | "recover" | "abort";

/** What `recover` is called with. */
export interface SessionRecoveryRequest {
  readonly sessionKey: string;
  /** The state that the monitor believes in. */
  readonly expectedState: SessionState;
  /** Which life of the session is meant; see {@link SessionSnapshot.stateGeneration}. */
  readonly stateGeneration: number;
  readonly queueDepth: number;
  /** True: active work may be aborted. Absent: it must not be. */
  readonly allowActiveAbort?: true;
}

/**
 * What came of a recovery.
 *
 * - `released`: what held the session up was let go
 * - `aborted`: active work was aborted
 * - `noop`: nothing was done; with the reason `no_active_work` because nothing was there to be done
 * - `skipped`, `failed`, or `noop` with any other reason: the session is as it was
 */
export interface SessionRecoveryOutcome {
  readonly status: "released" | "aborted" | "noop" | "skipped" | "failed";
  readonly reason?: string | undefined;
}

/** What an outcome does to the monitor's picture of a session. */
export type OutcomeEffect = "none" | "reset" | "reset-and-empty-queue";

export function decideRecovery(
  attention: SessionAttention,
  activity: SessionActivity,
  abortMs: number,
): RecoveryDecision {
  if (attention.recoveryEligible) return "recover";
  if (attention.eventType !== "session.stalled") return "none";
  const ageMs = abortAgeMs(attention.classification, activity);
  return ageMs !== null && ageMs >= abortMs ? "abort" : "none";
}

/** The age that counts against active work; never the session's own. null: there is nothing to abort. */
function abortAgeMs(
  classification: "blocked_tool_call" | "stalled_agent_run",
  {
    activeWorkKind,
    hasActiveEmbeddedRun,
    activeToolAgeMs = 0,
    lastProgressAgeMs = 0,
  }: SessionActivity,
): number | null {
  if (classification === "blocked_tool_call") return activeToolAgeMs;
  const isOwnedRun = activeWorkKind !== "tool_call" && hasActiveEmbeddedRun === true;
  return isOwnedRun ? lastProgressAgeMs : null;
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
