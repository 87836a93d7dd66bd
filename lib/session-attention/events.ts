/** What the monitor tells `node:diagnostics_channel`: plain objects, made only when the channel has a subscriber. */
import type { Channel } from "node:diagnostics_channel";

import { diagnosticsChannel } from "../util/node-modules.js";
import type { SessionAttention } from "./classify.js";
import type {
  RecoveryDecision,
  SessionRecoveryOutcome,
  SessionRecoveryRequest,
} from "./recovery.js";
import type { SessionSnapshot } from "./snapshot.js";

/** A warning: this session needs attention. The fields of the classifier's answer are part of it. */
export type SessionAttentionEvent = SessionAttention & {
  readonly type: "attention";
  /** What the monitor knows of the session. */
  readonly session: SessionSnapshot;
  /**
   * What the monitor asks for because of it; not asked again while `session.isRecovering`, and at ever longer
   * intervals for a run that outlives its abort.
   */
  readonly recovery: RecoveryDecision;
};

/** A recovery was asked for. */
export interface SessionRecoveryRequestedEvent {
  readonly type: "recovery-requested";
  readonly request: SessionRecoveryRequest;
}

/** A recovery has answered, or failed to. */
export interface SessionRecoverySettledEvent {
  readonly type: "recovery-settled";
  readonly request: SessionRecoveryRequest;
  /** null: it gave none, or threw. */
  readonly outcome: SessionRecoveryOutcome | null;
  /** What it threw or rejected with; absent when it did not. */
  readonly error?: unknown;
  /**
   * False: the session has a newer generation by now or has made progress since, the outcome says that nothing was done, or it
   * says a second time that a run was aborted which its owner still reports.
   */
  readonly applied: boolean;
  readonly durationMs: number;
}

/** The messages of the channel `pidentity:attention`, told apart by `type`. */
export type SessionAttentionMessage =
  | SessionAttentionEvent
  | SessionRecoveryRequestedEvent
  | SessionRecoverySettledEvent;

let attention: Channel | undefined;

export function publish(message: () => SessionAttentionMessage): void {
  attention ??= diagnosticsChannel().channel("pidentity:attention");
  if (attention.hasSubscribers) attention.publish(message());
}
