/** One session as the monitor knows it: its state, its queue, its activity, and how a recovery changes them. */
import { ActivityLog, type ActiveWork } from "./activity.js";
import { Backoff } from "./backoff.js";
import type { SessionActivity, SessionState, SessionWorkKind } from "./classify.js";
import type { OutcomeEffect } from "./recovery.js";
import { RecoveryUnderway } from "./recovery-underway.js";

// Late events come within seconds of a recovery; one recovery ends one run, seldom more.
const RECOVERED_RUNS_KEPT = 32;

const RECOVERY = "recovery";

/** Times are milliseconds of the caller's clock. */
export class WatchedSession {
  readonly #nextGeneration: () => number;
  readonly #warnMs: number;
  readonly #warnings: Backoff;
  readonly #recoveries: Backoff;
  readonly #activity: ActivityLog;
  readonly #recoveredRuns = new Set<string>();
  #state: SessionState;
  #stateGeneration: number;
  #sinceMs: number;
  #runId: string | null = null;
  #queueDepth: number;
  /** Of the queue: what came after the latest recovery was asked for. */
  #newlyQueued = 0;
  #underway: RecoveryUnderway | null = null;
  /**
   * What the host said it had aborted while the run's owner went on reporting it; null: nothing. It is observed
   * until its owner, too, knows of no run.
   */
  #outlivedAbort: ActivityLog | null = null;

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
    this.#warnMs = warnMs;
    this.#warnings = new Backoff(warnMs);
    this.#recoveries = new Backoff(warnMs);
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
    const log = this.#observed;
    const activity = log.snapshot(nowMs, hasActiveEmbeddedRun);
    if (log !== this.#outlivedAbort || activity.activeWorkKind !== undefined) return activity;
    // Its works have all ended, or were never told of.
    return { ...activity, activeWorkKind: "embedded_run" };
  }

  /** What the session is busy with: a run that outlived its abort is told by what began after it. */
  get #observed(): ActivityLog {
    return this.#outlivedAbort !== null && this.#activity.isEmpty
      ? this.#outlivedAbort
      : this.#activity;
  }

  /** A run was said to be aborted, and its owner reported it still when last asked. */
  get hasOutlivedAbort(): boolean {
    return this.#outlivedAbort !== null;
  }

  /** The run's owner knows of none any more. */
  confirmAbort(): void {
    this.#outlivedAbort = null;
  }

  /** The same state of the same run again says nothing new. */
  update(state: SessionState, runId: string | null, nowMs: number): void {
    if (this.#isRecovered(runId)) return;
    const run = state === "idle" ? null : (runId ?? this.#runId);
    if (state === this.#state && run === this.#runId) return;
    this.#runId = run;
    this.#outlivedAbort = null;
    this.#enter(state, nowMs);
  }

  /** null: a late start of a run that was recovered; there is nothing to end. */
  startWork(kind: SessionWorkKind, runId: string | null, nowMs: number): ActiveWork | null {
    const log = this.#logOf(runId);
    if (log === null) return null;
    this.#underway?.noticeWork(runId);
    this.#outlivedAbort?.progress(undefined, nowMs);
    return log.start(kind, runId, nowMs);
  }

  endWork(work: ActiveWork, nowMs: number): void {
    const log = [this.#activity, this.#outlivedAbort].find((candidate) => candidate?.has(work));
    if (log === undefined || log === null) return;
    this.#underway?.noticeWork(work.runId);
    this.#outlivedAbort?.progress(undefined, nowMs);
    log.end(work, nowMs);
  }

  progress(reason: string | undefined, runId: string | null, nowMs: number): void {
    const log = this.#logOf(runId);
    if (log === null) return;
    this.#underway?.noticeProgress();
    // Of whichever run: what gets on keeps the session from being asked for.
    this.#outlivedAbort?.progress(reason, nowMs);
    log.progress(reason, nowMs);
  }

  /** Where the events of a run belong; null: they are late ones of a run that was recovered. */
  #logOf(runId: string | null): ActivityLog | null {
    return this.#isRecovered(runId) ? this.#outlivedAbort : this.#activity;
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
  attentionSinceMs(nowMs: number): number | null {
    if (this.#outlivedAbort !== null) {
      // An aborted run may take its time to unwind.
      return this.ageMs(nowMs) > this.#warnMs ? this.#observed.lastProgressAtMs : null;
    }
    switch (this.#state) {
      case "processing":
        return this.#sinceMs;
      case "idle":
        return this.#queueDepth > 0 ? this.#activity.lastProgressAtMs : null;
      case "waiting":
        return null;
    }
  }

  /** Takes a warning that is due as given. */
  isWarningDue(about: string, sinceMs: number, ageMs: number): boolean {
    const isDue = this.#warnings.isDue(about, sinceMs, ageMs);
    if (isDue) this.#warnings.note(about, sinceMs, ageMs);
    return isDue;
  }

  /** Recovery is tried all the time, except that of a run which outlives its abort. */
  isRecoveryDue(nowMs: number): boolean {
    const sinceMs = this.#observed.lastProgressAtMs;
    return (
      this.#outlivedAbort === null || this.#recoveries.isDue(RECOVERY, sinceMs, nowMs - sinceMs)
    );
  }

  /** A recovery is asked for now. */
  beginRecovery(nowMs: number): RecoveryUnderway {
    const sinceMs = this.#observed.lastProgressAtMs;
    this.#recoveries.note(RECOVERY, sinceMs, nowMs - sinceMs);
    this.#newlyQueued = 0;
    const runIds = new Set(this.#activity.runIds);
    if (this.#runId !== null) runIds.add(this.#runId);
    // Of recovered runs only the one that outlived its abort is heard.
    if (this.#outlivedAbort !== null) for (const runId of this.#recoveredRuns) runIds.add(runId);
    this.#underway = new RecoveryUnderway({
      stateGeneration: this.#stateGeneration,
      latestOrder: this.#activity.latestOrder,
      runIds,
    });
    return this.#underway;
  }

  /**
   * @param isRunReported - The run's owner reports it still, although it was aborted.
   * @returns false when nothing was changed: the session has a newer generation or has made progress since the request, nothing
   *   was recovered, or the abort was told once before and the run is still reported.
   */
  settle(
    recovery: RecoveryUnderway,
    effect: OutcomeEffect,
    nowMs: number,
    isRunReported: boolean,
  ): boolean {
    if (this.#underway === recovery) this.#underway = null;
    if (effect === "none" || recovery.stateGeneration !== this.#stateGeneration) return false;
    if (recovery.isOutdated(effect)) return false;
    if (isRunReported && this.#outlivedAbort !== null) return false;
    for (const runId of recovery.runIds) this.#remember(runId);
    const recovered = this.#activity.split(
      ({ order, runId }) => order <= recovery.latestOrder || this.#isRecovered(runId),
    );
    if (effect === "reset-and-empty-queue") this.#queueDepth = this.#newlyQueued;
    this.#runId = null;
    // Work that began meanwhile is what the session is busy with now, and its run may be the reported one.
    const isBusy = !this.#activity.isEmpty;
    this.#outlivedAbort = isRunReported && !isBusy ? recovered : null;
    this.#enter(isBusy ? this.#state : "idle", nowMs);
    return true;
  }

  #enter(state: SessionState, nowMs: number): void {
    this.#state = state;
    this.#stateGeneration = this.#nextGeneration();
    this.#sinceMs = nowMs;
    this.#activity.progress(`state:${state}`, nowMs);
  }

  /**
   * A session that was idle for hours has not been stuck for hours when a message comes in. For a session that is
   * processing, a message that comes in is no progress.
   */
  #noticeFirstInQueue(count: number, nowMs: number): void {
    const isFirst = this.#queueDepth === 0 && count > 0;
    if (isFirst && this.#state === "idle" && this.#activity.isEmpty) {
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
