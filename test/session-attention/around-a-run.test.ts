/** Sessions that get on, runs that outlive their abort, answers that come late, runs without an owner. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setImmediate as turn } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import { classifySessionAttention } from "../../lib/session-attention/index.js";
import type { SessionRecoveryOutcome } from "../../lib/session-attention/recovery.js";
import type { MonitoredSession } from "../../lib/session-attention/session-handle.js";
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

/** What of a snapshot an answer may change. */
function picture(session: MonitoredSession): object {
  const { isRecovering: _, ...rest } = session.snapshot();
  return rest;
}

describe("progress told without registered work", () => {
  test("every ten milliseconds keeps a processing session from being called stuck, and its queue", () => {
    const { time, recoveries, events, register } = watch({ warnMs: 60, heartbeatMs: 10 });
    const session = register("a", { state: "processing", queueDepth: 3 });
    for (let elapsedMs = 0; elapsedMs < 1500; elapsedMs += 10) {
      time.advance(10);
      session.progress("token");
    }
    expect(recoveries).toEqual([]);
    expect(session.snapshot()).toMatchObject({ state: "processing", queueDepth: 3 });
    expect(new Set(events.map(({ eventType, reason }) => `${eventType} ${reason}`))).toEqual(
      new Set(["session.long_running active_work"]),
    );
    expect(events[0]).not.toHaveProperty("activeWorkKind");
  });

  test("that has ended leaves a session that is stuck as before", () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { state: "processing" });
    time.advance(WARN_MS);
    session.progress();
    time.advance(WARN_MS);
    expect(recoveries).toHaveLength(0);
    time.advance(BEAT_MS);
    expect(only(recoveries).request).toMatchObject({ expectedState: "processing" });
    expect(only(recoveries).request).not.toHaveProperty("allowActiveAbort");
  });

  test("is not what a message is that comes in: a stuck session with a queue that fills is stuck", () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { state: "processing" });
    for (let beat = 0; beat < 5; beat++) {
      time.advance(BEAT_MS);
      session.enqueue();
      session.dequeue();
    }
    expect(recoveries).toHaveLength(1);
  });

  test("makes the classifier answer active_work, without a kind of work", () => {
    const stuck = { eventType: "session.stuck", recoveryEligible: true };
    const input = { state: "processing", queueDepth: 2, staleMs: 1000 } as const;
    expect(
      classifySessionAttention({ ...input, activity: { lastProgressAgeMs: 1000 } }),
    ).toStrictEqual({
      eventType: "session.long_running",
      reason: "active_work",
      classification: "long_running",
      recoveryEligible: false,
    });
    for (const activity of [{}, { lastProgressAgeMs: 1001 }]) {
      expect(classifySessionAttention({ ...input, activity })).toMatchObject(stuck);
    }
  });
});

/** A session whose owner reports a run until the test ends it, and that stalls. */
interface Owned extends Watch {
  readonly session: MonitoredSession;
  readonly owner: { hasRun: boolean; fails: boolean };
}

function ownedRun(
  kind: "embedded_run" | "tool_call" | null,
  { queueDepth = 0, ...options }: Parameters<typeof watch>[0] & { queueDepth?: number } = {},
): Owned {
  const watched = watch(options);
  const owner = { hasRun: true, fails: false };
  const session = watched.register("a", {
    queueDepth,
    hasActiveEmbeddedRun: () => {
      if (owner.fails) throw new Error("no list of runs");
      return owner.hasRun;
    },
  });
  session.update("processing", { runId: "r1" });
  if (kind !== null) session.startWork(kind, { runId: "r1" });
  return { ...watched, session, owner };
}

const ABORTED: SessionRecoveryOutcome = { status: "aborted" };

/** Lets time pass beat by beat, and callbacks settle in between. */
async function pass({ time }: Watch, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += BEAT_MS) {
    time.advance(BEAT_MS);
    await turn();
  }
}

describe("a run that its owner reports although it was aborted", () => {
  test.each([
    ["nothing waits", 0],
    ["work waits", 2],
  ])("is asked for again at ever longer intervals, when %s", async (_name, queueDepth) => {
    const askedAtMs: number[] = [];
    const allowed: unknown[] = [];
    const watched = ownedRun("embedded_run", {
      queueDepth,
      recover: ({ allowActiveAbort }) => {
        allowed.push(allowActiveAbort);
        askedAtMs.push(watched.time.clock() - startedAtMs);
        return ABORTED;
      },
    });
    const startedAtMs = watched.time.clock();
    await pass(watched, 24 * 3_600_000);
    expect(askedAtMs.slice(0, 4)).toEqual([ABORT_MS, 2 * ABORT_MS, 4 * ABORT_MS, 8 * ABORT_MS]);
    expect(allowed).toEqual(Array.from({ length: 8 }, () => true));
  });

  test("with limits of milliseconds is asked for a few times in a second and a half, not 23 times", async () => {
    let asked = 0;
    const watched = ownedRun("embedded_run", {
      queueDepth: 1,
      warnMs: 50,
      abortMs: 50,
      heartbeatMs: 5,
      recover: () => {
        asked++;
        return ABORTED;
      },
    });
    for (let ms = 0; ms < 1500; ms += 5) {
      watched.time.advance(5);
      await turn();
    }
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(8);
  });

  test("is believed to be aborted once, and not a second time", async () => {
    const applied: boolean[] = [];
    const listen = (message: unknown): void => {
      const { type, applied: isApplied } = message as { type: string; applied: boolean };
      if (type === "recovery-settled") applied.push(isApplied);
    };
    subscribe("pidentity:attention", listen);
    onTestFinished(() => void unsubscribe("pidentity:attention", listen));
    const watched = ownedRun("embedded_run", { queueDepth: 2 });
    const { time, recoveries, session } = watched;
    time.advance(ABORT_MS);
    await only(recoveries).answer(ABORTED);
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 2 });
    time.advance(ABORT_MS);
    expect(recoveries).toHaveLength(2);
    const before = picture(session);
    await recoveries[1]?.answer(ABORTED);
    expect(picture(session)).toEqual(before);
    expect(applied).toEqual([true, false]);
  });

  test.each([0, 2])(
    "is what the reason names, never the lack of a run, with %i waiting",
    async (queueDepth) => {
      const watched = ownedRun("embedded_run", { queueDepth, recover: () => ABORTED });
      await pass(watched, ABORT_MS);
      const before = watched.events.length;
      await pass(watched, 20 * ABORT_MS);
      const after = watched.events.slice(before);
      expect(after.length).toBeGreaterThan(1);
      for (const event of after) {
        expect(event).toMatchObject({
          eventType: "session.stalled",
          reason: "active_work_without_progress",
          activeWorkKind: "embedded_run",
        });
      }
    },
  );

  test("and that was never registered as work is named all the same", async () => {
    const watched = ownedRun(null, { recover: () => ABORTED });
    await pass(watched, WARN_MS + BEAT_MS);
    expect(watched.events.at(-1)).toMatchObject({ reason: "stale_session_state" });
    await pass(watched, 10 * ABORT_MS);
    expect(watched.events.at(-1)).toMatchObject({
      reason: "active_work_without_progress",
      activeWorkKind: "embedded_run",
      session: { state: "idle" },
    });
  });

  test("in a tool is named by the tool", async () => {
    const watched = ownedRun("tool_call", { recover: () => ABORTED });
    await pass(watched, TOOL_ABORT_MS);
    expect(watched.session.snapshot().state).toBe("idle");
    await pass(watched, 2 * TOOL_ABORT_MS);
    expect(watched.events.at(-1)).toMatchObject({
      reason: "blocked_tool_call",
      session: { state: "idle" },
    });
  });

  test("has warnMs to unwind before it is looked at again", async () => {
    const watched = ownedRun("embedded_run", { warnMs: 10 * BEAT_MS, abortMs: 10 * BEAT_MS });
    await pass(watched, 11 * BEAT_MS);
    await only(watched.recoveries).answer(ABORTED);
    const before = watched.events.length;
    await pass(watched, 10 * BEAT_MS);
    expect(watched.events).toHaveLength(before);
  });

  test("is not looked at any more once its owner knows of none", async () => {
    const watched = ownedRun("embedded_run", { recover: () => ABORTED });
    await pass(watched, ABORT_MS);
    watched.owner.hasRun = false;
    const before = watched.events.length;
    await pass(watched, 20 * ABORT_MS);
    expect(watched.events).toHaveLength(before);
    expect(watched.session.snapshot()).toMatchObject({ state: "idle" });
    expect(watched.session.snapshot().activity.activeWorkKind).toBeUndefined();
    // A run of which nothing was told is another one.
    watched.owner.hasRun = true;
    await pass(watched, 20 * ABORT_MS);
    expect(watched.events).toHaveLength(before);
  });

  test("is not aborted again while it tells of progress, late as its events are", async () => {
    const asked: unknown[] = [];
    const watched = ownedRun("embedded_run", {
      recover: (request) => {
        asked.push(request);
        return ABORTED;
      },
    });
    await pass(watched, ABORT_MS);
    expect(asked).toHaveLength(1);
    for (let beat = 0; beat < 100; beat++) {
      watched.session.progress("token", { runId: "r1" });
      await pass(watched, BEAT_MS);
    }
    expect(asked).toHaveLength(1);
    await pass(watched, ABORT_MS);
    expect(asked).toHaveLength(2);
  });

  test("is not asked for again while another run of its session gets on, which begins and ends", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await only(recoveries).answer(ABORTED);
    for (let beat = 0; beat < 100; beat++) {
      session.startWork("model_call", { runId: `other-${String(beat)}` }).end();
      await pass(watched, BEAT_MS);
    }
    expect(recoveries).toHaveLength(1);
  });

  test("gives way to a new run of its session", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await only(recoveries).answer(ABORTED);
    startRun(session, "r2");
    await pass(watched, ABORT_MS - BEAT_MS);
    expect(recoveries).toHaveLength(1);
    await pass(watched, BEAT_MS);
    expect(recoveries[1]?.request).toMatchObject({ expectedState: "processing" });
    const { stateGeneration } = session.snapshot();
    await recoveries[1]?.answer(ABORTED);
    // Of this run it is the first time.
    expect(session.snapshot().stateGeneration).toBeGreaterThan(stateGeneration);
  });

  test("and whose owner cannot be asked just then stays observed", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, owner, warnings } = watched;
    await pass(watched, ABORT_MS);
    owner.fails = true;
    await only(recoveries).answer(ABORTED);
    expect(warnings.join()).toContain(
      "cannot ask for the run of session a: Error: no list of runs",
    );
    owner.fails = false;
    await pass(watched, ABORT_MS);
    expect(recoveries).toHaveLength(2);
  });

  test("and that cannot be aborted is asked for at those intervals, too", async () => {
    const outcomes: SessionRecoveryOutcome[] = [ABORTED];
    let asked = 0;
    const watched = ownedRun("embedded_run", {
      recover: () => {
        asked++;
        return outcomes.shift() ?? { status: "failed" };
      },
    });
    await pass(watched, 4 * ABORT_MS);
    expect(asked).toBe(3);
  });

  test("and that begins new work while it is asked for again makes a late release void", async () => {
    const watched = ownedRun("embedded_run", { queueDepth: 1 });
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await recoveries[0]?.answer(ABORTED);
    await pass(watched, ABORT_MS);
    session.startWork("tool_call", { runId: "r1" });
    const before = picture(session);
    await recoveries[1]?.answer({ status: "released" });
    expect(picture(session)).toEqual(before);
    expect(session.snapshot()).toMatchObject({
      queueDepth: 1,
      activity: { activeWorkKind: "tool_call" },
    });
  });

  test("and that is then released is idle, and let be", async () => {
    const watched = ownedRun("embedded_run", { queueDepth: 1 });
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await recoveries[0]?.answer(ABORTED);
    await pass(watched, ABORT_MS);
    await recoveries[1]?.answer({ status: "released" });
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 0 });
    await pass(watched, 10 * ABORT_MS);
    expect(recoveries).toHaveLength(2);
  });
});

/** A session whose run stalls with two pieces of work waiting, and the recovery of it. */
function stalled(): Watch & { session: MonitoredSession; recovery: Recovery } {
  const watched = watch();
  const session = watched.register("a", { queueDepth: 2 });
  startRun(session, "r1");
  watched.time.advance(ABORT_MS);
  return { ...watched, session, recovery: only(watched.recoveries) };
}

const RESETS: readonly SessionRecoveryOutcome[] = [
  { status: "released" },
  ABORTED,
  { status: "noop", reason: "no_active_work" },
];

describe("progress while a recovery is under way", () => {
  test.each(RESETS)(
    "outdates the answer %j: a working session is not set idle",
    async (outcome) => {
      const { time, session, recovery } = stalled();
      time.advance(1);
      session.progress("token", { runId: "r1" });
      const before = picture(session);
      await recovery.answer(outcome);
      expect(picture(session)).toEqual(before);
      expect(session.snapshot()).toMatchObject({ state: "processing", queueDepth: 2 });
      // Its events are still heard.
      time.advance(WARN_MS);
      session.progress("token", { runId: "r1" });
      expect(session.snapshot().activity.lastProgressAgeMs).toBe(0);
    },
  );

  test.each(RESETS)(
    "outdates the answer %j also where no work and no run was named",
    async (outcome) => {
      const { time, recoveries, register } = watch();
      const session = register("a", { state: "processing", queueDepth: 2 });
      time.advance(WARN_MS + BEAT_MS);
      session.progress();
      const before = picture(session);
      await only(recoveries).answer(outcome);
      expect(picture(session)).toEqual(before);
    },
  );

  test.each<[string, (session: MonitoredSession) => void]>([
    ["new work of the run", (session) => void session.startWork("tool_call", { runId: "r1" })],
    ["new work of a run that is not named", (session) => void session.startWork("model_call")],
  ])("is also %s: a release that comes late changes nothing", async (_name, getOn) => {
    const { session, recovery } = stalled();
    getOn(session);
    const before = picture(session);
    await recovery.answer({ status: "released" });
    expect(picture(session)).toEqual(before);
  });

  test("is also the end of the work that held the session up: a release that comes late changes nothing", async () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { queueDepth: 1 });
    startRun(session, "r1");
    const tool = session.startWork("tool_call", { runId: "r1" });
    time.advance(TOOL_ABORT_MS);
    tool.end();
    const before = picture(session);
    await only(recoveries).answer({ status: "released" });
    expect(picture(session)).toEqual(before);
    expect(session.snapshot().activity.activeWorkKind).toBe("embedded_run");
  });

  test("is not what an abort does itself: work that it ends does not keep the session from being idle", async () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { queueDepth: 1 });
    const run = startRun(session, "r1");
    const call = session.startWork("model_call", { runId: "r1" });
    time.advance(ABORT_MS);
    time.advance(1);
    call.end();
    run.end();
    await only(recoveries).answer(ABORTED);
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 1 });
    expect(session.snapshot().activity.activeWorkKind).toBeUndefined();
  });

  test("is not a late event of a run that was recovered before", async () => {
    const { time, session, recovery, recoveries } = stalled();
    await recovery.answer(ABORTED);
    time.advance(WARN_MS + BEAT_MS);
    session.progress("token", { runId: "r1" });
    await recoveries[1]?.answer({ status: "released" });
    expect(session.snapshot().queueDepth).toBe(0);
  });

  test("does not outdate the next answer", async () => {
    const { time, session, recovery, recoveries } = stalled();
    session.progress("token", { runId: "r1" });
    await recovery.answer({ status: "released" });
    time.advance(ABORT_MS + BEAT_MS);
    expect(recoveries).toHaveLength(2);
    await recoveries[1]?.answer({ status: "released" });
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 0 });
  });

  test("is told of as an answer that was not applied", async () => {
    const settled: unknown[] = [];
    const listen = (message: unknown): void => {
      if ((message as { type: string }).type === "recovery-settled") settled.push(message);
    };
    subscribe("pidentity:attention", listen);
    onTestFinished(() => void unsubscribe("pidentity:attention", listen));
    const { session, recovery } = stalled();
    session.progress();
    await recovery.answer({ status: "released" });
    expect(settled).toMatchObject([{ outcome: { status: "released" }, applied: false }]);
  });
});

describe("a processing session whose run has no owner any more", () => {
  test.each(["model_call", "embedded_run"] as const)(
    "is reported as stalled first, and put right after abortMs: %s",
    async (kind) => {
      const { time, recoveries, events, register } = watch();
      const session = register("a", { queueDepth: 2, hasActiveEmbeddedRun: () => false });
      session.update("processing", { runId: "r1" });
      session.startWork(kind, { runId: "r1" });
      time.advance(ABORT_MS - BEAT_MS);
      expect(events[0]).toMatchObject({
        eventType: "session.stalled",
        reason: "active_work_without_progress",
        activeWorkKind: kind,
        recovery: "none",
      });
      expect(recoveries).toHaveLength(0);
      time.advance(BEAT_MS);
      expect(only(recoveries).request).toMatchObject({
        expectedState: "processing",
        allowActiveAbort: true,
      });
      await only(recoveries).answer({ status: "noop", reason: "no_active_work" });
      expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 0 });
      expect(session.snapshot().activity.activeWorkKind).toBeUndefined();
      time.advance(20 * ABORT_MS);
      expect(recoveries).toHaveLength(1);
    },
  );

  test("by the end of its run, while a call of it was never ended, is put right as well", () => {
    const { time, recoveries, register } = watch();
    const session = register("a");
    const run = startRun(session, "r1");
    session.startWork("model_call", { runId: "r1" });
    run.end();
    time.advance(ABORT_MS);
    expect(only(recoveries).request.allowActiveAbort).toBe(true);
  });

  test("is reported even where it is put right at once", () => {
    const { time, recoveries, events, register } = watch({ abortMs: 0 });
    const session = register("a", { hasActiveEmbeddedRun: () => false });
    session.update("processing");
    session.startWork("embedded_run");
    time.advance(WARN_MS + BEAT_MS);
    expect(events).toMatchObject([{ eventType: "session.stalled", recovery: "abort" }]);
    expect(recoveries).toHaveLength(1);
  });

  test("is left alone while it tells of progress", () => {
    const { time, recoveries, register } = watch();
    const session = register("a", { hasActiveEmbeddedRun: () => false });
    session.update("processing");
    session.startWork("embedded_run");
    for (let beat = 0; beat < 100; beat++) {
      time.advance(BEAT_MS);
      session.progress();
    }
    expect(recoveries).toEqual([]);
  });

  test("is only reported where abortMs is Infinity", () => {
    const { time, recoveries, events, register } = watch({ abortMs: Infinity });
    const session = register("a", { hasActiveEmbeddedRun: () => false });
    session.update("processing");
    session.startWork("embedded_run");
    time.advance(100 * ABORT_MS);
    expect(recoveries).toEqual([]);
    expect(events.at(-1)).toMatchObject({ eventType: "session.stalled", recovery: "none" });
  });
});

/** A run with a tool that does not return; how long until its abort is asked for, milliseconds. */
function msUntilToolAbort(options: Parameters<typeof watch>[0]): number | null {
  const { time, recoveries, register } = watch(options);
  const session = register("a");
  startRun(session, "r1");
  session.startWork("tool_call", { runId: "r1" });
  const startedAtMs = time.clock();
  for (let beat = 0; beat < 200; beat++) {
    time.advance(BEAT_MS);
    if (recoveries.length > 0) return time.clock() - startedAtMs;
  }
  return null;
}

describe("a blocked tool", () => {
  test.each<[string, Parameters<typeof watch>[0], number | null]>([
    ["15 minutes by default", {}, TOOL_ABORT_MS],
    ["15 minutes although runs have less", { abortMs: WARN_MS }, TOOL_ABORT_MS],
    ["as long as runs have, when that is more", { abortMs: 2 * TOOL_ABORT_MS }, 2 * TOOL_ABORT_MS],
    ["as long as runs have by warnMs", { warnMs: TOOL_ABORT_MS }, 3 * TOOL_ABORT_MS],
    ["for ever, when runs have", { abortMs: Infinity }, null],
    ["what toolAbortMs says, less", { toolAbortMs: 5 * BEAT_MS }, 5 * BEAT_MS],
    ["what toolAbortMs says, more", { toolAbortMs: 3 * TOOL_ABORT_MS }, 3 * TOOL_ABORT_MS],
    ["for ever, when toolAbortMs is Infinity", { toolAbortMs: Infinity }, null],
    [
      "what toolAbortMs says where runs have for ever",
      { abortMs: Infinity, toolAbortMs: ABORT_MS },
      ABORT_MS,
    ],
  ])("has %s before it is aborted", (_name, options, expected) => {
    expect(msUntilToolAbort(options)).toBe(expected);
  });

  test("has a limit of its own that is checked by name", () => {
    expect(() => watch({ toolAbortMs: -1 })).toThrow(
      "options.toolAbortMs must be an integer of 0 or more milliseconds, or Infinity, got -1",
    );
  });
});

test("recent progress is never aborted, however short the limits: a run that said it is done moments ago", () => {
  const { time, recoveries, register } = watch({ abortMs: 0, toolAbortMs: 0 });
  const session = register("a", { queueDepth: 1 });
  startRun(session, "r1");
  time.advance(WARN_MS);
  session.progress("run:completed", { runId: "r1" });
  time.advance(WARN_MS);
  expect(recoveries).toEqual([]);
  time.advance(BEAT_MS);
  expect(only(recoveries).request.allowActiveAbort).toBe(true);
});
