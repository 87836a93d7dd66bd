import { describe, expect, test } from "vitest";

import { displayWidth } from "../../../lib/cli/terminal/display-width.js";
import { isValidPid } from "../../../lib/process/pid.js";
import { inspectProcess } from "../../../lib/process/inspect.js";
import { ENDED, start, startReady } from "../../support/processes/child.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { program } from "../../support/processes/programs.js";
import { requireLinux, requireNative } from "../../support/require.js";

test("a live process has a line with its parent, its start and its command line", async () => {
  const child = await liveOwner();
  const { code, stdout, stderr } = await runHere(["ps", String(child.pid)]);
  const [header, line = ""] = stdout.split("\n");
  expect(header).toMatch(/^PID +STATE +PPID +STARTED +AGE +COMMAND$/u);
  const [pid, state, parent, date, time, age, ...command] = line.split(/ +/u);
  expect([pid, state, parent]).toEqual([String(child.pid), "alive", String(process.pid)]);
  // Without Z: local time.
  const startedAt = Date.parse(`${date ?? ""}T${time ?? ""}`);
  expect(Math.abs(startedAt - Date.now())).toBeLessThan(60_000);
  expect(age).toMatch(/^\d+[sm]$/u);
  expect(command.join(" ")).toContain("process.stdin.resume()");
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test("the age is that of the process, by the wall clock, and never negative", async () => {
  const child = await liveOwner();
  const { startedAtMs } = inspectProcess(child.pid);
  const ageAt = async (ms: number): Promise<string | undefined> => {
    const terminal = { wallClock: () => (startedAtMs ?? 0) + ms };
    const { stdout } = await runHere(["ps", String(child.pid)], terminal);
    return stdout.split("\n")[1]?.split(/ +/u)[5];
  };
  expect(await ageAt(2 * 86_400_000 + 3_600_000 + 30_000)).toBe("2d1h");
  // The clock was set back since.
  expect(await ageAt(-60_000)).toBe("0s");
});

test("a process that has ended is gone, with the reason, and the exit code says so", async () => {
  const pid = await endedPid();
  const { code, stdout } = await runHere(["ps", String(pid), String(process.pid)]);
  const gone = new RegExp(`^${pid} +gone \\((.+?)\\) +- +- +- +-$`, "mu").exec(stdout);
  expect(gone?.[1]).toMatch(ENDED);
  expect(stdout).toMatch(new RegExp(`^${process.pid} +alive `, "mu"));
  expect(code).toBe(1);
});

test("a zombie is gone although something has its pid", async (context) => {
  requireLinux(context, "zombies");
  const parent = await startReady(program("zombie-parent"));
  const { code, stdout } = await runHere(["ps", parent.first]);
  expect(stdout).toContain("gone (zombie)");
  expect(code).toBe(1);
});

test("a number beyond every pid is gone, not an error", async () => {
  const pid = 2 ** 52;
  expect(isValidPid(pid)).toBe(false);
  const { code, stdout } = await runHere(["ps", String(pid)]);
  expect(stdout).toContain("gone (invalid-pid)");
  expect(code).toBe(1);
});

test("one wrong pid among good ones prints no half table", async () => {
  const { code, stdout } = await runHere(["ps", "1", "one"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
});

test("--json is one document with the fields of inspectProcess, each pid once", async () => {
  const child = await liveOwner();
  const pid = String(child.pid);
  const { code, stdout } = await runHere(["ps", pid, pid, "--json"], { isTTY: true });
  const document = JSON.parse(stdout) as { processes: object[] };
  expect(document).toMatchObject({ schemaVersion: 1 });
  expect(document.processes).toEqual([
    { ...inspectProcess(child.pid), startedAtMs: expect.closeTo(Date.now(), -5) },
  ]);
  expect(code).toBe(0);
});

describe("without a pid", () => {
  test("every process has a line, by pid, and the exit code is 0", async (context) => {
    requireNative(context);
    const child = await liveOwner();
    const { code, stdout, stderr } = await runProgram(["ps"]);
    const [header, ...lines] = stdout.trimEnd().split("\n");
    expect(header).toMatch(/^PID +STATE +PPID +STARTED +AGE +COMMAND$/u);
    const pids = lines.map((line) => Number(line.split(" ")[0]));
    expect(pids).toEqual(pids.toSorted((one, other) => one - other));
    expect(new Set(pids).size).toBe(pids.length);
    expect(pids).toContain(process.pid);
    const line = lines.find((text) => text.startsWith(`${String(child.pid)} `));
    expect(line).toContain("process.stdin.resume()");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("--json has the document of ps with pids", async (context) => {
    requireNative(context);
    const child = await liveOwner();
    const { code, stdout } = await runProgram(["ps", "--json"]);
    const document = JSON.parse(stdout) as { processes: { pid: number }[] };
    expect(Object.keys(document)).toEqual(["schemaVersion", "processes"]);
    expect(document.processes.find(({ pid }) => pid === child.pid)).toEqual({
      ...inspectProcess(child.pid),
      startedAtMs: expect.closeTo(Date.now(), -5),
    });
    expect(code).toBe(0);
  });

  test("lines are cut to the terminal's width", async (context) => {
    requireNative(context);
    const long = "x".repeat(500);
    const script = "console.log(1); process.stdin.resume()";
    await startReady(process.execPath, ["-e", script, "--", long]);
    const terminal = { isTTY: true, columns: 120, env: { NO_COLOR: "1" } };
    const { stdout } = await runHere(["ps"], terminal);
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(120);
    expect(lines.some((line) => line.endsWith("…"))).toBe(true);
  });
});

const HOSTILE = "\u001B[2J\u001B]0;owned\u0007\r\n\u009B31m\u202Egnp.exe\u2028\u007F";
const SHOWN = String.raw`\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202egnp.exe\u2028\x7f`;

test("a hostile command line cannot drive the terminal", async () => {
  const child = await start(process.execPath, ["-e", "process.stdin.resume()", "--", HOSTILE]);
  const { stdout } = await runHere(["ps", String(child.pid)]);
  expect(stdout).toContain(SHOWN);
  expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  expect(stdout.trimEnd().split("\n")).toHaveLength(2);
});

test("a hostile command line survives --json without a byte that a terminal obeys", async () => {
  const child = await start(process.execPath, ["-e", "process.stdin.resume()", "--", HOSTILE]);
  const { stdout } = await runHere(["ps", String(child.pid), "--json"]);
  expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
  const document = JSON.parse(stdout) as { processes: { args: string[] }[] };
  expect(document.processes[0]?.args.at(-1)).toBe(HOSTILE);
});

// Five columns of facts leave no room on a narrow terminal: the rest keeps 8 cells, and wraps.
test.each([
  [200, 200],
  [80, 80],
  [40, "the facts and 8 cells"],
])("on a terminal of %i columns a long command line is cut", async (columns, expected) => {
  const long = "x".repeat(500);
  const child = await start(process.execPath, ["-e", "process.stdin.resume()", "--", long]);
  const terminal = { isTTY: true, columns, env: { NO_COLOR: "1" } };
  const { stdout } = await runHere(["ps", String(child.pid)], terminal);
  const [header = "", line = ""] = stdout.split("\n");
  expect(line.endsWith("…")).toBe(true);
  const facts = header.indexOf("COMMAND");
  expect(line).toHaveLength(typeof expected === "number" ? expected : facts + 8);
});

test("into a pipe the command line goes whole", async () => {
  const long = "x".repeat(500);
  const child = await start(process.execPath, ["-e", "process.stdin.resume()", "--", long]);
  const { stdout } = await runProgram(["ps", String(child.pid)]);
  expect(stdout).toContain(long);
});

test("colour is for terminals whose user has not refused it", async () => {
  const ps = ["ps", String(process.pid)];
  const hasColor = async (isTTY: boolean, env: Record<string, string>): Promise<boolean> =>
    (await runHere(ps, { isTTY, env })).stdout.includes("\u001B[32malive");
  expect(await hasColor(true, {})).toBe(true);
  expect(await hasColor(true, { NO_COLOR: "" })).toBe(true);
  expect(await hasColor(true, { NO_COLOR: "1" })).toBe(false);
  expect(await hasColor(true, { TERM: "dumb" })).toBe(false);
  expect(await hasColor(false, {})).toBe(false);
});
