/** What the monitor knows of a session at one point in time, as plain data. */
import type { SessionActivity, SessionState } from "./classify.js";

export interface SessionSnapshot {
  readonly sessionKey: string;
  readonly state: SessionState;
  /** Grows with each change of state, each new run and each reset: a number is never used twice. */
  readonly stateGeneration: number;
  /** Milliseconds since that number was given. */
  readonly ageMs: number;
  readonly queueDepth: number;
  readonly activity: SessionActivity;
  /** A recovery of it has been asked for and has not answered yet. */
  readonly isRecovering: boolean;
}
