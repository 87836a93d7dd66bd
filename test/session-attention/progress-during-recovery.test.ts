import { subscribe, unsubscribe } from "node:diagnostics_channel";

import { describe, expect, onTestFinished, test } from "vitest";

import type { SessionRecoveryOutcome } from "../../lib/session-attention/recovery.js";
import type { MonitoredSession } from "../../lib/session-attention/session-handle.js";
import {
  ABORT_MS,
  ABORTED,
  BEAT_MS,
  only,
  picture,
  type Recovery,
  startRun,
  TOOL_ABORT_MS,
  WARN_MS,
  type Watch,
  watch,
} from "./watch.js";

/** A session whose run stalls with two messages waiting, and the recovery of it. */
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
