/** What goes on inside one session: its active work and its last sign of progress. */
import type { SessionActivity, SessionWorkKind } from "./classify.js";

/** Work that has started and not ended: one model call, tool call or run. */
export interface ActiveWork {
  readonly kind: SessionWorkKind;
  /** The run that it belongs to; null: not told. */
  readonly runId: string | null;
  readonly startedAtMs: number;
  /** Its place in the session's history: greater is later. */
  readonly order: number;
}

// Calls happen inside runs, tools inside of both: the innermost says what the session waits for.
const INNERMOST_FIRST = [
  "tool_call",
  "model_call",
  "embedded_run",
] as const satisfies readonly SessionWorkKind[];

/** Times are milliseconds of the caller's clock. */
export class ActivityLog {
  readonly #works = new Set<ActiveWork>();
  #order = 0;
  #lastProgressAtMs: number;
  #lastProgressReason: string | undefined;

  constructor(lastProgressAtMs: number, lastProgressReason?: string) {
    this.#lastProgressAtMs = lastProgressAtMs;
    this.#lastProgressReason = lastProgressReason;
  }

  get isEmpty(): boolean {
    return this.#works.size === 0;
  }

  /** The order of the latest work so far; what starts from now on is greater. */
  get latestOrder(): number {
    return this.#order;
  }

  /** The runs that active works belong to. */
  get runIds(): string[] {
    return [...this.#works].flatMap(({ runId }) => runId ?? []);
  }

  get lastProgressAtMs(): number {
    return this.#lastProgressAtMs;
  }

  start(kind: SessionWorkKind, runId: string | null, nowMs: number): ActiveWork {
    const work = { kind, runId, startedAtMs: nowMs, order: ++this.#order };
    this.#works.add(work);
    this.progress(`${kind}:started`, nowMs);
    return work;
  }

  /** Whether the work is one of this log's and has not ended. */
  has(work: ActiveWork): boolean {
    return this.#works.has(work);
  }

  /** Does nothing when the work has ended or was moved away. */
  end(work: ActiveWork, nowMs: number): void {
    if (!this.#works.delete(work)) return;
    // One run's end is no terminal sign of another one that goes on.
    const goesOn = work.kind === "embedded_run" && this.#hasKind("embedded_run");
    this.progress(goesOn ? undefined : `${work.kind}:ended`, nowMs);
  }

  progress(reason: string | undefined, nowMs: number): void {
    this.#lastProgressAtMs = nowMs;
    this.#lastProgressReason = reason;
  }

  /** Moves works to a log of their own, which has the same last sign of progress; that is none itself. */
  split(isMoved: (work: ActiveWork) => boolean): ActivityLog {
    const moved = new ActivityLog(this.#lastProgressAtMs, this.#lastProgressReason);
    for (const work of this.#works) {
      if (!isMoved(work)) continue;
      this.#works.delete(work);
      moved.#works.add(work);
    }
    return moved;
  }

  snapshot(nowMs: number, hasActiveEmbeddedRun = this.#hasKind("embedded_run")): SessionActivity {
    // In order of arrival: the first one is the oldest.
    const tool = [...this.#works].find(({ kind }) => kind === "tool_call");
    return {
      activeWorkKind: INNERMOST_FIRST.find((kind) => this.#hasKind(kind)),
      hasActiveEmbeddedRun,
      activeToolAgeMs: tool && Math.max(0, nowMs - tool.startedAtMs),
      lastProgressAgeMs: Math.max(0, nowMs - this.#lastProgressAtMs),
      lastProgressReason: this.#lastProgressReason,
    };
  }

  #hasKind(kind: SessionWorkKind): boolean {
    return [...this.#works].some((work) => work.kind === kind);
  }
}
