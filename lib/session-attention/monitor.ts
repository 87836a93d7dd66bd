/**
 * Watches the sessions of a host: a heartbeat looks at each of them, tells which need attention, and asks the
 * host to put right what can be put right.
 */
import { outOfRange } from "../util/argument-error.js";
import { checkRequiredOptions } from "../util/check-options.js";
import { classifySessionAttention, type SessionAttention } from "./classify.js";
import { publish, type SessionAttentionEvent } from "./events.js";
import { failureLog, type LogFailure } from "./failure-log.js";
import { Heartbeat } from "./heartbeat.js";
import {
  type MonitorPlan,
  resolveMonitorOptions,
  type SessionAttentionMonitorOptions,
} from "./monitor-options.js";
import {
  decideRecovery,
  effectOf,
  isOutcome,
  type RecoveryDecision,
  type SessionRecoveryOutcome,
  type SessionRecoveryRequest,
} from "./recovery.js";
import {
  REGISTER_CHECKS,
  RegisteredSession,
  type RegisterSessionOptions,
} from "./registered-session.js";
import { type MonitoredSession, sessionHandle } from "./session-handle.js";
import { WatchedSession } from "./session.js";
import type { SessionSnapshot } from "./snapshot.js";

export interface SessionAttentionMonitor extends Disposable {
  /**
   * Begins to watch a session.
   *
   * @throws RangeError when a session of that key is registered; TypeError or RangeError for bad options;
   *   Error when the monitor was stopped.
   */
  register(options: RegisterSessionOptions): MonitoredSession;
  /** Ends the watch of every session, for good. Recoveries under way are not interrupted. */
  stop(): void;
}

/**
 * Makes a monitor. It does nothing, and has no timer, while no session is registered.
 *
 * @throws TypeError or RangeError for bad options.
 */
export function createSessionAttentionMonitor(
  options: SessionAttentionMonitorOptions = {},
): SessionAttentionMonitor {
  const monitor = new Monitor(resolveMonitorOptions(options));
  const stop = (): void => monitor.stop();
  return { register: (session) => monitor.register(session), stop, [Symbol.dispose]: stop };
}

interface Judgement {
  readonly snapshot: SessionSnapshot;
  /** Since when what needs attention goes on. */
  readonly sinceMs: number;
  readonly attention: SessionAttention;
  readonly recovery: RecoveryDecision;
}

class Monitor {
  readonly #plan: MonitorPlan;
  readonly #logFailure: LogFailure;
  readonly #heartbeat: Heartbeat;
  readonly #registered = new Map<string, RegisteredSession>();
  /** By key, not by registration: a session that is registered anew is still the same session. */
  readonly #recovering = new Set<string>();
  #generation = 0;
  #isStopped = false;

  constructor(plan: MonitorPlan) {
    const { startTimer, heartbeatMs: intervalMs, clock } = plan;
    const onBeat = (nowMs: number): void => this.#lookAtAll(nowMs);
    this.#plan = plan;
    this.#logFailure = failureLog(plan.warn);
    this.#heartbeat = new Heartbeat({ startTimer, intervalMs, clock, onBeat });
  }

  register(options: RegisterSessionOptions): MonitoredSession {
    if (this.#isStopped) throw new Error("session attention monitor is stopped");
    checkRequiredOptions(options, REGISTER_CHECKS);
    const { sessionKey, state = "idle", queueDepth = 0 } = options;
    if (this.#registered.has(sessionKey)) {
      throw outOfRange("options.sessionKey", "that of no registered session", sessionKey);
    }
    const { clock, warnMs } = this.#plan;
    const session = new WatchedSession(
      { state, queueDepth, nowMs: clock() },
      { warnMs, nextGeneration: () => ++this.#generation },
    );
    const registration = new RegisteredSession(options, session);
    this.#registered.set(sessionKey, registration);
    this.#heartbeat.start();
    return sessionHandle({
      sessionKey,
      session: () => (this.#isRegistered(registration) ? session : null),
      clock,
      takeSnapshot: () => this.#snapshot(registration, clock()),
      unregister: () => this.#unregister(registration),
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const registration of this.#registered.values()) this.#unregister(registration);
  }

  #unregister(registration: RegisteredSession): void {
    if (!this.#isRegistered(registration)) return;
    this.#registered.delete(registration.sessionKey);
    if (this.#registered.size === 0) this.#heartbeat.stop();
  }

  #isRegistered(registration: RegisteredSession): boolean {
    return this.#registered.get(registration.sessionKey) === registration;
  }

  #snapshot(registration: RegisteredSession, nowMs: number): SessionSnapshot {
    return registration.snapshot(nowMs, this.#recovering.has(registration.sessionKey));
  }

  #lookAtAll(nowMs: number): void {
    for (const registration of this.#registered.values()) {
      try {
        this.#look(registration, nowMs);
      } catch (error) {
        this.#logFailure(`cannot judge session ${registration.sessionKey}`, error);
      }
    }
  }

  #look(registration: RegisteredSession, nowMs: number): void {
    const { session, sessionKey } = registration;
    let judgement = this.#judge(registration, nowMs);
    if (judgement === null) return;
    const { attention, sinceMs } = judgement;
    // That work may be aborted by now is news, however lately the session was told of.
    const about = `${attention.eventType} ${attention.reason} ${judgement.recovery}`;
    if (session.isWarningDue(about, sinceMs, nowMs - sinceMs)) {
      this.#tell({
        type: "attention",
        ...attention,
        session: judgement.snapshot,
        recovery: judgement.recovery,
      });
      // The callback may have told of progress, or that the session has ended.
      judgement = this.#judge(registration, nowMs);
    }
    if (judgement === null || this.#recovering.has(sessionKey)) return;
    this.#recover(registration, judgement.recovery, nowMs);
  }

  /** null: the session needs no attention. */
  #judge(registration: RegisteredSession, nowMs: number): Judgement | null {
    if (!this.#isRegistered(registration)) return null;
    const { warnMs, abortMs } = this.#plan;
    const { session } = registration;
    if (session.hasOutlivedAbort) registration.askOwner();
    const sinceMs = session.attentionSinceMs(nowMs);
    if (sinceMs === null || !(nowMs - sinceMs > warnMs)) return null;
    const snapshot = this.#snapshot(registration, nowMs);
    const { state, queueDepth, activity } = snapshot;
    const attention = classifySessionAttention({
      state,
      queueDepth,
      staleMs: warnMs,
      stuckSessionAbortMs: abortMs,
      activity,
    });
    const recovery = decideRecovery(attention, snapshot, this.#plan);
    return { snapshot, sinceMs, attention, recovery };
  }

  #tell(event: SessionAttentionEvent): void {
    publish(() => event);
    const { onAttention } = this.#plan;
    if (onAttention === undefined) return;
    const logError = (error: unknown): void =>
      this.#logFailure(`onAttention failed for session ${event.session.sessionKey}`, error);
    try {
      Promise.resolve(onAttention(event)).catch(logError);
    } catch (error) {
      logError(error);
    }
  }

  #recover(registration: RegisteredSession, decision: RecoveryDecision, nowMs: number): void {
    const { recover } = this.#plan;
    const { sessionKey, session } = registration;
    if (recover === undefined || decision === "none" || !session.isRecoveryDue(nowMs)) return;
    const request: SessionRecoveryRequest = {
      sessionKey,
      expectedState: session.state,
      stateGeneration: session.stateGeneration,
      queueDepth: session.queueDepth,
      ...(decision === "abort" ? { allowActiveAbort: true } : {}),
    };
    this.#recovering.add(sessionKey);
    void this.#runRecovery(registration, request, recover);
  }

  /** Never rejects. */
  async #runRecovery(
    registration: RegisteredSession,
    request: SessionRecoveryRequest,
    recover: NonNullable<MonitorPlan["recover"]>,
  ): Promise<void> {
    const { clock } = this.#plan;
    const startedAtMs = clock();
    const { session } = registration;
    const recovery = session.beginRecovery(startedAtMs);
    publish(() => ({ type: "recovery-requested", request }));
    let outcome: SessionRecoveryOutcome | null = null;
    let failure: { readonly error: unknown } | null = null;
    try {
      outcome = this.#checkedOutcome(await recover(request), request);
    } catch (error) {
      failure = { error };
      this.#logFailure(`recovery failed for session ${request.sessionKey}`, error);
    }
    this.#recovering.delete(request.sessionKey);
    const nowMs = clock();
    const applied =
      outcome !== null &&
      this.#isRegistered(registration) &&
      session.settle(
        recovery,
        effectOf(outcome),
        nowMs,
        outcome.status === "aborted" && this.#isRunReported(registration),
      );
    publish(() => ({
      type: "recovery-settled",
      request,
      outcome,
      ...failure,
      applied,
      durationMs: nowMs - startedAtMs,
    }));
  }

  #isRunReported(registration: RegisteredSession): boolean {
    return registration.isRunReported((error) =>
      this.#logFailure(`cannot ask for the run of session ${registration.sessionKey}`, error),
    );
  }

  #checkedOutcome(
    value: unknown,
    { sessionKey }: SessionRecoveryRequest,
  ): SessionRecoveryOutcome | null {
    if (isOutcome(value)) return value;
    if (value !== undefined)
      this.#logFailure(`recovery gave no known outcome for session ${sessionKey}`, value);
    return null;
  }
}
