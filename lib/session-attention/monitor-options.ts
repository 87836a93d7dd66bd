/** The monitor's options: checked, with defaults, as one plan. */
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkFunction,
  checkLog,
  checkTimeout,
  checkTimerInterval,
  optional,
} from "../util/check-values.js";
import { runtimeMs } from "../util/clocks.js";
import { every } from "../util/timers.js";
import type { SessionAttentionEvent } from "./events.js";
import type { SessionRecoveryOutcome, SessionRecoveryRequest } from "./recovery.js";

/** Where the monitor tells of callbacks that failed; `console` fits. */
export interface AttentionLog {
  readonly warn?: ((message: string) => void) | undefined;
}

/** Calls `callback` every `intervalMs` until the function that it returns is called. */
export type StartTimer = (callback: () => void, intervalMs: number) => () => void;

export interface SessionAttentionMonitorOptions {
  /**
   * Puts a session right. Called at most once at a time for each session, never while its progress is recent (within
   * `warnMs`), and never with `allowActiveAbort` unless its work has made no progress for `abortMs`, or is a blocked
   * tool call that is `toolAbortMs` old. Its outcome tells the monitor what became of the session; without one the
   * session is as it was, and is asked for again at the next heartbeat.
   */
  readonly recover?:
    | ((
        request: SessionRecoveryRequest,
      ) =>
        | SessionRecoveryOutcome
        | undefined
        | void
        | Promise<SessionRecoveryOutcome | undefined | void>)
    | undefined;
  /** Told of sessions that need attention; the same thing again at ever longer intervals. */
  readonly onAttention?: ((event: SessionAttentionEvent) => unknown) | undefined;
  /** The age in milliseconds beyond which a session is looked at, and its progress is stale. Default 120 000. */
  readonly warnMs?: number | undefined;
  /**
   * Milliseconds without progress after which a stalled run or model call may be aborted, or be put right when
   * its run has no owner any more; Infinity: never. Default max(300 000, 3 × warnMs).
   */
  readonly abortMs?: number | undefined;
  /**
   * Milliseconds since a blocked tool call began after which it may be aborted; Infinity: never. Default
   * max(abortMs, 900 000).
   */
  readonly toolAbortMs?: number | undefined;
  /** Milliseconds between two looks at all sessions. Default 30 000. */
  readonly heartbeatMs?: number | undefined;
  /** Told when a callback throws or rejects. Default `console`. */
  readonly log?: AttentionLog | undefined;
  /** A monotonic clock, milliseconds. Default: that of `performance.now`, which fake timers do not replace. */
  readonly clock?: (() => number) | undefined;
  /** Starts the heartbeat's timer. Default: `setInterval`, unref'd; no fake one. */
  readonly startTimer?: StartTimer | undefined;
}

export interface MonitorPlan {
  readonly recover: SessionAttentionMonitorOptions["recover"];
  readonly onAttention: SessionAttentionMonitorOptions["onAttention"];
  readonly warnMs: number;
  readonly abortMs: number;
  readonly toolAbortMs: number;
  readonly heartbeatMs: number;
  readonly warn: (message: string) => void;
  readonly clock: () => number;
  readonly startTimer: StartTimer;
}

const DEFAULT_WARN_MS = 120_000;
const DEFAULT_ABORT_MS = 300_000;
/** Tools may be builds and test suites. */
const DEFAULT_TOOL_ABORT_MS = 900_000;
const DEFAULT_HEARTBEAT_MS = 30_000;

const CHECKS: OptionChecks<SessionAttentionMonitorOptions> = {
  recover: optional(checkFunction),
  onAttention: optional(checkFunction),
  warnMs: optional(checkTimeout),
  abortMs: optional(checkTimeout),
  toolAbortMs: optional(checkTimeout),
  heartbeatMs: optional(checkTimerInterval),
  log: optional(checkLog),
  clock: optional(checkFunction),
  startTimer: optional(checkFunction),
};

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveMonitorOptions(options: SessionAttentionMonitorOptions): MonitorPlan {
  checkRequiredOptions(options, CHECKS);
  const { warnMs = DEFAULT_WARN_MS, log = console, clock = runtimeMs } = options;
  const abortMs = options.abortMs ?? Math.max(DEFAULT_ABORT_MS, 3 * warnMs);
  return {
    recover: options.recover,
    onAttention: options.onAttention,
    warnMs,
    abortMs,
    toolAbortMs: options.toolAbortMs ?? Math.max(DEFAULT_TOOL_ABORT_MS, abortMs),
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    warn: (message) => log.warn?.(message),
    // Whole milliseconds: ages and durations are told.
    clock: () => Math.floor(clock()),
    startTimer: options.startTimer ?? every,
  };
}
