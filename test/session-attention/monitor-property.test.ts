/** Whatever a host does, in whatever order: what the monitor must never do. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";

import fc from "fast-check";
import { expect, test } from "vitest";

import {
  createSessionAttentionMonitor,
  type SessionAttentionMonitor,
} from "../../lib/session-attention/monitor.js";
import type {
  SessionRecoveryOutcome,
  SessionRecoveryRequest,
} from "../../lib/session-attention/recovery.js";
import type { MonitoredSession, SessionWork } from "../../lib/session-attention/session-handle.js";
import type { SessionSnapshot } from "../../lib/session-attention/snapshot.js";
import { FakeTime } from "./fake-time.js";

const WARN_MS = 120_000;
const ABORT_MS = 360_000;
const TOOL_ABORT_MS = 900_000;

interface Limits {
  readonly abortMs: number;
  readonly toolAbortMs: number;
}

const limitsOfHost: fc.Arbitrary<Limits> = fc.constantFrom(
  { abortMs: ABORT_MS, toolAbortMs: TOOL_ABORT_MS },
  { abortMs: ABORT_MS, toolAbortMs: TOOL_ABORT_MS },
  // Shorter than what counts as recent progress.
  { abortMs: 0, toolAbortMs: 0 },
);

/** The host keeps a list of runs for all of them but the first. */
const KEYS = ["a", "b", "c"] as const;
type Key = (typeof KEYS)[number];

const OUTCOMES: readonly (SessionRecoveryOutcome | undefined)[] = [
  { status: "released" },
  { status: "aborted" },
  { status: "noop", reason: "no_active_work" },
  { status: "noop" },
  { status: "skipped" },
  { status: "failed" },
  undefined,
];

type Step =
  | { readonly do: "update"; readonly key: Key; readonly state: "idle" | "processing" | "waiting" }
  | {
      readonly do: "startWork";
      readonly key: Key;
      readonly kind: "model_call" | "tool_call" | "embedded_run";
      /** The run that it belongs to: the present one, or one of long ago. */
      readonly isLate: boolean;
    }
  | { readonly do: "endWork"; readonly key: Key; readonly pick: number }
  | {
      readonly do: "progress" | "complete" | "enqueue" | "dequeue" | "register" | "unregister";
      readonly key: Key;
    }
  | { readonly do: "setQueueDepth"; readonly key: Key; readonly depth: number }
  /** The host's list of runs says so from now on. */
  | { readonly do: "own"; readonly key: Key; readonly hasRun: boolean }
  | { readonly do: "advance"; readonly ms: number }
  | {
      readonly do: "settle";
      readonly pick: number;
      readonly outcome: number;
      readonly fails: boolean;
    };

const key = fc.constantFrom(...KEYS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("update" as const),
    key,
    state: fc.constantFrom("idle", "processing", "waiting"),
  }),
  fc.record({
    do: fc.constant("startWork" as const),
    key,
    kind: fc.constantFrom("model_call", "tool_call", "embedded_run"),
    isLate: fc.boolean(),
  }),
  fc.record({ do: fc.constant("endWork" as const), key, pick: fc.nat(9) }),
  fc.record({
    do: fc.constantFrom("progress", "complete", "enqueue", "dequeue", "register", "unregister"),
    key,
  }),
  fc.record({ do: fc.constant("setQueueDepth" as const), key, depth: fc.nat(3) }),
  fc.record({ do: fc.constant("own" as const), key, hasRun: fc.boolean() }),
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("advance" as const),
      ms: fc.constantFrom(1, 30_000, 90_000, WARN_MS + 30_000, ABORT_MS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      pick: fc.nat(9),
      outcome: fc.nat(OUTCOMES.length - 1),
      fails: fc.boolean(),
    }),
  },
);

/** What seldom comes together by chance: a stalled run, and what happens around its recovery. */
const encounter: fc.Arbitrary<readonly Step[]> = fc
  .record({
    key,
    kind: fc.constantFrom("model_call", "embedded_run"),
    hasRun: fc.boolean(),
    pick: fc.nat(9),
    outcome: fc.nat(2),
    isLate: fc.boolean(),
    getsOn: fc.boolean(),
  })
  .map(({ key: name, kind, hasRun, pick, outcome, isLate, getsOn }): readonly Step[] => {
    const settle: Step = { do: "settle", pick, outcome, fails: false };
    return [
      { do: "own", key: name, hasRun },
      { do: "update", key: name, state: "processing" },
      { do: "startWork", key: name, kind, isLate },
      { do: "advance", ms: ABORT_MS + 30_000 },
      ...(getsOn ? ([{ do: "progress", key: name }] as const) : []),
      settle,
      { do: "advance", ms: ABORT_MS },
      settle,
    ];
  });

const steps: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.oneof(
      { weight: 14, arbitrary: step.map((single) => [single]) },
      { weight: 1, arbitrary: encounter },
    ),
    { maxLength: 80, size: "max" },
  )
  .map((parts) => parts.flat());

interface Open {
  readonly request: SessionRecoveryRequest;
  /** The registration that was current when it was asked for. */
  readonly session: MonitoredSession;
  readonly resolve: (outcome: SessionRecoveryOutcome | undefined) => void;
  readonly reject: (error: Error) => void;
  /** What of it was told since: progress; work that began or ended; work that began. */
  hasProgressed: boolean;
  hasWorkChanged: boolean;
  hasNewWork: boolean;
}

/**
 * A run that was aborted, and whose owner reported it then and ever since; null where that may also have been a run
 * that began meanwhile.
 */
type OutlivedAbort = {
  /** At the latest request: when, and how long after the last sign, milliseconds. */
  readonly atMs: number;
  readonly quietMs: number;
} | null;

function noCounts() {
  return {
    recoveries: 0,
    aborts: 0,
    stale: 0,
    applied: 0,
    outdated: 0,
    outlived: 0,
    unowned: 0,
  };
}

/** One host with three sessions, and what the test itself knows of them. */
class Host {
  readonly time = new FakeTime();
  readonly sessions = new Map<Key, MonitoredSession>();
  readonly works = new Map<Key, SessionWork[]>();
  readonly open: Open[] = [];
  /** When each session last told of something that can only be new: its run is of its own. */
  readonly lastSignMs = new Map<string, number>();
  readonly askedAtMs = new Map<string, number>();
  readonly hasRun = new Map<string, boolean>();
  readonly outlived = new Map<string, OutlivedAbort>();
  readonly counts = noCounts();
  #runs = 0;

  readonly monitor: SessionAttentionMonitor;
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.monitor = createSessionAttentionMonitor({
      ...limits,
      recover: (request) => this.#recover(request),
      log: { warn: () => {} },
      clock: this.time.clock,
      startTimer: this.time.startTimer,
    });
  }

  /** What was wrong about requests: the monitor takes what `recover` throws for its failure. */
  readonly problems: unknown[] = [];

  #recover(request: SessionRecoveryRequest): Promise<SessionRecoveryOutcome | undefined> {
    const session = this.sessions.get(request.sessionKey as Key);
    try {
      assert(session !== undefined, "asked for a session that is not registered");
      this.#checkRequest(request, session.snapshot());
    } catch (problem) {
      this.problems.push(problem);
      throw problem;
    }
    return new Promise((resolve, reject) => {
      this.open.push({
        request,
        session,
        resolve,
        reject,
        hasProgressed: false,
        hasWorkChanged: false,
        hasNewWork: false,
      });
    });
  }

  #checkRequest(request: SessionRecoveryRequest, snapshot: SessionSnapshot): void {
    const { sessionKey, allowActiveAbort, ...expected } = request;
    assert(!this.open.some((other) => other.request.sessionKey === sessionKey), "two in flight");
    const { state: expectedState, stateGeneration, queueDepth, activity } = snapshot;
    assert.deepEqual(expected, { expectedState, stateGeneration, queueDepth });
    assert(snapshot.isRecovering);
    this.counts.recoveries++;
    const nowMs = this.time.clock();
    this.askedAtMs.set(sessionKey, nowMs);
    const quietMs = nowMs - (this.lastSignMs.get(sessionKey) ?? 0);
    assert(quietMs > WARN_MS, `asked for ${String(quietMs)} ms after a sign of progress`);
    this.#checkBackoff(sessionKey, activity.lastProgressAgeMs ?? 0);
    if (allowActiveAbort !== true) return;
    this.counts.aborts++;
    const { activeWorkKind, activeToolAgeMs = 0, lastProgressAgeMs = 0 } = activity;
    assert(activeWorkKind !== undefined, "nothing to abort");
    if (activeWorkKind === "tool_call") assert(activeToolAgeMs >= this.#limits.toolAbortMs);
    else assert(lastProgressAgeMs >= this.#limits.abortMs);
    if (activity.hasActiveEmbeddedRun !== true) this.counts.unowned++;
  }

  /** A run that outlives its abort is asked for at ever longer intervals. */
  #checkBackoff(sessionKey: string, quietMs: number): void {
    const last = this.outlived.get(sessionKey);
    if (last === undefined || last === null) return;
    const nowMs = this.time.clock();
    this.outlived.set(sessionKey, { atMs: nowMs, quietMs });
    this.counts.outlived++;
    // Otherwise there was a sign of life, from which on it counts anew.
    if (quietMs - last.quietMs !== nowMs - last.atMs) return;
    const dueMs = Math.max(last.quietMs + WARN_MS, 2 * last.quietMs);
    assert(quietMs >= dueMs, `asked for at ${String(quietMs)} instead of ${String(dueMs)} ms`);
  }

  async take(next: Step): Promise<void> {
    if (next.do === "advance") {
      this.time.advance(next.ms);
    } else if (next.do === "settle") {
      await this.#settle(next.pick, OUTCOMES[next.outcome], next.fails);
    } else if (next.do === "register" && !this.sessions.has(next.key)) {
      this.#register(next.key);
    } else if (next.do === "own") {
      this.hasRun.set(next.key, next.hasRun);
      // The monitor, too, gets to know of it.
      this.sessions.get(next.key)?.snapshot();
      if (!next.hasRun) this.outlived.delete(next.key);
    } else {
      const session = this.sessions.get(next.key);
      if (session !== undefined) this.#tell(session, next);
    }
    assert.equal(this.time.timers, this.sessions.size === 0 ? 0 : 1);
  }

  #register(name: Key): void {
    const ofHost = { hasActiveEmbeddedRun: () => this.hasRun.get(name) ?? false };
    const options = { sessionKey: name, ...(name === KEYS[0] ? {} : ofHost) };
    this.sessions.set(name, this.monitor.register(options));
    this.#sign(name);
  }

  #tell(
    session: MonitoredSession,
    next: Exclude<Step, { readonly do: "advance" | "settle" | "own" }>,
  ): void {
    const works = this.works.get(next.key) ?? [];
    this.works.set(next.key, works);
    switch (next.do) {
      case "update": {
        const { stateGeneration } = session.snapshot();
        session.update(next.state);
        if (session.snapshot().stateGeneration !== stateGeneration) this.outlived.delete(next.key);
        return;
      }
      case "startWork": {
        if (!next.isLate) this.#sign(next.key);
        const runId = next.isLate ? `${next.key}-long-ago` : `${next.key}-${String(this.#runs++)}`;
        works.push(session.startWork(next.kind, { runId }));
        this.#notice(next.key, { hasWorkChanged: true, hasNewWork: true });
        return;
      }
      case "endWork":
        for (const work of works.splice(next.pick % (works.length || 1), 1)) {
          work.end();
          this.#notice(next.key, { hasWorkChanged: true });
        }
        return;
      case "progress":
      case "complete":
        this.#sign(next.key);
        session.progress(next.do === "progress" ? "token" : "run:completed");
        this.#notice(next.key, { hasProgressed: true });
        return;
      case "enqueue":
      case "dequeue":
        session[next.do]();
        return;
      case "setQueueDepth":
        session.setQueueDepth(next.depth);
        return;
      case "unregister":
        session.unregister();
        this.sessions.delete(next.key);
        this.outlived.delete(next.key);
        return;
      case "register":
        assert.throws(() => this.monitor.register({ sessionKey: next.key }), RangeError);
    }
  }

  async #settle(
    pick: number,
    outcome: SessionRecoveryOutcome | undefined,
    fails: boolean,
  ): Promise<void> {
    const [settled] = this.open.splice(pick % (this.open.length || 1), 1);
    if (settled === undefined) return;
    const { request, session, resolve, reject } = settled;
    const name = request.sessionKey as Key;
    const before = KEYS.map((other) => this.#picture(other));
    const { stateGeneration } = session.snapshot();
    const isCurrent =
      this.sessions.get(name) === session && stateGeneration === request.stateGeneration;
    if (fails) reject(new Error("no"));
    else resolve(outcome);
    await turn();
    const isAborted = outcome?.status === "aborted";
    const isReset =
      isAborted ||
      outcome?.status === "released" ||
      (outcome?.status === "noop" && outcome.reason === "no_active_work");
    const isOutdated = settled.hasProgressed;
    const outlived = this.outlived.get(name);
    const isDisbelieved = isAborted && outlived !== undefined && outlived !== null;
    // Whose work it was the session knows.
    const isUncertain = isAborted ? outlived === null : settled.hasWorkChanged;
    const isApplied = session.snapshot().stateGeneration !== stateGeneration;
    if (!isCurrent || fails || !isReset || isOutdated || isDisbelieved) {
      if (!isCurrent) this.counts.stale++;
      if (isCurrent && isReset && isOutdated) this.counts.outdated++;
      assert(!isApplied || !isCurrent);
    } else if (!isUncertain) {
      assert(isApplied, "an answer that is not outdated was not applied");
    }
    // No other session is touched.
    for (const [index, other] of KEYS.entries()) {
      if (other !== name || !isApplied) assert.deepEqual(this.#picture(other), before[index]);
    }
    if (!isApplied) return;
    this.counts.applied++;
    this.outlived.delete(name);
    const after = session.snapshot();
    assert(after.stateGeneration > stateGeneration);
    const { activeWorkKind, hasActiveEmbeddedRun, lastProgressAgeMs = 0 } = after.activity;
    if (activeWorkKind === undefined) assert.equal(after.state, "idle");
    const isReported = name !== KEYS[0] && hasActiveEmbeddedRun === true;
    if (isAborted && isReported && settled.hasNewWork) {
      this.outlived.set(name, null);
    } else if (isAborted && isReported) {
      assert.equal(after.state, "idle");
      assert(activeWorkKind !== undefined, "the run that is reported is not named");
      this.outlived.set(name, {
        atMs: this.askedAtMs.get(name) ?? 0,
        quietMs: lastProgressAgeMs - (this.time.clock() - (this.askedAtMs.get(name) ?? 0)),
      });
    }
  }

  /** After all: no session that needs it is forgotten, however long one waits. */
  async finish(): Promise<void> {
    for (const { resolve } of this.open.splice(0)) resolve(undefined);
    await turn();
    const inNeed = [...this.sessions].filter(([name, session]) => {
      const { state, queueDepth } = session.snapshot();
      return (
        state === "processing" ||
        (state === "idle" && queueDepth > 0) ||
        (this.outlived.get(name) ?? null) !== null
      );
    });
    this.time.advance(this.time.clock() + 2 * TOOL_ABORT_MS);
    for (const [name] of inNeed) {
      const isAsked = this.open.some(({ request }) => request.sessionKey === name);
      assert(isAsked, `${name} was forgotten`);
    }
    this.monitor.stop();
  }

  /** All that a settled recovery must not change where it does not count. */
  #picture(name: Key): Omit<SessionSnapshot, "isRecovering"> | null {
    const session = this.sessions.get(name);
    if (session === undefined) return null;
    const { isRecovering: _, ...rest } = session.snapshot();
    return rest;
  }

  #notice(
    name: Key,
    what: Partial<Pick<Open, "hasProgressed" | "hasWorkChanged" | "hasNewWork">>,
  ): void {
    for (const open of this.open) if (open.request.sessionKey === name) Object.assign(open, what);
  }

  #sign(name: Key): void {
    this.lastSignMs.set(name, this.time.clock());
  }
}

test("one recovery at a time for each session, none of what gets on, nothing from the past, and no session is forgotten", async () => {
  const totals = noCounts();
  const names = Object.keys(totals) as (keyof typeof totals)[];
  await fc.assert(
    fc.asyncProperty(steps, limitsOfHost, async (sequence, limits) => {
      const host = new Host(limits);
      for (const name of KEYS) await host.take({ do: "register", key: name });
      for (const next of sequence) await host.take(next);
      await host.finish();
      expect(host.problems).toEqual([]);
      expect(host.time.timers).toBe(0);
      for (const name of names) totals[name] += host.counts[name];
    }),
    { numRuns: 300, seed: 20_240_607 },
  );
  // The sequences did come to what they are about.
  for (const name of names) expect(totals[name], name).toBeGreaterThan(20);
});
