/** `onAttention` says that work may be aborted when that is decided, however lately the session was told of. */
import { expect, test } from "vitest";

import { ABORT_MS, BEAT_MS, startRun, TOOL_ABORT_MS, watch } from "./watch.js";

test("a stalled run is told of as stalled, then once as one that may be aborted, with the recovery", () => {
  const { time, recoveries, events, register } = watch();
  startRun(register("a"), "r1");
  time.advance(ABORT_MS - BEAT_MS);
  expect(new Set(events.map(({ recovery }) => recovery))).toEqual(new Set(["none"]));
  const before = events.length;
  expect(recoveries).toEqual([]);
  time.advance(BEAT_MS);
  expect(events.slice(before)).toMatchObject([
    { eventType: "session.stalled", reason: "active_work_without_progress", recovery: "abort" },
  ]);
  expect(recoveries[0]?.request.allowActiveAbort).toBe(true);
});

test("so is a blocked tool", () => {
  const { time, events, register } = watch();
  const session = register("a");
  startRun(session, "r1");
  session.startWork("tool_call", { runId: "r1" });
  time.advance(TOOL_ABORT_MS - BEAT_MS);
  expect(events.filter(({ recovery }) => recovery === "abort")).toEqual([]);
  time.advance(BEAT_MS);
  expect(events.at(-1)).toMatchObject({ reason: "blocked_tool_call", recovery: "abort" });
});

test("that it may be aborted is repeated at ever longer intervals, as all that is told", () => {
  const { time, events, register } = watch({ recover: () => ({ status: "skipped" }) });
  startRun(register("a"), "r1");
  time.advance(4 * ABORT_MS);
  const aborts = events.filter(({ recovery }) => recovery === "abort");
  const ages = aborts.map(({ session }) => session.activity.lastProgressAgeMs);
  expect(ages).toEqual([ABORT_MS, 2 * ABORT_MS, 4 * ABORT_MS]);
});
