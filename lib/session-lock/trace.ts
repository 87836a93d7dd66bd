/** What this entry tells `node:diagnostics_channel`; see lock/trace.ts. */
import type { TracingChannel } from "node:diagnostics_channel";

import {
  type AcquireTrace as EngineAcquireTrace,
  type ReclaimTrace as EngineReclaimTrace,
  type ReclaimTraceResult as EngineReclaimTraceResult,
} from "../lock/trace.js";
import { tracingChannel } from "../util/tracing.js";
import type { SessionLockInspection } from "./reasons.js";
import type { SweepCounts } from "./sweep/report.js";

/** Messages of `pidentity:acquire`; `error` is on those of `error` and what follows it. */
export interface AcquireTrace extends EngineAcquireTrace {
  readonly sessionFile: string;
}

export interface ReclaimTraceResult extends EngineReclaimTraceResult {
  /** The judgement that decided: the one inside the guard, if it came to that. */
  readonly inspection: SessionLockInspection;
}

/** Messages of `pidentity:reclaim`: every attempt to remove another holder's lock. */
export interface ReclaimTrace extends EngineReclaimTrace {
  readonly result?: ReclaimTraceResult;
}

/** Messages of `pidentity:sweep`. */
export interface SweepTrace {
  readonly sessionsDir: string;
  readonly staleMs: number;
  readonly removeStale: boolean;
  readonly result?: SweepCounts;
  readonly error?: unknown;
}

let channel: TracingChannel<SweepTrace, SweepTrace> | undefined;

export function sweepTrace(): TracingChannel<SweepTrace, SweepTrace> {
  return (channel ??= tracingChannel<SweepTrace>("pidentity:sweep"));
}
