/**
 * Watches the sessions of a host: a heartbeat looks at each of them, tells which need attention, and asks the
 * host to put right what can be put right.
 */
import { inspect } from "node:util";

import { outOfRange } from "../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import { checkCount, checkFunction, checkName, optional } from "../util/check-values.js";
import { printable, printableStack } from "../util/printable.js";
import { classifySessionAttention, type SessionAttention, type SessionState } from "./classify.js";
import { publish, type SessionAttentionEvent } from "./events.js";
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
import { checkSessionState, type MonitoredSession, sessionHandle } from "./session-handle.js";
import { WatchedSession } from "./session.js";
import type { SessionSnapshot } from "./snapshot.js";

export interface RegisterSessionOptions {
  /** Names the session; one registration at a time. */
  readonly sessionKey: string;
  /** Default `idle`. */
  readonly state?: SessionState | undefined;
  /** Pieces of work that wait already. Default 0. */
  readonly queueDepth?: number | undefined;
  /**
   * Whether a run of this session is there that can be aborted, by the host's own list of runs; also asked whether
   * a run that `recover` has aborted is gone. Default: an `embedded_run` was started and has not ended, and an
   * abort is believed.
   */
  readonly hasActiveEmbeddedRun?: (() => boolean) | undefined;
}

const CHECKS: OptionChecks<RegisterSessionOptions> = {
  sessionKey: checkName,
  state: optional(checkSessionState),
  queueDepth: optional(checkCount),
  hasActiveEmbeddedRun: optional(checkFunction),
};

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

interface Registration {
  readonly sessionKey: string;
  readonly session: WatchedSession;
  readonly hasActiveEmbeddedRun: (() => boolean) | undefined;
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
  readonly #registered = new Map<string, Registration>();
  /** By key, not by registration: a session that is registered anew is still the same session. */
  readonly #recovering = new Set<string>();
  #generation = 0;
  #isStopped = false;
  #stopHeart: (() => void) | null = null;
  #lastBeatAtMs = 0;
  #hasSkippedBeat = false;

  constructor(plan: MonitorPlan) {
    this.#plan = plan;
  }

  register(options: RegisterSessionOptions): MonitoredSession {
    if (this.#isStopped) throw new Error("session attention monitor is stopped");
    checkRequiredOptions(options, CHECKS);
    const { sessionKey, state = "idle", queueDepth = 0, hasActiveEmbeddedRun } = options;
    if (this.#registered.has(sessionKey)) {
      throw outOfRange("options.sessionKey", "that of no registered session", sessionKey);
    }
    const { clock, warnMs } = this.#plan;
    const session = new WatchedSession(
      { state, queueDepth, nowMs: clock() },
      { warnMs, nextGeneration: () => ++this.#generation },
    );
    const registration = { sessionKey, session, hasActiveEmbeddedRun };
    this.#registered.set(sessionKey, registration);
    this.#stopHeart ??= this.#startHeart();
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

  #unregister(registration: Registration): void {
    if (!this.#isRegistered(registration)) return;
    this.#registered.delete(registration.sessionKey);
    if (this.#registered.size > 0) return;
    this.#stopHeart?.();
    this.#stopHeart = null;
  }

  #isRegistered(registration: Registration): boolean {
    return this.#registered.get(registration.sessionKey) === registration;
  }

  #startHeart(): () => void {
    const { startTimer, heartbeatMs, clock } = this.#plan;
    this.#lastBeatAtMs = clock();
    this.#hasSkippedBeat = false;
    return startTimer(() => this.#beat(), heartbeatMs);
  }

  #beat(): void {
    const nowMs = this.#plan.clock();
    if (this.#isFirstAfterStandstill(nowMs)) return;
    for (const registration of this.#registered.values()) {
      try {
        this.#look(registration, nowMs);
      } catch (error) {
        this.#warn(`cannot judge session ${registration.sessionKey}`, error);
      }
    }
  }

  /**
   * A beat that comes more than one interval late says that this process stood still (stopped, suspended, its
   * event loop blocked): whatever progress the sessions made meanwhile is still to be told. The next beat
   * looks.
   */
  #isFirstAfterStandstill(nowMs: number): boolean {
    const isLate = nowMs - this.#lastBeatAtMs >= 2 * this.#plan.heartbeatMs;
    this.#lastBeatAtMs = nowMs;
    this.#hasSkippedBeat = isLate && !this.#hasSkippedBeat;
    return this.#hasSkippedBeat;
  }

  #look(registration: Registration, nowMs: number): void {
    const { session, sessionKey } = registration;
    let judgement = this.#judge(registration, nowMs);
    if (judgement === null) return;
    const { attention, sinceMs } = judgement;
    const about = `${attention.eventType} ${attention.reason}`;
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
  #judge(registration: Registration, nowMs: number): Judgement | null {
    if (!this.#isRegistered(registration)) return null;
    const { warnMs, abortMs } = this.#plan;
    const { session } = registration;
    if (session.hasOutlivedAbort) this.#askOwner(registration);
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
    const complain = (error: unknown): void =>
      this.#warn(`onAttention failed for session ${event.session.sessionKey}`, error);
    try {
      Promise.resolve(onAttention(event)).catch(complain);
    } catch (error) {
      complain(error);
    }
  }

  #recover(registration: Registration, decision: RecoveryDecision, nowMs: number): void {
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
    registration: Registration,
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
      this.#warn(`recovery failed for session ${request.sessionKey}`, error);
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

  /** Whether the run's owner reports it, or might: it cannot be asked. */
  #isRunReported({ sessionKey, hasActiveEmbeddedRun }: Registration): boolean {
    try {
      return hasActiveEmbeddedRun?.() === true;
    } catch (error) {
      this.#warn(`cannot ask for the run of session ${sessionKey}`, error);
      return true;
    }
  }

  #checkedOutcome(
    value: unknown,
    { sessionKey }: SessionRecoveryRequest,
  ): SessionRecoveryOutcome | null {
    if (isOutcome(value)) return value;
    if (value !== undefined)
      this.#warn(`recovery gave no known outcome for session ${sessionKey}`, value);
    return null;
  }

  #snapshot(registration: Registration, nowMs: number): SessionSnapshot {
    const { sessionKey, session } = registration;
    const isOwned = this.#askOwner(registration);
    return {
      sessionKey,
      state: session.state,
      stateGeneration: session.stateGeneration,
      ageMs: session.ageMs(nowMs),
      queueDepth: session.queueDepth,
      activity: session.activity(nowMs, isOwned),
      isRecovering: this.#recovering.has(sessionKey),
    };
  }

  /** undefined: the host keeps no list of runs. */
  #askOwner({ session, hasActiveEmbeddedRun }: Registration): boolean | undefined {
    const isOwned = hasActiveEmbeddedRun?.();
    if (isOwned !== true) session.confirmAbort();
    return isOwned;
  }

  #warn(what: string, why: unknown): void {
    try {
      this.#plan.warn(`[session-attention] ${printable(what)}: ${describe(why)}`);
    } catch {
      // Nobody is left to be told.
    }
  }
}

const ON_ONE_LINE = { breakLength: Infinity, compact: true };

function describe(why: unknown): string {
  return why instanceof Error ? printableStack(why) : printable(inspect(why, ON_ONE_LINE));
}
