/** waitForProcessExit on real processes, with a pidfd and without. */
import { getEventListeners } from "node:events";

import { beforeEach, describe, expect, test } from "vitest";

import {
  identifyProcess,
  inspectProcess,
  ProcessUnknownError,
  waitForProcessExit,
} from "../../lib/index.js";
import { environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, start, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
const OWN = identifyProcess() ?? "";

test("resolves when the process ends", async () => {
  const child = await startReady(process.execPath, IDLE);
  const exit = waitForProcessExit(child.first);
  await child.kill();
  await expect(exit).resolves.toBe("exited");
});

test("resolves at once for one that is already gone", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  await expect(waitForProcessExit(child.first, { timeoutMs: 0 })).resolves.toBe("exited");
});

test("an exited process that its parent has not reaped has ended", async (context) => {
  requireLinux(context, "zombies");
  const child = Number((await startReady(program("zombie-parent"), ["later"])).first);
  const exit = waitForProcessExit(identifyProcess(child) ?? "");
  process.kill(child, "SIGKILL");
  await expect(exit).resolves.toBe("exited");
  expect(inspectProcess(child).reason).toBe("zombie");
});

test("times out on one that keeps running, not before its time", async () => {
  const started = performance.now();
  await expect(waitForProcessExit(OWN, { timeoutMs: 60 })).resolves.toBe("timeout");
  expect(performance.now() - started).toBeGreaterThanOrEqual(59);
});

test("a timeout of 0 looks once", async () => {
  await expect(waitForProcessExit(OWN, { timeoutMs: 0 })).resolves.toBe("timeout");
});

describe("what cannot be decided rejects with the reason", () => {
  const fields = OWN.split(".");
  const foreign = fields.with(2, "0".repeat(16)).with(4, "0".repeat(32)).join(".");
  test.each<[string, unknown, string]>([
    ["of another host", foreign, "other-host"],
    ["that is none", "pi9.what", "malformed"],
    ["that is no text", 7, "malformed"],
    ["that is a symbol", Symbol("x"), "malformed"],
  ])("a token %s", async (_, token, reason) => {
    const error = await waitForProcessExit(token as string).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ProcessUnknownError);
    expect(error).toMatchObject({
      name: "ProcessUnknownError",
      code: "PROCESS_UNKNOWN",
      reason,
      token,
    });
    expect((error as Error).message).toBe(
      `cannot tell whether the process is running (${reason}): ${String(token)}`,
    );
  });
});

describe("an abort", () => {
  test("rejects with the signal's reason and leaves no listener behind", async () => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const exit = waitForProcessExit(OWN, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(exit).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  test("before the call rejects without looking", async () => {
    const reason = new Error("too late");
    const exit = waitForProcessExit("malformed", { signal: AbortSignal.abort(reason) });
    await expect(exit).rejects.toBe(reason);
  });

  test("right after the call rejects as well", async () => {
    const controller = new AbortController();
    const exit = waitForProcessExit(OWN, { signal: controller.signal });
    controller.abort();
    await expect(exit).rejects.toThrow("aborted");
  });

  test("a wait that ends by itself leaves no listener behind", async () => {
    const { signal } = new AbortController();
    await waitForProcessExit(OWN, { signal, timeoutMs: 30 });
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

test.each([
  [
    { timeoutMs: -1 },
    RangeError,
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got -1",
  ],
  [
    { timeoutMs: Number.NaN },
    RangeError,
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got NaN",
  ],
  [
    { timeoutMs: "5" },
    TypeError,
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got '5'",
  ],
  [
    { timeoutMs: null },
    TypeError,
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got null",
  ],
  [{ signal: "stop" }, TypeError, "options.signal must be an AbortSignal, got 'stop'"],
  [7, TypeError, "options must be an object, got 7"],
])("refuses %o", async (options, type, message) => {
  const error = await waitForProcessExit(OWN, options as object).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(type);
  expect((error as Error).message).toBe(message);
});

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  beforeEach((context) => requireLinux(context, "two backends"));
  const env = environmentFor(name);

  test("notices an exit soon, and keeps its process alive until then", async () => {
    // 100 ms is what the benchmark measures; a busy or emulated machine delays all processes.
    expect(await delayOfNotice()).toBeLessThan(5000);
  });

  async function delayOfNotice(): Promise<number> {
    const child = await startReady(program("idle"));
    const waiter = await startReady(
      process.execPath,
      nodeArguments(`
        const exit = p.waitForProcessExit(${JSON.stringify(identifyProcess(child.pid))});
        console.log("waiting");
        console.log(await exit);
      `),
      { env },
    );
    waiter.process.stdin?.end();
    await child.kill();
    const ended = performance.now();
    expect(await waiter.line()).toBe("exited");
    const delay = performance.now() - ended;
    expect(await waiter.exited()).toBe(0);
    return delay;
  }

  test("holds no descriptor afterwards", async () => {
    const child = await start(process.execPath, IDLE);
    const token = JSON.stringify(await child.line());
    const leaked = await runNode(
      `import { readdirSync } from "node:fs";
       const count = () => readdirSync("/proc/self/fd").length;
       await p.waitForProcessExit(${token}, { timeoutMs: 5 });
       const before = count();
       for (let i = 0; i < 50; i++) await p.waitForProcessExit(${token}, { timeoutMs: 1 });
       console.log(count() - before);`,
      { env },
    );
    expect(leaked).toBe(0);
  });
});
