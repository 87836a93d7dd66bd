/** What is different about processes on Windows, asked about real ones. */
import { beforeEach, describe, expect, test } from "vitest";

import {
  getProcessArgs,
  getProcessStartTime,
  identifyProcess,
  inspectProcess,
  isPidAlive,
  nativeStatus,
  verifyProcess,
  waitForProcessExit,
} from "../../../lib/index.js";
import { nodeArguments, type RunningChild, startReady } from "../../support/processes/child.js";
import { program } from "../../support/processes/programs.js";
import { requireNative, requireWindows } from "../../support/require.js";

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");

beforeEach((context) => {
  requireWindows(context, "its own facts about processes");
  requireNative(context);
});

function startIdle(): Promise<RunningChild & { readonly first: string }> {
  return startReady(process.execPath, IDLE);
}

/** A process that has a handle to that process and keeps it beyond its end. */
function holdProcess(pid: number): Promise<RunningChild> {
  return startReady(program("hold-process"), [String(pid)]);
}

/** Whether Node itself finds something under that pid. */
function answersSignalZero(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("the addon answers", () => {
  expect(nativeStatus()).toMatchObject({ backend: "native" });
});

test("a pid is a multiple of four: the three numbers after a live one are no process's", async () => {
  const child = await startIdle();
  for (const offset of [1, 2, 3]) {
    const pid = child.pid + offset;
    // OpenProcess rounds down, and finds the child.
    expect(answersSignalZero(pid)).toBe(true);
    expect(isPidAlive(pid)).toBe(false);
    expect(getProcessStartTime(pid)).toBeNull();
    expect(getProcessArgs(pid)).toBeNull();
    expect(identifyProcess(pid)).toBeNull();
    expect(inspectProcess(pid)).toMatchObject({ state: "gone", reason: "invalid-pid" });
  }
  expect(isPidAlive(child.pid)).toBe(true);
});

describe("a process that has ended while another process holds a handle to it", () => {
  test("is gone, and says why", async () => {
    const child = await startIdle();
    await holdProcess(child.pid);
    await child.kill();
    expect(isPidAlive(child.pid)).toBe(false);
    expect(getProcessStartTime(child.pid)).toBeNull();
    expect(getProcessArgs(child.pid)).toBeNull();
    expect(identifyProcess(child.pid)).toBeNull();
    expect(verifyProcess(child.first)).toEqual({ state: "gone", reason: "exited" });
    expect(inspectProcess(child.pid)).toMatchObject({
      state: "gone",
      reason: "exited",
      startTime: null,
      args: null,
      argsReason: "gone",
    });
  });

  test("is gone with exit code 259 (STILL_ACTIVE), too", async () => {
    const script = "process.stdin.once('data', () => process.exit(259)); console.log('ready');";
    const child = await startReady(process.execPath, nodeArguments(script));
    const token = identifyProcess(child.pid) ?? "";
    const holder = await holdProcess(child.pid);
    child.say("exit");
    expect(await child.exited()).toBe(259);
    // This is how GetExitCodeProcess, and Node with it, takes it for a running one.
    expect(answersSignalZero(child.pid)).toBe(true);
    expect(isPidAlive(child.pid)).toBe(false);
    expect(inspectProcess(child.pid)).toMatchObject({ state: "gone", reason: "exited" });
    expect(verifyProcess(token)).toEqual({ state: "gone", reason: "exited" });
    await expect(waitForProcessExit(token, { timeoutMs: 0 })).resolves.toBe("exited");
    holder.process.stdin?.end();
    expect((await holder.line()).trim()).toBe("259");
  });
});

describe("command lines", () => {
  test.each<[string, readonly string[]]>([
    ["empty arguments", ["", "a", "", "", "b", ""]],
    ["text of all planes", ["é", "日本", "😀", "\u{10ffff}"]],
    [
      "quotes and backslashes",
      ['"', 'a"b', "\\", "a\\", 'a\\"b', "\\\\", '\\\\"', "a b\\", "\\\\server\\x y"],
    ],
    ["blanks of all kinds", [" ", "\t", " a ", "a\tb", "a\nb", "\u00a0"]],
    ["what a shell would take for its own", ["%PATH%", "^", "&", "|", "*", "a;b", "$x", "'"]],
    ["many arguments", Array.from({ length: 2000 }, (_, index) => String(index))],
  ])("%s come back as they were given", async (_, given) => {
    const script = [...nodeArguments("console.log('ready'); process.stdin.resume();"), "--"];
    const child = await startReady(process.execPath, [...script, ...given]);
    expect(getProcessArgs(child.pid)).toEqual([process.execPath, ...script, ...given]);
  });

  test("the raw text is what the parent gave, its own quoting included", async () => {
    const script = `"console.log(1);process.stdin.resume()"`;
    const child = await startReady(process.execPath, ["-e", script, 'x"y  z"w', "c\\\\d", "  e"], {
      windowsVerbatimArguments: true,
    });
    expect(inspectProcess(child.pid)).toMatchObject({
      commandLine: expect.stringMatching(
        / -e "console\.log\(1\);.*" x"y  z"w c\\\\d {3}e$/u,
      ) as string,
      args: [process.execPath, "-e", script.slice(1, -1), "xy  zw", "c\\\\d", "e"],
    });
  });
});

test("start times are microseconds since the Unix epoch, frozen, and differ between two children", async () => {
  const [one, two] = [await startIdle(), await startIdle()];
  const startTime = getProcessStartTime(one.pid) ?? Number.NaN;
  expect(Number.isSafeInteger(startTime)).toBe(true);
  expect(Math.abs(startTime / 1000 - Date.now())).toBeLessThan(60_000);
  for (let round = 0; round < 1000; round++) {
    expect(getProcessStartTime(one.pid)).toBe(startTime);
  }
  expect(inspectProcess(one.pid).startedAtMs).toBe(Math.round(startTime / 1000));
  expect(getProcessStartTime(two.pid)).toBeGreaterThan(startTime);
});

test("a child is named alike by itself and by others, and waited for to its end", async () => {
  const child = await startIdle();
  expect(identifyProcess(child.pid)).toBe(child.first);
  expect(verifyProcess(child.first)).toEqual({ state: "same", reason: "running" });
  await expect(waitForProcessExit(child.first, { timeoutMs: 20 })).resolves.toBe("timeout");
  const exit = waitForProcessExit(child.first);
  await child.kill();
  await expect(exit).resolves.toBe("exited");
  expect(verifyProcess(child.first).state).toBe("gone");
});

test("another start time at the same pid is another process", () => {
  const fields = identifyProcess()?.split(".") ?? [];
  const earlier = fields.with(7, String(Number(fields[7]) - 5000)).with(8, "-");
  expect(verifyProcess(earlier.join("."))).toEqual({ state: "gone", reason: "recycled" });
});

test("the kernel's own process is alive and has an empty command line", (context) => {
  const info = inspectProcess(4);
  if (info.state === "gone") return context.skip("needs the process System, which Wine lacks");
  expect(info).toMatchObject({ state: "alive", args: [], argsReason: null });
});
