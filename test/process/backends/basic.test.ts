/** The last resort: signal 0 and nothing else. */
import { describe, expect, test } from "vitest";

import { createBasicBackend } from "../../../lib/process/backends/basic.js";
import type { SignalZero } from "../../../lib/process/backends/probe-pid.js";
import { nodeArguments, startReady } from "../../support/processes/child.js";

/** A signal 0 that the OS answers with an errno. */
function failing(code: string): SignalZero {
  return () => {
    throw Object.assign(new Error(`kill ${code}`), { code });
  };
}

describe("on real processes", () => {
  const backend = createBasicBackend();

  test("a live one is alive, and nothing more is claimed", () => {
    expect(backend.isAlive(process.pid)).toBe(true);
    expect(backend.inspect(process.pid, true)).toEqual({
      pid: process.pid,
      state: "alive",
      reason: "running",
      startTime: null,
      startedAtMs: null,
      args: null,
      argsReason: "unsupported",
      commandLine: null,
      parentPid: null,
    });
    expect(backend.identity(process.pid)).toEqual({
      state: "alive",
      reason: "running",
      startTime: null,
      exactId: null,
    });
    expect(backend.inspect(process.pid, false).argsReason).toBe("skipped");
    expect(backend.reference(process.pid)).toBeNull();
  });

  test("an ended one is gone", async () => {
    const child = await startReady(
      process.execPath,
      nodeArguments("console.log(1); process.stdin.resume();"),
    );
    expect(backend.isAlive(child.pid)).toBe(true);
    await child.kill();
    expect(backend.isAlive(child.pid)).toBe(false);
    expect(backend.inspect(child.pid, true)).toMatchObject({
      state: "gone",
      reason: "no-such-process",
      argsReason: "gone",
    });
  });
});

test("denied is neither alive nor gone, and counts as existing", () => {
  const backend = createBasicBackend(failing("EPERM"));
  expect(backend.isAlive(1)).toBe(true);
  expect(backend.inspect(1, true)).toMatchObject({ state: "unknown", reason: "access-denied" });
});

test("an error that says nothing about the process proves nothing", () => {
  for (const code of ["ENOSYS", "EINVAL", "EIO"]) {
    const backend = createBasicBackend(failing(code));
    expect(backend.inspect(1, true)).toMatchObject({ state: "unknown", reason: "unsupported" });
    expect(backend.isAlive(1)).toBe(true);
  }
});

test("cannot look up exact ids, and knows no boot", () => {
  const backend = createBasicBackend();
  expect(backend.byExactId("1")).toEqual({ state: "unknown", reason: "unsupported" });
  expect(backend.host()).toMatchObject({
    platform: process.platform,
    bootId: null,
    machineId: null,
  });
});
