import { describe, expect, test } from "vitest";

import { classifySessionAttention } from "../../lib/session-attention/index.js";
import { BEAT_MS, only, startRun, WARN_MS, watch } from "./watch.js";

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

  test("that stops leaves a session that counts as stuck again", () => {
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

  test("is not told by an incoming message: a stuck session whose queue fills is stuck", () => {
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

test("recent progress is never aborted, however short the limits are, also of a run that has just said it is done", () => {
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
