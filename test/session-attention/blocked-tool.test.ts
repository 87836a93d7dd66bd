import { describe, expect, test } from "vitest";

import { ABORT_MS, BEAT_MS, startRun, TOOL_ABORT_MS, WARN_MS, watch } from "./watch.js";

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
