/** From facts about one session to what it needs: the first rule that matches. Pure, total, no clock. */
import { checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkNumber,
  checkObject,
  checkOneOf,
  checkString,
  optional,
} from "../util/check-values.js";

export const SESSION_STATES = ["idle", "processing", "waiting"] as const;

/** What a session says it does. */
export type SessionState = (typeof SESSION_STATES)[number];

export const SESSION_WORK_KINDS = ["model_call", "tool_call", "embedded_run"] as const;

/** A kind of work that a session can be busy with. */
export type SessionWorkKind = (typeof SESSION_WORK_KINDS)[number];

/** What is going on inside a session. Ages are milliseconds; a missing one counts as 0. */
export interface SessionActivity {
  /** The innermost work that has started and not ended; absent: none. */
  readonly activeWorkKind?: SessionWorkKind | undefined;
  /** The work is *owned*: a run of this process is there that can be aborted. */
  readonly hasActiveEmbeddedRun?: boolean | undefined;
  /** Since the oldest active tool call began. */
  readonly activeToolAgeMs?: number | undefined;
  /** Since the last sign of progress. */
  readonly lastProgressAgeMs?: number | undefined;
  /** What that sign was, e.g. `tool_call:ended` or the name of a stream event. */
  readonly lastProgressReason?: string | undefined;
}

export interface SessionAttentionInput {
  readonly state?: SessionState | undefined;
  /** How many messages or tasks wait for the session. */
  readonly queueDepth: number;
  /** Older than this many milliseconds is stale; this very age is not. */
  readonly staleMs: number;
  /** The age in milliseconds from which on a model call without progress counts as stalled; absent: never. */
  readonly stuckSessionAbortMs?: number | undefined;
  readonly activity: SessionActivity;
}

/** Nothing is being done, although something should be, or the state says so: safe to reset. */
export interface StuckSession {
  readonly eventType: "session.stuck";
  readonly reason: "queued_work_without_active_run" | "stale_session_state";
  readonly classification: "stale_session_state";
  /** True: putting the session right takes no abort of running work. */
  readonly recoveryEligible: true;
}

/** Work is active and does not get on. */
export type StalledSession =
  | {
      readonly eventType: "session.stalled";
      readonly reason: "blocked_tool_call";
      readonly classification: "blocked_tool_call";
      readonly recoveryEligible: false;
      readonly activeWorkKind: "tool_call";
    }
  | {
      readonly eventType: "session.stalled";
      readonly reason: "queued_behind_terminal_active_work";
      readonly classification: "stalled_agent_run";
      readonly recoveryEligible: false;
      readonly activeWorkKind: "embedded_run";
    }
  | {
      readonly eventType: "session.stalled";
      readonly reason: "active_work_without_progress";
      readonly classification: "stalled_agent_run";
      readonly recoveryEligible: false;
      readonly activeWorkKind: SessionWorkKind;
    };

/** Work is active and takes long; that alone is no fault. */
export type LongRunningSession =
  | {
      readonly eventType: "session.long_running";
      readonly reason: "active_model_call_without_progress";
      readonly classification: "long_running";
      readonly recoveryEligible: false;
      readonly activeWorkKind: "model_call";
    }
  | {
      readonly eventType: "session.long_running";
      readonly reason: "queued_behind_active_work" | "active_work";
      readonly classification: "long_running";
      readonly recoveryEligible: false;
      readonly activeWorkKind: SessionWorkKind;
    }
  | {
      /** Progress is told of without any work that was registered. */
      readonly eventType: "session.long_running";
      readonly reason: "active_work";
      readonly classification: "long_running";
      readonly recoveryEligible: false;
      readonly activeWorkKind?: undefined;
    };

/** What {@link classifySessionAttention} answers; told apart by `eventType`, then by `reason`. */
export type SessionAttention = StuckSession | StalledSession | LongRunningSession;

/**
 * Says what a session that has been busy or waiting for long needs. Whether it has been long enough is the
 * caller's question: every input gets an answer.
 *
 * @throws TypeError when a field has another type than it says; no number is refused, and one that is not a
 *   number (NaN) makes nothing stale.
 */
export function classifySessionAttention(input: SessionAttentionInput): SessionAttention {
  checkInput(input);
  const { state, queueDepth, staleMs, stuckSessionAbortMs, activity } = input;
  const { activeWorkKind, activeToolAgeMs = 0, lastProgressAgeMs = 0 } = activity;
  const isQueued = queueDepth > 0;
  const isProgressStale = lastProgressAgeMs > staleMs;
  if (activeWorkKind === undefined) {
    if (activity.lastProgressAgeMs === undefined || isProgressStale) {
      return stuck(isQueued ? "queued_work_without_active_run" : "stale_session_state");
    }
    return {
      eventType: "session.long_running",
      reason: "active_work",
      classification: "long_running",
      recoveryEligible: false,
    };
  }

  const isOwned = activity.hasActiveEmbeddedRun === true;
  if (state === "idle" && isQueued && !isOwned && isProgressStale) {
    return stuck("queued_work_without_active_run");
  }
  if (activeWorkKind === "tool_call" && activeToolAgeMs > staleMs && isProgressStale) {
    return {
      eventType: "session.stalled",
      reason: "blocked_tool_call",
      classification: "blocked_tool_call",
      recoveryEligible: false,
      activeWorkKind,
    };
  }
  if (isQueued && activeWorkKind === "embedded_run" && isTerminal(activity.lastProgressReason)) {
    return {
      eventType: "session.stalled",
      reason: "queued_behind_terminal_active_work",
      classification: "stalled_agent_run",
      recoveryEligible: false,
      activeWorkKind,
    };
  }
  if (!isProgressStale) {
    return {
      eventType: "session.long_running",
      reason: isQueued ? "queued_behind_active_work" : "active_work",
      classification: "long_running",
      recoveryEligible: false,
      activeWorkKind,
    };
  }
  const isPastAbort = stuckSessionAbortMs !== undefined && lastProgressAgeMs >= stuckSessionAbortMs;
  if (activeWorkKind === "model_call" && isOwned && !isPastAbort) {
    return {
      eventType: "session.long_running",
      reason: "active_model_call_without_progress",
      classification: "long_running",
      recoveryEligible: false,
      activeWorkKind,
    };
  }
  return {
    eventType: "session.stalled",
    reason: "active_work_without_progress",
    classification: "stalled_agent_run",
    recoveryEligible: false,
    activeWorkKind,
  };
}

function stuck(reason: StuckSession["reason"]): StuckSession {
  return {
    eventType: "session.stuck",
    reason,
    classification: "stale_session_state",
    recoveryEligible: true,
  };
}

const TERMINAL_REASONS: ReadonlySet<string> = new Set(["run:completed", "embedded_run:ended"]);

// The names under which model providers' streams announce that nothing more will come.
const TERMINAL_EVENTS = [
  "response.completed",
  "rawResponseItem/completed",
  "raw_response_item.completed",
  "output_item.done",
];

/** After such a sign no progress is to be expected: the work is over and only its end is missing. */
function isTerminal(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  return TERMINAL_REASONS.has(reason) || TERMINAL_EVENTS.some((event) => reason.includes(event));
}

const INPUT_CHECKS: OptionChecks<SessionAttentionInput> = {
  state: optional(checkOneOf(SESSION_STATES)),
  queueDepth: checkNumber,
  staleMs: checkNumber,
  stuckSessionAbortMs: optional(checkNumber),
  activity: checkObject,
};

const ACTIVITY_CHECKS: OptionChecks<SessionAttentionInput["activity"]> = {
  activeWorkKind: optional(checkOneOf(SESSION_WORK_KINDS)),
  hasActiveEmbeddedRun: optional(checkBoolean),
  activeToolAgeMs: optional(checkNumber),
  lastProgressAgeMs: optional(checkNumber),
  lastProgressReason: optional(checkString),
};

function checkInput(input: SessionAttentionInput): void {
  checkFields(input, INPUT_CHECKS, "input");
  checkFields(input.activity, ACTIVITY_CHECKS, "input.activity");
}
