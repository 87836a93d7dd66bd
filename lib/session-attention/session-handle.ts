/** The host's handle of a registered session: through it the host tells the monitor what happens. */
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkCount,
  checkName,
  checkOneOf,
  checkPositiveInteger,
  checkString,
  optional,
} from "../util/check-values.js";
import {
  SESSION_STATES,
  SESSION_WORK_KINDS,
  type SessionState,
  type SessionWorkKind,
} from "./classify.js";
import type { WatchedSession } from "./session.js";
import type { SessionSnapshot } from "./snapshot.js";

/** Which run an event belongs to. */
export interface SessionEventOptions {
  /**
   * Unique for each run. Events of a run that was recovered are ignored when they come late; without an id
   * they cannot be told from those of a new run. A run that is resumed needs a new id.
   */
  readonly runId?: string | undefined;
}

/** Work that has started: one model call, tool call or run. */
export interface SessionWork extends Disposable {
  /** The work is over, however it ended. Calling it again does nothing. */
  end(): void;
}

/** A registered session. After `unregister` every call does nothing: late events are no error. */
export interface MonitoredSession extends Disposable {
  readonly sessionKey: string;
  /** The session is in this state now. The same state of the same run again changes nothing. */
  update(state: SessionState, options?: SessionEventOptions): void;
  /** Work has started; call `end()` of what this returns when it is over. Counts as progress, as does its end. */
  startWork(kind: SessionWorkKind, options?: SessionEventOptions): SessionWork;
  /** Something got on, e.g. a token arrived; `reason` names it. Counts whether or not work was registered. */
  progress(reason?: string, options?: SessionEventOptions): void;
  /** More work waits for the session. */
  enqueue(count?: number): void;
  /** Waiting work was taken up or dropped, the oldest first. */
  dequeue(count?: number): void;
  /** So much work waits, for hosts that count themselves. */
  setQueueDepth(depth: number): void;
  /** What the monitor knows of it. */
  snapshot(): SessionSnapshot;
  /** Ends the watch. */
  unregister(): void;
}

export const checkSessionState = checkOneOf(SESSION_STATES);
const checkWorkKind = checkOneOf(SESSION_WORK_KINDS);
const EVENT_CHECKS: OptionChecks<SessionEventOptions> = { runId: optional(checkName) };

/**
 * @param session - null once it is no longer registered.
 * @param takeSnapshot - Also answers for a session that is no longer registered.
 */
export function sessionHandle({
  sessionKey,
  session,
  clock,
  takeSnapshot,
  unregister,
}: {
  readonly sessionKey: string;
  readonly session: () => WatchedSession | null;
  readonly clock: () => number;
  readonly takeSnapshot: () => SessionSnapshot;
  readonly unregister: () => void;
}): MonitoredSession {
  return {
    sessionKey,
    update(state, options) {
      checkSessionState("state", state);
      session()?.update(state, runIdOf(options), clock());
    },
    startWork(kind, options) {
      checkWorkKind("kind", kind);
      const work = session()?.startWork(kind, runIdOf(options), clock()) ?? null;
      const end = (): void => {
        if (work !== null) session()?.endWork(work, clock());
      };
      return { end, [Symbol.dispose]: end };
    },
    progress(reason, options) {
      if (reason !== undefined) checkString("reason", reason);
      session()?.progress(reason, runIdOf(options), clock());
    },
    enqueue(count = 1) {
      checkPositiveInteger("count", count);
      session()?.enqueue(count, clock());
    },
    dequeue(count = 1) {
      checkPositiveInteger("count", count);
      session()?.dequeue(count);
    },
    setQueueDepth(depth) {
      checkCount("depth", depth);
      session()?.setQueueDepth(depth, clock());
    },
    snapshot: takeSnapshot,
    unregister,
    [Symbol.dispose]: unregister,
  };
}

function runIdOf(options: SessionEventOptions | undefined): string | null {
  checkOptions(options, EVENT_CHECKS);
  return options?.runId ?? null;
}
