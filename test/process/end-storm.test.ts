/** Trees of some hundred processes that fork on while they are ended (test/support/native/fork-storm.c). */
import { beforeEach, expect, test } from "vitest";

import { endProcess, identifyProcess, isPidAlive } from "../../lib/index.js";
import { startReady, type RunningChild } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { childrenOf } from "../support/processes/process-state.js";
import { requireLinux, requireNative } from "../support/require.js";
import { timed } from "../support/timed.js";

beforeEach((context) => {
  requireLinux(context, "compiles a C program");
  requireNative(context);
});

const GRACE_MS = 1000;
/** 22 processes that keep 22 leaves each: 507 with the first. */
const WIDTH = 22;

/** A tree that forks on, complete when this resolves. Its output ends with the last of its processes. */
function startStorm(width: number, modes: readonly string[]): Promise<RunningChild> {
  return startReady(program("fork-storm"), [String(width), ...modes], { detached: true });
}

test.each([
  ["that end on SIGTERM", []],
  ["that ignore SIGTERM", ["ignore"]],
  ["that leave orphans to process 1", ["orphans"]],
  ["that leave orphans and ignore SIGTERM", ["orphans", "ignore"]],
  [
    "in sessions of their own, with orphans, that ignore SIGTERM",
    ["orphans", "ignore", "own-sessions"],
  ],
])(
  "500 processes %s and fork on are gone, and nothing else is",
  { timeout: 120_000 },
  async (what, modes) => {
    const bystander = await startStorm(2, []);
    const idle = await startReady(program("idle"), []);
    const storm = await startStorm(WIDTH, modes);
    const token = identifyProcess(storm.pid) ?? "";

    const { ms, result } = await timed(async () => {
      const ended = await endProcess(token, { tree: true, graceMs: GRACE_MS });
      // No process has the output open any more, whatever the result says.
      await storm.exited();
      return ended;
    });
    console.log(
      `${what}: ${result.killed.length} ended, gone after ${Math.round(ms)} ms (grace ${GRACE_MS} ms)`,
    );
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed[0]).toMatchObject({ pid: storm.pid, token });
    expect(new Set(result.killed.map((one) => one.token)).size).toBe(result.killed.length);
    const isForced = result.killed.some(({ signal }) => signal === "SIGKILL");
    expect(isForced || !modes.includes("ignore")).toBe(true);

    expect(isPidAlive(idle.pid)).toBe(true);
    expect(childrenOf(bystander.pid).length).toBeGreaterThanOrEqual(2);
    bystander.process.stdin?.end();
    expect(await bystander.exited()).toBe(0);
  },
);
