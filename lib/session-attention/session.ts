/** One session as the monitor knows it: its state, its queue, its activity, and how a recovery changes them. */
import { ActivityLog, type ActiveWork } from "./activity.js";
import type { SessionActivity, SessionState, SessionWorkKind } from "./classify.js";
import type { OutcomeEffect } from "./recovery.js";
import { WarningBackoff } from "./warning-backoff.js";

/** What a recovery was asked for: whatever is newer than this survives it. */
export interface RecoveryMark {
  readonly stateGeneration: number;
  readonly latestOrder: number;
  readonly runIds: ReadonlySet<string>;
}

// Late events come within seconds of a recovery; one recovery ends one run, seldom more.
const RECOVERED_RUNS_KEPT = 32;

/** Times are milliseconds of the caller's clock. */
export class WatchedSession {
  readonly #nextGeneration: () => number;
  readonly #warnings: WarningBackoff;
  readonly #activity: ActivityLog;
  readonly #recoveredRuns = new Set<string>();
  #state: SessionState;
  #stateGeneration: number;
  #sinceMs: number;
  #runId: string | null = null;
  #queueDepth: number;
  /** Of the queue: what came after the latest recovery was asked for. */
  #newlyQueued = 0;

  /** @param nextGeneration - Never gives the same number twice. */
  constructor(
    initial: { readonly state: SessionState; readonly queueDepth: number; readonly nowMs: number },
    { warnMs, nextGeneration }: { readonly warnMs: number; readonly nextGeneration: () => number },
  ) {
    this.#nextGeneration = nextGeneration;
    this.#activity = new ActivityLog(initial.nowMs);
    this.#state = initial.state;
    this.#queueDepth = initial.queueDepth;
    this.#sinceMs = initial.nowMs;
    this.#stateGeneration = nextGeneration();
    this.#warnings = new WarningBackoff(warnMs);
  }

  get state(): SessionState {
    return this.#state;
  }

  get stateGeneration(): number {
    return this.#stateGeneration;
  }

  get queueDepth(): number {
    return this.#queueDepth;
  }

  ageMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#sinceMs);
  }

  activity(nowMs: number, hasActiveEmbeddedRun?: boolean): SessionActivity {
    return this.#activity.snapshot(nowMs, hasActiveEmbeddedRun);
  }

  /** The same state of the same run again says nothing new. */
  update(state: SessionState, runId: string | null, nowMs: number): void {
    if (this.#isRecovered(runId)) return;
    const run = state === "idle" ? null : (runId ?? this.#runId);
    if (state === this.#state && run === this.#runId) return;
    this.#runId = run;
    this.#enter(state, nowMs);
  }

  /** null: a late start of a run that was recovered; there is nothing to end. */
  startWork(kind: SessionWorkKind, runId: string | null, nowMs: number): ActiveWork | null {
    return this.#isRecovered(runId) ? null : this.#activity.start(kind, runId, nowMs);
  }

  endWork(work: ActiveWork, nowMs: number): void {
    this.#activity.end(work, nowMs);
  }

  progress(reason: string | undefined, runId: string | null, nowMs: number): void {
    if (!this.#isRecovered(runId)) this.#activity.progress(reason, nowMs);
  }

  enqueue(count: number, nowMs: number): void {
    this.#noticeFirstInQueue(count, nowMs);
    this.#queueDepth += count;
    this.#newlyQueued += count;
  }

  /** First in, first out: what is new goes last. */
  dequeue(count: number): void {
    this.#queueDepth = Math.max(0, this.#queueDepth - count);
    this.#newlyQueued = Math.min(this.#newlyQueued, this.#queueDepth);
  }

  setQueueDepth(depth: number, nowMs: number): void {
    this.#noticeFirstInQueue(depth, nowMs);
    this.#queueDepth = depth;
    // The host has counted just now: no older answer knows better.
    this.#newlyQueued = depth;
  }

  /** Since when what may need attention goes on; null: a session in this state is not looked at. */
  get attentionSinceMs(): number | null {
    switch (this.#state) {
      case "processing":
        return this.#sinceMs;
      case "idle":
        return this.#queueDepth > 0 ? this.#activity.lastProgressAtMs : null;
      case "waiting":
        return null;
    }
  }

  isWarningDue(about: string, sinceMs: number, ageMs: number): boolean {
    return this.#warnings.isDue(about, sinceMs, ageMs);
  }

  /** What a recovery that is asked for now is about. */
  markRecovery(): RecoveryMark {
    this.#newlyQueued = 0;
    const runIds = new Set(this.#activity.runIds);
    if (this.#runId !== null) runIds.add(this.#runId);
    return {
      stateGeneration: this.#stateGeneration,
      latestOrder: this.#activity.latestOrder,
      runIds,
    };
  }

  /** @returns false when nothing was changed: the session has a newer life, or nothing was recovered. */
  settle(mark: RecoveryMark, effect: OutcomeEffect, nowMs: number): boolean {
    if (effect === "none" || mark.stateGeneration !== this.#stateGeneration) return false;
    for (const runId of mark.runIds) this.#remember(runId);
    this.#activity.discard(
      ({ order, runId }) => order <= mark.latestOrder || this.#isRecovered(runId),
    );
    if (effect === "reset-and-empty-queue") this.#queueDepth = this.#newlyQueued;
    this.#runId = null;
    // Work that began meanwhile is what the session is busy with now.
    this.#enter(this.#activity.isEmpty ? "idle" : this.#state, nowMs);
    return true;
  }

  #enter(state: SessionState, nowMs: number): void {
    this.#state = state;
    this.#stateGeneration = this.#nextGeneration();
    this.#sinceMs = nowMs;
    this.#activity.progress(`state:${state}`, nowMs);
  }

  /** A session that was idle for hours has not been stuck for hours when something comes in. */
  #noticeFirstInQueue(count: number, nowMs: number): void {
    if (this.#queueDepth === 0 && count > 0 && this.#activity.isEmpty) {
      this.#activity.progress("queue:filled", nowMs);
    }
  }

  #isRecovered(runId: string | null): boolean {
    return runId !== null && this.#recoveredRuns.has(runId);
  }

  #remember(runId: string): void {
    this.#recoveredRuns.delete(runId);
    this.#recoveredRuns.add(runId);
    for (const oldest of this.#recoveredRuns) {
      if (this.#recoveredRuns.size <= RECOVERED_RUNS_KEPT) break;
      this.#recoveredRuns.delete(oldest);
    }
  }
}
