/** Whatever a host does, in whatever order: what the monitor must never do. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";

import fc from "fast-check";
import { expect, test } from "vitest";

import { createSessionAttentionMonitor } from "../../lib/session-attention/monitor.js";
import type {
  SessionRecoveryOutcome,
  SessionRecoveryRequest,
} from "../../lib/session-attention/recovery.js";
import type { MonitoredSession, SessionWork } from "../../lib/session-attention/session-handle.js";
import type { SessionSnapshot } from "../../lib/session-attention/snapshot.js";
import { FakeTime } from "./fake-time.js";

const WARN_MS = 120_000;
const ABORT_MS = 360_000;
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
      readonly do: "progress" | "enqueue" | "dequeue" | "register" | "unregister";
      readonly key: Key;
    }
  | { readonly do: "setQueueDepth"; readonly key: Key; readonly depth: number }
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
    do: fc.constantFrom("progress", "enqueue", "dequeue", "register", "unregister"),
    key,
  }),
  fc.record({ do: fc.constant("setQueueDepth" as const), key, depth: fc.nat(3) }),
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

interface Open {
  readonly request: SessionRecoveryRequest;
  /** The registration that was current when it was asked for. */
  readonly session: MonitoredSession;
  readonly resolve: (outcome: SessionRecoveryOutcome | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** One host with three sessions, and what the test itself knows of them. */
class Host {
  readonly time = new FakeTime();
  readonly sessions = new Map<Key, MonitoredSession>();
  readonly works = new Map<Key, SessionWork[]>();
  readonly open: Open[] = [];
  /** When each session last told of something that can only be new: its run is of its own. */
  readonly lastSignMs = new Map<string, number>();
  readonly counts = { recoveries: 0, aborts: 0, stale: 0, applied: 0 };
  #runs = 0;

  readonly monitor = createSessionAttentionMonitor({
    recover: (request) => this.#recover(request),
    log: { warn: () => {} },
    clock: this.time.clock,
    startTimer: this.time.startTimer,
  });

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
      this.open.push({ request, session, resolve, reject });
    });
  }

  #checkRequest(request: SessionRecoveryRequest, snapshot: SessionSnapshot): void {
    const { sessionKey, allowActiveAbort, ...expected } = request;
    assert(!this.open.some((other) => other.request.sessionKey === sessionKey), "two in flight");
    const { state: expectedState, stateGeneration, queueDepth } = snapshot;
    assert.deepEqual(expected, { expectedState, stateGeneration, queueDepth });
    assert(snapshot.isRecovering);
    this.counts.recoveries++;
    if (allowActiveAbort !== true) return;
    this.counts.aborts++;
    const quietMs = this.time.clock() - (this.lastSignMs.get(sessionKey) ?? 0);
    assert(quietMs > WARN_MS, `aborted ${String(quietMs)} ms after a sign of progress`);
    assert(snapshot.activity.activeWorkKind !== undefined, "nothing to abort");
  }

  async take(next: Step): Promise<void> {
    if (next.do === "advance") {
      this.time.advance(next.ms);
    } else if (next.do === "settle") {
      await this.#settle(next.pick, OUTCOMES[next.outcome], next.fails);
    } else if (next.do === "register" && !this.sessions.has(next.key)) {
      this.sessions.set(next.key, this.monitor.register({ sessionKey: next.key }));
      this.#sign(next.key);
    } else {
      const session = this.sessions.get(next.key);
      if (session !== undefined) this.#tell(session, next);
    }
    assert.equal(this.time.timers, this.sessions.size === 0 ? 0 : 1);
  }

  #tell(
    session: MonitoredSession,
    next: Exclude<Step, { readonly do: "advance" } | { readonly do: "settle" }>,
  ): void {
    const works = this.works.get(next.key) ?? [];
    this.works.set(next.key, works);
    switch (next.do) {
      case "update":
        session.update(next.state);
        return;
      case "startWork": {
        if (!next.isLate) this.#sign(next.key);
        const runId = next.isLate ? `${next.key}-long-ago` : `${next.key}-${String(this.#runs++)}`;
        works.push(session.startWork(next.kind, { runId }));
        return;
      }
      case "endWork":
        works.splice(next.pick % (works.length || 1), 1)[0]?.end();
        return;
      case "progress":
        this.#sign(next.key);
        session.progress("token");
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
    const before = KEYS.map((name) => this.#picture(name));
    const { stateGeneration } = session.snapshot();
    const isCurrent =
      this.sessions.get(request.sessionKey as Key) === session &&
      stateGeneration === request.stateGeneration;
    if (fails) reject(new Error("no"));
    else resolve(outcome);
    await turn();
    const changes =
      isCurrent &&
      !fails &&
      (outcome?.status === "released" ||
        outcome?.status === "aborted" ||
        (outcome?.status === "noop" && outcome.reason === "no_active_work"));
    if (!changes) {
      if (!isCurrent) this.counts.stale++;
      assert.deepEqual(
        KEYS.map((name) => this.#picture(name)),
        before,
      );
      return;
    }
    this.counts.applied++;
    const after = session.snapshot();
    assert(after.stateGeneration > stateGeneration);
    if (after.activity.activeWorkKind === undefined) assert.equal(after.state, "idle");
    // No other session is touched.
    for (const [index, name] of KEYS.entries()) {
      if (name !== request.sessionKey) assert.deepEqual(this.#picture(name), before[index]);
    }
  }

  /** All that a settled recovery must not change where it does not count. */
  #picture(name: Key): Omit<SessionSnapshot, "isRecovering"> | null {
    const session = this.sessions.get(name);
    if (session === undefined) return null;
    const { isRecovering: _, ...rest } = session.snapshot();
    return rest;
  }

  #sign(name: Key): void {
    this.lastSignMs.set(name, this.time.clock());
  }
}

test("one recovery at a time for each session, no abort of what gets on, nothing from the past", async () => {
  const totals = { recoveries: 0, aborts: 0, stale: 0, applied: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), async (steps) => {
      const host = new Host();
      for (const name of KEYS) await host.take({ do: "register", key: name });
      for (const next of steps) await host.take(next);
      host.monitor.stop();
      expect(host.problems).toEqual([]);
      expect(host.time.timers).toBe(0);
      for (const name of ["recoveries", "aborts", "stale", "applied"] as const) {
        totals[name] += host.counts[name];
      }
    }),
    { numRuns: 300, seed: 20_240_607 },
  );
  // The sequences did come to what they are about.
  for (const count of Object.values(totals)) expect(count).toBeGreaterThan(20);
});
