/**
 * Session attention: tells sessions that are stuck or stalled from sessions that only take long, and asks the host to
 * recover them. A session with recent progress is never aborted, and never called stuck.
 *
 * @packageDocumentation
 */
export {
  classifySessionAttention,
  type LongRunningSession,
  type SessionActivity,
  type SessionAttention,
  type SessionAttentionInput,
  type SessionState,
  type SessionWorkKind,
  type StalledSession,
  type StuckSession,
} from "./classify.js";
export type {
  SessionAttentionEvent,
  SessionAttentionMessage,
  SessionRecoveryRequestedEvent,
  SessionRecoverySettledEvent,
} from "./events.js";
export { createSessionAttentionMonitor, type SessionAttentionMonitor } from "./monitor.js";
export type {
  AttentionLog,
  SessionAttentionMonitorOptions,
  StartTimer,
} from "./monitor-options.js";
export type {
  RecoveryDecision,
  SessionRecoveryOutcome,
  SessionRecoveryRequest,
} from "./recovery.js";
export type { RegisterSessionOptions } from "./registered-session.js";
export type { MonitoredSession, SessionEventOptions, SessionWork } from "./session-handle.js";
export type { SessionSnapshot } from "./snapshot.js";
