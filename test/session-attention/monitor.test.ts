import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setImmediate as turn } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import { createSessionAttentionMonitor } from "../../lib/session-attention/monitor.js";
import type { SessionAttentionMonitorOptions } from "../../lib/session-attention/monitor-options.js";
import type { MonitoredSession } from "../../lib/session-attention/session-handle.js";
import { runNode } from "../support/processes/child.js";
import { importDist } from "../support/locks/lock-holder.js";
import {
  ABORT_MS,
  BEAT_MS,
  only,
  type Recovery,
  startRun,
  TOOL_ABORT_MS,
  WARN_MS,
  type Watch,
  watch,
} from "./watch.js";

describe("the heartbeat", () => {
  test("does not exist while nothing is registered", () => {
    const { time, register } = watch();
    expect(time.timers).toBe(0);
    const [a, b] = [register("a"), register("b")];
    expect(time.timers).toBe(1);
    a.unregister();
    expect(time.timers).toBe(1);
    b.unregister();
    expect(time.timers).toBe(0);
    register("a");
    expect(time.timers).toBe(1);
  });

  test("keeps no process alive", async () => {
    const script = `
      ${importDist("createSessionAttentionMonitor", "session-attention/index.js")}
      createSessionAttentionMonitor({ heartbeatMs: 60_000 }).register({ sessionKey: "a" });
      process.once("exit", () => console.log(JSON.stringify("ended")));`;
    expect(await runNode(script)).toBe("ended");
  });

  test("beats by itself, on real timers", async () => {
    const request = await new Promise((resolve) => {
      const monitor = createSessionAttentionMonitor({
        recover: resolve,
        heartbeatMs: 2,
        warnMs: 5,
      });
      onTestFinished(() => monitor.stop());
      monitor.register({ sessionKey: "a", queueDepth: 1 });
    });
    expect(request).toMatchObject({ sessionKey: "a", expectedState: "idle", queueDepth: 1 });
  });

  test("stops for good: nothing is watched, and late calls do nothing", () => {
    const { time, monitor, events, register } = watch();
    const session = register("a", { state: "processing" });
    const work = session.startWork("tool_call");
    monitor[Symbol.dispose]();
    expect(time.timers).toBe(0);
    time.advance(10 * ABORT_MS);
    session.update("idle");
    session.enqueue();
    work.end();
    session.unregister();
    expect(events).toEqual([]);
    expect(session.snapshot()).toMatchObject({ state: "processing", queueDepth: 0 });
    expect(() => register("b")).toThrow("session attention monitor is stopped");
  });

  test("a beat that comes late because the process stood still looks at nothing", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    startRun(session, "r1");
    time.standStill(2 * ABORT_MS);
    expect(recoveries).toHaveLength(0);
    // What the run did meanwhile is told once the event loop turns again.
    session.progress("token");
    time.advance(BEAT_MS);
    expect(recoveries).toHaveLength(0);
  });

  test("beats that are always late are not always skipped", () => {
    const { time, recoveries, register } = watch();
    startRun(register("a"), "r1");
    time.standStill(ABORT_MS);
    time.standStill(2 * BEAT_MS);
    expect(recoveries).toHaveLength(1);
  });
});

describe("the monitor looks at", () => {
  test("a processing session that is older than the limit, not one that is as old", () => {
    const { time, events, register } = watch();
    register("a", { state: "processing" });
    time.advance(WARN_MS);
    expect(events).toEqual([]);
    time.advance(BEAT_MS);
    expect(events).toMatchObject([
      { reason: "stale_session_state", session: { sessionKey: "a", ageMs: WARN_MS + BEAT_MS } },
    ]);
  });

  test("no idle session with nothing to do, and none that waits for its user", () => {
    const { time, events, register } = watch();
    register("idle");
    register("waiting", { state: "waiting", queueDepth: 3 });
    time.advance(100 * ABORT_MS);
    expect(events).toEqual([]);
  });

  test("an idle session whose queue is not taken up", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    time.advance(10 * ABORT_MS);
    // Idle for hours, but stuck only from now on.
    session.enqueue();
    time.advance(WARN_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(only(recoveries).request).toEqual({
      sessionKey: "a",
      expectedState: "idle",
      stateGeneration: session.snapshot().stateGeneration,
      queueDepth: 1,
    });
  });

  test("an idle session with work waiting behind orphaned activity is recovered, without abort", async () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    session.update("processing");
    // Its end is never told.
    session.startWork("model_call");
    session.update("idle");
    time.advance(10 * ABORT_MS);
    session.enqueue();
    time.advance(BEAT_MS);
    expect(only(recoveries).request).not.toHaveProperty("allowActiveAbort");
    expect(only(recoveries).request).toMatchObject({ expectedState: "idle", queueDepth: 1 });
    await only(recoveries).answer({ status: "noop", reason: "no_active_work" });
    expect(session.snapshot().queueDepth).toBe(0);
    expect(session.snapshot().activity.activeWorkKind).toBeUndefined();
  });

  test("an idle session whose owned run stalls with work waiting is aborted", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    session.startWork("embedded_run", { runId: "r1" });
    session.enqueue();
    time.advance(ABORT_MS - BEAT_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(only(recoveries).request).toMatchObject({
      expectedState: "idle",
      allowActiveAbort: true,
    });
  });
});

describe("an abort", () => {
  test("waits for exactly abortMs without progress", () => {
    const { time, recoveries, register } = watch();
    startRun(register("a"), "r1");
    time.advance(ABORT_MS - BEAT_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(only(recoveries).request).toMatchObject({ sessionKey: "a", allowActiveAbort: true });
  });

  test("never hits a run with recent progress, whatever the session's age", () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { queueDepth: 5 });
    startRun(session, "r1");
    for (let i = 0; i < 200; i++) {
      time.advance(ABORT_MS / 2);
      session.progress("token", { runId: "r1" });
    }
    expect(session.snapshot().ageMs).toBe(100 * ABORT_MS);
    expect(recoveries).toEqual([]);
  });

  test("hits an owned model call", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    startRun(session, "r1");
    session.startWork("model_call", { runId: "r1" });
    time.advance(ABORT_MS);
    expect(only(recoveries).request.allowActiveAbort).toBe(true);
  });

  test("hits a blocked tool by its own age, also when its run told of progress meanwhile", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    startRun(session, "r1");
    session.startWork("tool_call", { runId: "r1" });
    time.advance(TOOL_ABORT_MS - WARN_MS - BEAT_MS);
    session.progress();
    time.advance(WARN_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(only(recoveries).request.allowActiveAbort).toBe(true);
  });

  test("is not caused by a tool that ended, only by the oldest that did not", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    startRun(session, "r1");
    const slow = session.startWork("tool_call", { runId: "r1" });
    time.advance(TOOL_ABORT_MS / 2);
    session.startWork("tool_call", { runId: "r1" });
    expect(session.snapshot().activity.activeToolAgeMs).toBe(TOOL_ABORT_MS / 2);
    slow.end();
    expect(session.snapshot().activity.activeToolAgeMs).toBe(0);
    time.advance(TOOL_ABORT_MS - BEAT_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(recoveries).toHaveLength(1);
  });

  test("has a default of 3 × warnMs, at least 5 minutes", () => {
    for (const [warnMs, abortMs] of [
      [1000, 300_000],
      [200_000, 600_000],
    ] as const) {
      const { time, recoveries, register } = watch({ warnMs });
      startRun(register("a"), "r1");
      time.advance(abortMs - BEAT_MS);
      expect(recoveries).toHaveLength(0);
      time.advance(BEAT_MS);
      expect(recoveries).toHaveLength(1);
    }
  });

  test("never happens when the limit is Infinity", () => {
    const { time, recoveries, register } = watch({ abortMs: Infinity });
    startRun(register("a"), "r1");
    time.advance(100 * ABORT_MS);
    expect(recoveries).toEqual([]);
  });
});

describe("recoveries", () => {
  test("of two stalled sessions are independent", async () => {
    const { time, recoveries, register } = watch();
    const [a, b] = [register("a"), register("b")];
    startRun(a, "r1");
    startRun(b, "r2");
    time.advance(ABORT_MS);
    expect(recoveries.map(({ request }) => request.sessionKey)).toEqual(["a", "b"]);
    // The first one hangs; the second one answers.
    await recoveries[1]?.answer({ status: "aborted" });
    expect(a.snapshot()).toMatchObject({ state: "processing", isRecovering: true });
    expect(b.snapshot()).toMatchObject({ state: "idle", isRecovering: false });
    startRun(b, "r3");
    time.advance(ABORT_MS);
    expect(recoveries.map(({ request }) => request.sessionKey)).toEqual(["a", "b", "b"]);
  });

  test("one that throws does not keep the others from theirs", async () => {
    const asked: string[] = [];
    const { time, warnings, register } = watch({
      recover({ sessionKey }) {
        asked.push(sessionKey);
        if (sessionKey === "a") throw new Error("no such run");
      },
    });
    register("a", { queueDepth: 1 });
    register("b", { queueDepth: 1 });
    time.advance(WARN_MS + BEAT_MS);
    await turn();
    time.advance(BEAT_MS);
    await turn();
    expect(asked).toEqual(["a", "b", "a", "b"]);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("recovery failed for session a: Error: no such run");
  });

  test("are asked for at every heartbeat, one at a time", async () => {
    const { time, recoveries, warnings, register } = watch();
    register("a", { queueDepth: 1 });
    time.advance(WARN_MS + 5 * BEAT_MS);
    expect(recoveries).toHaveLength(1);
    await recoveries[0]?.fail(new Error("busy"));
    expect(warnings.join()).toContain("recovery failed for session a: Error: busy");
    for (let n = 2; n < 6; n++) {
      time.advance(BEAT_MS);
      expect(recoveries).toHaveLength(n);
      await recoveries[n - 1]?.answer({ status: "skipped", reason: "lane busy" });
    }
  });

  test("are one at a time also across an anew registration, which an old outcome does not touch", async () => {
    const { time, recoveries, register } = watch();
    register("a", { queueDepth: 1 }).dequeue();
    const old = register("b", { queueDepth: 1 });
    time.advance(WARN_MS + BEAT_MS);
    old.unregister();
    const anew = register("b", { state: "processing", queueDepth: 2 });
    time.advance(WARN_MS + BEAT_MS);
    const { answer } = only(recoveries);
    await answer({ status: "released" });
    expect(anew.snapshot()).toMatchObject({ state: "processing", queueDepth: 2 });
    expect(anew.snapshot().stateGeneration).not.toBe(only(recoveries).request.stateGeneration);
    time.advance(BEAT_MS);
    expect(recoveries).toHaveLength(2);
  });

  test("are not asked for without a recover function", () => {
    const { time, events, register } = watch({ recover: undefined });
    register("a", { queueDepth: 1 });
    time.advance(WARN_MS + BEAT_MS);
    expect(events).toMatchObject([{ recovery: "recover", session: { isRecovering: false } }]);
  });

  test("see what onAttention told just before", () => {
    const told: { session?: MonitoredSession } = {};
    const { time, recoveries, register } = watch({
      abortMs: WARN_MS,
      onAttention: () => told.session?.progress("it works after all"),
    });
    told.session = register("a");
    startRun(told.session, "r1");
    time.advance(WARN_MS + BEAT_MS);
    expect(recoveries).toEqual([]);
  });
});

describe("an outcome", () => {
  /** A session whose run stalls with two messages waiting, and the recovery of it. */
  async function stalled(): Promise<Watch & { session: MonitoredSession; recovery: Recovery }> {
    const watched = watch();
    const session = watched.register("a", { queueDepth: 2 });
    startRun(session, "r1");
    session.startWork("model_call", { runId: "r1" });
    watched.time.advance(ABORT_MS);
    return { ...watched, session, recovery: only(watched.recoveries) };
  }

  test.each([
    [{ status: "released" }, 0],
    [{ status: "noop", reason: "no_active_work" }, 0],
    [{ status: "aborted" }, 2],
  ])(
    "%j makes the session idle, without activity, with %i waiting",
    async (outcome, queueDepth) => {
      const { session, recovery } = await stalled();
      const { stateGeneration } = session.snapshot();
      await recovery.answer(outcome);
      const { activity, ...after } = session.snapshot();
      expect(after).toMatchObject({ state: "idle", ageMs: 0, queueDepth, isRecovering: false });
      expect(after.stateGeneration).toBeGreaterThan(stateGeneration);
      expect(activity).toEqual({
        hasActiveEmbeddedRun: false,
        lastProgressAgeMs: 0,
        lastProgressReason: "state:idle",
      });
    },
  );

  test.each([
    [{ status: "noop" }],
    [{ status: "noop", reason: "active_work" }],
    [{ status: "skipped" }],
    [{ status: "failed", reason: "no_active_work" }],
    [undefined],
    [null],
    ["released"],
    [{ status: "RELEASED" }],
  ])("%j changes nothing", async (outcome) => {
    const { session, recovery, warnings } = await stalled();
    const { isRecovering: _, ...before } = session.snapshot();
    await recovery.answer(outcome);
    expect(session.snapshot()).toEqual({ ...before, isRecovering: false });
    const isKnown =
      outcome === undefined ||
      (typeof outcome === "object" && outcome !== null && outcome.status !== "RELEASED");
    expect(warnings.map((line) => line.replace(/:.*/su, ""))).toEqual(
      isKnown ? [] : ["[session-attention] recovery gave no known outcome for session a"],
    );
  });

  test("of an older generation changes nothing", async () => {
    const { session, recovery } = await stalled();
    session.update("processing", { runId: "r2" });
    session.startWork("embedded_run", { runId: "r2" });
    const { isRecovering: _, ...before } = session.snapshot();
    await recovery.answer({ status: "aborted" });
    expect(session.snapshot()).toEqual({ ...before, isRecovering: false });
  });

  test("leaves newer work alone, and the state that goes with it", async () => {
    const { session, recovery } = await stalled();
    const newer = session.startWork("tool_call", { runId: "r2" });
    session.enqueue();
    await recovery.answer({ status: "released" });
    expect(session.snapshot()).toMatchObject({
      state: "processing",
      queueDepth: 1,
      activity: { activeWorkKind: "tool_call", hasActiveEmbeddedRun: false },
    });
    newer.end();
    expect(session.snapshot().activity.activeWorkKind).toBeUndefined();
  });

  test("empties only what waited when the recovery was asked for", async () => {
    const { session, recovery } = await stalled();
    session.enqueue(3);
    session.dequeue(4);
    await recovery.answer({ status: "released" });
    expect(session.snapshot().queueDepth).toBe(1);
  });

  test("does not overrule a count that the host made meanwhile", async () => {
    const { session, recovery } = await stalled();
    session.setQueueDepth(1);
    await recovery.answer({ status: "noop", reason: "no_active_work" });
    expect(session.snapshot().queueDepth).toBe(1);
  });

  test("makes late events of the recovered run pass unheard, and those of the next one count", async () => {
    const { session, recovery, time } = await stalled();
    // It comes while the recovery is under way, and belongs to what is recovered.
    session.startWork("tool_call", { runId: "r1" });
    await recovery.answer({ status: "aborted" });
    const after = session.snapshot();
    expect(after.activity.activeWorkKind).toBeUndefined();
    time.advance(1);
    session.startWork("model_call", { runId: "r1" }).end();
    session.update("processing", { runId: "r1" });
    session.progress("token", { runId: "r1" });
    expect(session.snapshot()).toEqual({
      ...after,
      ageMs: 1,
      activity: { ...after.activity, lastProgressAgeMs: 1 },
    });
    startRun(session, "r2");
    expect(session.snapshot()).toMatchObject({
      state: "processing",
      activity: { activeWorkKind: "embedded_run" },
    });
  });

  test("with work left gives the host warnMs to take it up before it is asked again", async () => {
    const { time, recovery, recoveries } = await stalled();
    await recovery.answer({ status: "aborted" });
    time.advance(WARN_MS);
    expect(recoveries).toHaveLength(1);
    time.advance(BEAT_MS);
    expect(recoveries).toHaveLength(2);
    expect(recoveries[1]?.request).toMatchObject({ expectedState: "idle", queueDepth: 2 });
    expect(recoveries[1]?.request).not.toHaveProperty("allowActiveAbort");
  });

  test("that comes after the end of the watch changes nothing", async () => {
    const { monitor, session, recovery } = await stalled();
    monitor.stop();
    await recovery.answer({ status: "released" });
    expect(session.snapshot()).toMatchObject({ state: "processing", queueDepth: 2 });
  });
});

describe("warnings", () => {
  test("come at max(last + warnMs, 2 × last) while recovery is tried every time", async () => {
    const asked: number[] = [];
    const { time, events, register } = watch({
      warnMs: 100_000,
      recover: () => void asked.push(time.clock()),
    });
    register("a", { state: "processing" });
    for (let n = 0; n < 40; n++) {
      time.advance(BEAT_MS);
      await turn();
    }
    // Beats at multiples of 30 s: the first one beyond 100 s, then beyond 220, 440 and 900 s.
    expect(events.map(({ session }) => session.ageMs)).toEqual([
      120_000, 240_000, 480_000, 960_000,
    ]);
    expect(asked).toHaveLength(37);
  });

  test("start anew with a new state", () => {
    const { time, events, register } = watch();
    const session = register("a", { state: "processing" });
    time.advance(10 * WARN_MS);
    const before = events.length;
    session.update("idle");
    session.update("processing");
    time.advance(WARN_MS + BEAT_MS);
    expect(events).toHaveLength(before + 1);
  });

  test("of another kind do not wait for each other", () => {
    const { time, events, register } = watch();
    const session = register("a", { state: "processing" });
    session.startWork("embedded_run");
    for (let n = 0; n < 10; n++) {
      time.advance(BEAT_MS);
      session.progress();
    }
    time.advance(WARN_MS + BEAT_MS);
    expect(events.map(({ eventType }) => eventType)).toEqual([
      "session.long_running",
      "session.long_running",
      "session.stalled",
    ]);
  });

  test("of an idle session count from when its work began to wait, each time", () => {
    const { time, events, register } = watch();
    const session = register("a");
    time.advance(50 * WARN_MS);
    for (let round = 0; round < 3; round++) {
      session.enqueue();
      time.advance(WARN_MS + BEAT_MS);
      session.dequeue();
    }
    expect(events.map(({ session: { activity } }) => activity.lastProgressAgeMs)).toEqual([
      WARN_MS + BEAT_MS,
      WARN_MS + BEAT_MS,
      WARN_MS + BEAT_MS,
    ]);
  });

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("broken callback");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken callback"))],
  ])("an onAttention that %s is logged, and breaks nothing", async (_how, onAttention) => {
    const { time, recoveries, warnings, register } = watch({ onAttention });
    register("a", { queueDepth: 1 });
    register("b", { queueDepth: 1 });
    time.advance(WARN_MS + BEAT_MS);
    await turn();
    expect(recoveries).toHaveLength(2);
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain("onAttention failed for session b: Error: broken callback");
  });

  test("a log that throws, or is not there, breaks nothing", () => {
    const failing = (): never => {
      throw new Error("broken");
    };
    for (const log of [{ warn: failing }, {}]) {
      const { time, recoveries, register } = watch({ log, onAttention: failing });
      register("a", { queueDepth: 1 });
      time.advance(WARN_MS + BEAT_MS);
      expect(recoveries).toHaveLength(1);
    }
  });

  test("a session that cannot be judged is left alone, logged, and the next one is not", () => {
    const { time, recoveries, warnings, register } = watch();
    register("a", {
      queueDepth: 1,
      hasActiveEmbeddedRun() {
        throw new Error("no list");
      },
    });
    register("b", { queueDepth: 1, hasActiveEmbeddedRun: () => "yes" as unknown as boolean });
    register("c", { queueDepth: 1 });
    time.advance(WARN_MS + BEAT_MS);
    expect(recoveries.map(({ request }) => request.sessionKey)).toEqual(["c"]);
    expect(warnings.join("\n")).toContain("cannot judge session a: Error: no list");
    expect(warnings.join("\n")).toContain(
      "input.activity.hasActiveEmbeddedRun must be a boolean, got 'yes'",
    );
  });
});

describe("the activity", () => {
  test("names the innermost work, and no terminal sign of a run that goes on", () => {
    const { register } = watch();
    const session = register("a");
    const kinds: unknown[] = [];
    const look = (): void => void kinds.push(session.snapshot().activity.activeWorkKind);
    const [run, other] = [startRun(session, "r1"), session.startWork("embedded_run")];
    look();
    const call = session.startWork("model_call");
    look();
    const tool = session.startWork("tool_call");
    look();
    tool.end();
    call.end();
    call.end();
    look();
    run[Symbol.dispose]();
    expect(session.snapshot().activity.lastProgressReason).toBeUndefined();
    other.end();
    expect(session.snapshot().activity.lastProgressReason).toBe("embedded_run:ended");
    look();
    expect(kinds).toEqual(["embedded_run", "model_call", "tool_call", "embedded_run", undefined]);
  });

  test("the same state again is no sign of life", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    startRun(session, "r1");
    for (let elapsedMs = 0; elapsedMs < ABORT_MS; elapsedMs += BEAT_MS) {
      session.update("processing");
      session.update("processing", { runId: "r1" });
      time.advance(BEAT_MS);
    }
    expect(recoveries).toHaveLength(1);
  });
});

test("the channel tells the whole story in plain objects", async () => {
  const messages: unknown[] = [];
  const listen = (message: unknown): void => void messages.push(message);
  subscribe("pidentity:attention", listen);
  onTestFinished(() => void unsubscribe("pidentity:attention", listen));
  const { time, recoveries, register } = watch();
  register("a", { queueDepth: 1 });
  time.advance(WARN_MS + BEAT_MS);
  const { answer, request } = only(recoveries);
  time.advance(10);
  await answer({ status: "released" });
  expect(messages).toMatchObject([
    {
      type: "attention",
      eventType: "session.stuck",
      reason: "queued_work_without_active_run",
      recovery: "recover",
      session: { sessionKey: "a", state: "idle", queueDepth: 1 },
    },
    { type: "recovery-requested", request },
    {
      type: "recovery-settled",
      request,
      outcome: { status: "released" },
      applied: true,
      durationMs: 10,
    },
  ]);
  expect(() => structuredClone(messages)).not.toThrow();
});

test.each<[string, SessionAttentionMonitorOptions | null, string]>([
  ["options", null, "options must be an object, got null"],
  ["recover", { recover: "x" as never }, "options.recover must be a function, got 'x'"],
  [
    "warnMs",
    { warnMs: -1 },
    "options.warnMs must be an integer of 0 or more milliseconds, or Infinity, got -1",
  ],
  [
    "abortMs",
    { abortMs: Number.NaN },
    "options.abortMs must be an integer of 0 or more milliseconds, or Infinity, got NaN",
  ],
  [
    "heartbeatMs",
    { heartbeatMs: 2 ** 31 },
    "heartbeatMs must be from 1 to 2147483647 milliseconds",
  ],
  ["log.warn", { log: { warn: 1 as never } }, "options.log.warn must be a function, got 1"],
  ["clock", { clock: 1 as never }, "options.clock must be a function, got 1"],
])("a bad %s is refused by name", (_name, options, message) => {
  expect(() => createSessionAttentionMonitor(options as never)).toThrow(message);
});

test("bad calls are refused by name", () => {
  const { register } = watch();
  expect(() => register("")).toThrow(
    "options.sessionKey must be a string that is not empty, got ''",
  );
  expect(() => register("a", { queueDepth: -1 })).toThrow(
    "options.queueDepth must be an integer of 0 or more, got -1",
  );
  expect(() => register("a", { state: "done" as never })).toThrow("state must be one of");
  const session = register("a");
  expect(() => register("a")).toThrow(
    "options.sessionKey must be that of no registered session, got 'a'",
  );
  expect(() => session.update(undefined as never)).toThrow("state must be one of");
  expect(() => session.startWork("nap" as never)).toThrow("kind must be one of");
  expect(() => session.enqueue(0)).toThrow("count must be an integer of 1 or more, got 0");
  expect(() => session.setQueueDepth(undefined as never)).toThrow(
    "depth must be an integer of 0 or more, got undefined",
  );
  expect(() => session.progress("x", { runId: "" })).toThrow(
    "runId must be a string that is not empty",
  );
});
