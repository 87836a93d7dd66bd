import { describe, expect, test } from "vitest";

import { ABORT_MS, BEAT_MS, only, startRun, WARN_MS, watch } from "./watch.js";

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

  test("since its run has ended while a call of it never did is put right as well", () => {
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
