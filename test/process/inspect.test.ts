/** The public questions about a pid, asked about real processes, with either backend. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import {
  getProcessArgs,
  getProcessStartTime,
  inspectProcess,
  inspectProcesses,
  type InspectProcessesOptions,
  isPidAlive,
} from "../../lib/index.js";
import { backendNamed, LINUX_BACKENDS } from "../support/processes/backends.js";
import { ENDED, nodeArguments, start, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";
import { waitFor } from "../support/wait-for.js";

const NEVER_PIDS = [0, -1, -process.pid, 1.5, Number.NaN, Infinity, 2 ** 32, 2 ** 53];
const NOT_NUMBERS = [
  undefined,
  null,
  "1",
  true,
  1n,
  Symbol("1"),
  {},
  [],
  () => 1,
  Object.create(null),
];

describe("what cannot be a pid", () => {
  test.each([...NEVER_PIDS, ...NOT_NUMBERS])("%s is answered, not thrown on", (value) => {
    const pid = value as number;
    expect(isPidAlive(pid)).toBe(false);
    expect(getProcessStartTime(pid)).toBeNull();
    expect(getProcessArgs(pid)).toBeNull();
    expect(inspectProcess(pid)).toEqual({
      pid: typeof value === "number" ? value : Number.NaN,
      state: "gone",
      reason: "invalid-pid",
      startTime: null,
      startedAtMs: null,
      args: null,
      argsReason: "gone",
      commandLine: null,
      parentPid: null,
    });
  });
});

test("this process is alive, started in the past, and has its own arguments", () => {
  const before = Date.now() - process.uptime() * 1000;
  const info = inspectProcess(process.pid);
  expect(info).toMatchObject({ pid: process.pid, state: "alive", reason: "running" });
  expect(info.parentPid).toBe(process.ppid);
  expect(isPidAlive(process.pid)).toBe(true);
  expect(getProcessStartTime(process.pid)).toBe(info.startTime);
  expect(getProcessArgs(process.pid)).toEqual(info.args);
  // performance.timeOrigin comes some milliseconds after the fork; ±10 ms is the documented error.
  expect(info.startedAtMs).toBeGreaterThan(before - 2000);
  expect(info.startedAtMs).toBeLessThan(before + 50);
});

test("a live child is described, and gone after its end", async () => {
  const args = nodeArguments("console.log('ready'); process.stdin.resume();");
  const child = await startReady(process.execPath, [...args, "one", "", "two words"]);
  expect(inspectProcess(child.pid)).toMatchObject({
    state: "alive",
    reason: "running",
    args: [process.execPath, ...args, "one", "", "two words"],
    argsReason: null,
    // All of it is compared in linux-arguments.test.ts; Windows keeps what the parent quoted.
    commandLine: expect.stringContaining("two words"),
    parentPid: process.pid,
  });
  await child.kill();
  expect(isPidAlive(child.pid)).toBe(false);
  expect(getProcessStartTime(child.pid)).toBeNull();
  expect(getProcessArgs(child.pid)).toBeNull();
  expect(inspectProcess(child.pid)).toEqual({
    pid: child.pid,
    state: "gone",
    reason: expect.stringMatching(ENDED),
    startTime: null,
    startedAtMs: null,
    args: null,
    argsReason: "gone",
    commandLine: null,
    parentPid: null,
  });
});

test("the start time is frozen, and later for a later process", async () => {
  const first = await startReady(
    process.execPath,
    nodeArguments("console.log(1); process.stdin.resume();"),
  );
  const startTime = getProcessStartTime(first.pid);
  // Longer than one clock tick; the values differ whatever the timer really took.
  await delay(30);
  const second = await startReady(
    process.execPath,
    nodeArguments("console.log(1); process.stdin.resume();"),
  );
  expect(getProcessStartTime(first.pid)).toBe(startTime);
  expect(getProcessStartTime(second.pid)).toBeGreaterThan(startTime ?? Infinity);
});

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  test("a stopped process is alive", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(program("idle"));
    child.process.kill("SIGSTOP");
    await waitFor("the stop", () => /\) T /u.test(statLine(child.pid)));
    expect(backend.inspect(child.pid, true)).toMatchObject({ state: "alive", reason: "running" });
    expect(backend.isAlive(child.pid)).toBe(true);
  });

  test("a zombie is not alive, and has neither start time nor arguments", async (context) => {
    const backend = backendNamed(name, context);
    const zombie = Number((await startReady(program("zombie-parent"))).first);
    expect(backend.isAlive(zombie)).toBe(false);
    expect(backend.startTime(zombie)).toBeNull();
    expect(backend.args(zombie)).toBeNull();
    expect(backend.inspect(zombie, true)).toEqual({
      pid: zombie,
      state: "gone",
      reason: "zombie",
      startTime: null,
      startedAtMs: null,
      args: null,
      argsReason: "gone",
      commandLine: null,
      parentPid: null,
    });
  });

  test("a thread id is not a process", async (context) => {
    const backend = backendNamed(name, context);
    const args = nodeArguments("console.log('ready'); process.stdin.resume();");
    const child = await startReady(process.execPath, args);
    const threads = readdirSync(`/proc/${child.pid}/task`).map(Number);
    const others = threads.filter((thread) => thread !== child.pid);
    expect(others.length).toBeGreaterThan(0);
    for (const thread of others) {
      expect(backend.isAlive(thread)).toBe(false);
      expect(backend.startTime(thread)).toBeNull();
      expect(backend.args(thread)).toBeNull();
      expect(backend.inspect(thread, true)).toMatchObject({ state: "gone", reason: "thread-id" });
      expect(backend.identity(thread)).toMatchObject({ state: "gone", reason: "thread-id" });
      expect(backend.reference(thread)).toBeNull();
    }
  });

  test("a process whose first thread has exited is alive", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(program("leader-exits"));
    expect(statLine(child.pid)).toContain(") Z ");
    expect(backend.isAlive(child.pid)).toBe(true);
    expect(backend.startTime(child.pid)).not.toBeNull();
    // Its memory is out of reach through its own entry: nothing to read, and no error.
    expect(backend.inspect(child.pid, true)).toMatchObject({
      state: "alive",
      args: [],
      argsReason: null,
    });
    expect(backend.inspect(Number(child.first), true).reason).toBe("thread-id");
  });

  test("a process stuck in the kernel is alive, and its memory is not touched", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(program("vfork-parent"));
    expect(statLine(child.pid)).toContain(") D ");
    expect(backend.inspect(child.pid, true)).toMatchObject({
      state: "alive",
      reason: "running",
      args: null,
      argsReason: "busy",
      commandLine: null,
      parentPid: process.pid,
    });
    expect(backend.args(child.pid)).toBeNull();
    expect(backend.startTime(child.pid)).not.toBeNull();
  });

  test("skipped arguments are not read and say so", (context) => {
    const backend = backendNamed(name, context);
    expect(backend.inspect(process.pid, false)).toMatchObject({
      state: "alive",
      args: null,
      argsReason: "skipped",
      commandLine: null,
      parentPid: process.ppid,
    });
  });

  test("process.title does not turn its padding into arguments", async (context) => {
    const backend = backendNamed(name, context);
    const args = nodeArguments(
      "process.title = 'my title'; console.log('ready'); process.stdin.resume();",
    );
    const child = await startReady(process.execPath, args);
    expect(backend.args(child.pid)).toEqual(["my title"]);
    expect(backend.inspect(child.pid, true).commandLine).toBe("my title");
  });

  test("answers do not change with the text of the process's name", async (context) => {
    const backend = backendNamed(name, context);
    const script =
      "require('fs').writeFileSync('/proc/self/comm', ') R 1 (\\n'); console.log('ready'); process.stdin.resume();";
    const child = await startReady(process.execPath, ["--eval", script]);
    expect(statLine(child.pid)).toContain("() R 1 (");
    expect(backend.inspect(child.pid, false)).toMatchObject({
      state: "alive",
      parentPid: process.pid,
    });
    expect(backend.isAlive(child.pid)).toBe(true);
  });
});

describe("options", () => {
  test.each([null, 1, "args", true])("options of %s are refused", (options) => {
    expect(() => inspectProcess(1, options as unknown as object)).toThrow(TypeError);
  });

  test("an option of the wrong type is named, with what was expected and the value", () => {
    const options = { args: "no" } as unknown as { args: boolean };
    expect(() => inspectProcess(1, options)).toThrow("options.args must be a boolean, got 'no'");
  });

  test("args: false skips the command line", () => {
    expect(inspectProcess(process.pid, { args: false })).toMatchObject({
      state: "alive",
      args: null,
      argsReason: "skipped",
    });
  });
});

describe("inspectProcesses", () => {
  test("asks each pid once, in order of first appearance", async () => {
    const child = await start(process.execPath, nodeArguments("process.stdin.resume();"));
    const pids = [child.pid, process.pid, child.pid, -1, process.pid];
    const found = await inspectProcesses(pids, { args: false });
    expect([...found.keys()]).toEqual([child.pid, process.pid, -1]);
    expect(found.get(process.pid)).toMatchObject({ pid: process.pid, state: "alive" });
    expect(found.get(-1)).toMatchObject({ pid: -1, reason: "invalid-pid" });
  });

  test("agrees with inspectProcess on every process of the machine", async (context) => {
    requireLinux(context, "a program of test/support/native");
    const child = await startReady(program("idle"), ["some", "arguments"]);
    const found = await inspectProcesses([child.pid]);
    expect({ ...found.get(child.pid), startedAtMs: 0 }).toEqual({
      ...inspectProcess(child.pid),
      startedAtMs: 0,
    });
  });

  test("takes any iterable, and no more of it than it needs", async () => {
    let closed = false;
    const controller = new AbortController();
    const reason = new Error("enough");
    function* pids(): Generator<number> {
      try {
        // From inside: a generator that was never begun has nothing to close.
        controller.abort(reason);
        for (;;) yield process.pid;
      } finally {
        closed = true;
      }
    }
    const endless = inspectProcesses(pids(), { signal: controller.signal, args: false });
    await expect(endless).rejects.toBe(reason);
    expect(closed).toBe(true);
  });

  test("gives the event loop a turn before the first pid", async () => {
    let turned = false;
    setImmediate(() => (turned = true));
    let turnedAtFirst: boolean | undefined;
    await inspectProcesses(
      (function* () {
        turnedAtFirst = turned;
        yield process.pid;
      })(),
    );
    expect(turnedAtFirst).toBe(true);
  });

  test("lets timers run while it works", async () => {
    const pids = Array.from({ length: 2000 }, (_, index) => index + 1);
    let isDone = false;
    let turns = 0;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    // A slice of 0 ms ends after each step.
    await inspectProcesses(pids, { sliceMs: 0, args: false });
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(pids.length);
  });

  test("an aborted signal rejects with its reason before any work", async () => {
    const reason = new Error("no");
    const signal = AbortSignal.abort(reason);
    let touched = false;
    const pids = { [Symbol.iterator]: () => ((touched = true), [][Symbol.iterator]()) };
    await expect(inspectProcesses(pids, { signal })).rejects.toBe(reason);
    expect(touched).toBe(false);
  });

  test.each([
    ["pids: a number", 1, {}, "pids must be an iterable of numbers, got 1"],
    ["pids: a string", "123", {}, "pids must be an iterable of numbers, got '123'"],
    ["pids: null", null, {}, "pids must be an iterable of numbers, got null"],
    ["args", [], { args: 1 }, "options.args must be a boolean, got 1"],
    ["signal", [], { signal: {} }, "options.signal must be an AbortSignal, got {}"],
    ["signal: null", [], { signal: null }, "options.signal must be an AbortSignal, got null"],
    ["sliceMs: a string", [], { sliceMs: "4" }, "options.sliceMs must be a number, got '4'"],
    [
      "sliceMs: negative",
      [],
      { sliceMs: -1 },
      "options.sliceMs must be 0 or more milliseconds, got -1",
    ],
    [
      "sliceMs: NaN",
      [],
      { sliceMs: Number.NaN },
      "options.sliceMs must be 0 or more milliseconds, got NaN",
    ],
  ])("refuses %s", async (_, pids, options, message) => {
    const refused = inspectProcesses(pids as number[], options as InspectProcessesOptions);
    await expect(refused).rejects.toThrow(message);
  });
});

function statLine(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, "latin1");
}
