/** A monitor in time that the test moves, with all that it asks for and tells. */
import { setImmediate as turn } from "node:timers/promises";

import { expect, onTestFinished } from "vitest";

import type { SessionAttentionEvent } from "../../lib/session-attention/events.js";
import {
  createSessionAttentionMonitor,
  type SessionAttentionMonitor,
} from "../../lib/session-attention/monitor.js";
import type { SessionAttentionMonitorOptions } from "../../lib/session-attention/monitor-options.js";
import type {
  SessionRecoveryOutcome,
  SessionRecoveryRequest,
} from "../../lib/session-attention/recovery.js";
import type { RegisterSessionOptions } from "../../lib/session-attention/registered-session.js";
import type { MonitoredSession, SessionWork } from "../../lib/session-attention/session-handle.js";
import { FakeTime } from "./fake-time.js";

export const BEAT_MS = 30_000;
export const WARN_MS = 120_000;
export const ABORT_MS = 360_000;
export const TOOL_ABORT_MS = 900_000;

/** A recovery that is under way, to be answered by the test. */
export interface Recovery {
  readonly request: SessionRecoveryRequest;
  /** Answers, and lets the monitor take the answer in. */
  readonly answer: (outcome?: unknown) => Promise<void>;
  readonly fail: (error: Error) => Promise<void>;
}

export interface Watch {
  readonly time: FakeTime;
  readonly monitor: SessionAttentionMonitor;
  readonly recoveries: Recovery[];
  readonly events: SessionAttentionEvent[];
  readonly warnings: string[];
  readonly register: (
    sessionKey: string,
    options?: Partial<RegisterSessionOptions>,
  ) => MonitoredSession;
}

export function watch(options: SessionAttentionMonitorOptions = {}): Watch {
  const time = new FakeTime(1_000_000);
  const recoveries: Recovery[] = [];
  const events: SessionAttentionEvent[] = [];
  const warnings: string[] = [];
  const monitor = createSessionAttentionMonitor({
    recover: (request) =>
      new Promise<SessionRecoveryOutcome>((resolve, reject) => {
        recoveries.push({
          request,
          async answer(outcome) {
            resolve(outcome as SessionRecoveryOutcome);
            await turn();
          },
          async fail(error) {
            reject(error);
            await turn();
          },
        });
      }),
    onAttention: (event) => void events.push(event),
    log: { warn: (message) => void warnings.push(message) },
    clock: time.clock,
    startTimer: time.startTimer,
    ...options,
  });
  onTestFinished(() => monitor.stop());
  const register: Watch["register"] = (sessionKey, rest) =>
    monitor.register({ sessionKey, ...rest });
  return { time, monitor, recoveries, events, warnings, register };
}

/** The recovery that the test expects to be the only one so far. */
export function only(recoveries: readonly Recovery[]): Recovery {
  expect(recoveries).toHaveLength(1);
  const [recovery] = recoveries;
  if (recovery === undefined) throw new Error("no recovery");
  return recovery;
}

/** A session with an owned run in it, processing. */
export function startRun(session: MonitoredSession, runId: string): SessionWork {
  session.update("processing", { runId });
  return session.startWork("embedded_run", { runId });
}

export const ABORTED: SessionRecoveryOutcome = { status: "aborted" };

/** What of a snapshot an answer may change. */
export function picture(session: MonitoredSession): object {
  const { isRecovering: _, ...rest } = session.snapshot();
  return rest;
}
