/** What the monitor knows of a session at one moment, as plain data. */
import type { SessionActivity, SessionState } from "./classify.js";

export interface SessionSnapshot {
  readonly sessionKey: string;
  readonly state: SessionState;
  /** Different for every life of a session: each change of state, each new run, each reset begins one. */
  readonly stateGeneration: number;
  /** Milliseconds since that life began. */
  readonly ageMs: number;
  readonly queueDepth: number;
  readonly activity: SessionActivity;
  /** A recovery of it has been asked for and has not answered yet. */
  readonly isRecovering: boolean;
}
