/** One registration of a session: what the monitor observes of it, and what its host says of its run. */
import type { OptionChecks } from "../util/check-options.js";
import { checkCount, checkFunction, checkName, optional } from "../util/check-values.js";
import type { SessionState } from "./classify.js";
import { checkSessionState } from "./session-handle.js";
import type { WatchedSession } from "./session.js";
import type { SessionSnapshot } from "./snapshot.js";

export interface RegisterSessionOptions {
  /** Names the session; one registration at a time. */
  readonly sessionKey: string;
  /** Default `idle`. */
  readonly state?: SessionState | undefined;
  /** How many messages or tasks wait for the session already. Default 0. */
  readonly queueDepth?: number | undefined;
  /**
   * Whether a run of this session is there that can be aborted, by the host's own list of runs; also asked whether
   * a run that `recover` has aborted is gone. Default: an `embedded_run` was started and has not ended, and an
   * abort is believed.
   */
  readonly hasActiveEmbeddedRun?: (() => boolean) | undefined;
}

export const REGISTER_CHECKS: OptionChecks<RegisterSessionOptions> = {
  sessionKey: checkName,
  state: optional(checkSessionState),
  queueDepth: optional(checkCount),
  hasActiveEmbeddedRun: optional(checkFunction),
};

export class RegisteredSession {
  readonly sessionKey: string;
  readonly session: WatchedSession;
  readonly #hasActiveEmbeddedRun: (() => boolean) | undefined;

  constructor(
    { sessionKey, hasActiveEmbeddedRun }: RegisterSessionOptions,
    session: WatchedSession,
  ) {
    this.sessionKey = sessionKey;
    this.session = session;
    this.#hasActiveEmbeddedRun = hasActiveEmbeddedRun;
  }

  /** @throws what `hasActiveEmbeddedRun` throws */
  snapshot(nowMs: number, isRecovering: boolean): SessionSnapshot {
    const { sessionKey, session } = this;
    const isOwned = this.askOwner();
    return {
      sessionKey,
      state: session.state,
      stateGeneration: session.stateGeneration,
      ageMs: session.ageMs(nowMs),
      queueDepth: session.queueDepth,
      activity: session.activity(nowMs, isOwned),
      isRecovering,
    };
  }

  /**
   * Whether the host knows of a run; undefined: the host keeps no list of runs.
   *
   * @throws what `hasActiveEmbeddedRun` throws
   */
  askOwner(): boolean | undefined {
    const isOwned = this.#hasActiveEmbeddedRun?.();
    if (isOwned !== true) this.session.confirmAbort();
    return isOwned;
  }

  /**
   * Whether the host still reports a run that was aborted; also true when it cannot be asked.
   *
   * @param onFailure - Told what `hasActiveEmbeddedRun` throws.
   */
  isRunReported(onFailure: (error: unknown) => void): boolean {
    try {
      return this.#hasActiveEmbeddedRun?.() === true;
    } catch (error) {
      onFailure(error);
      return true;
    }
  }
}
