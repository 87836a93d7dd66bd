/** `pidentity tree`: which process has started which. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { expect, test } from "vitest";

import { inspectProcess } from "../../../lib/process/inspect.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { start } from "../../support/processes/child.js";
import { startTree } from "../../support/processes/process-trees.js";
import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requirePosix, requireRoot } from "../../support/require.js";

const MAIN = join(ROOT, "dist/cli/main.js");

interface Listed {
  readonly pid: number;
  readonly parentPid: number | null;
  readonly depth: number;
}

async function listed(args: readonly string[]): Promise<Listed[]> {
  const { code, stdout } = await runProgram(["tree", ...args, "--json"]);
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { processes: Listed[] }).processes;
}

test("the tree below a pid has what descends from it, with lines", async (context) => {
  requireNative(context);
  requirePosix(context, "a shell");
  const script = `sleep 601 & sh -c 'sleep 602 & echo $$ $!; wait'; :`;
  const { shell, pids } = await startTree(script, { detached: true });
  try {
    const { code, stdout } = await runProgram(["tree", String(shell.pid)]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^PID +AGE +COMMAND$/u);
    expect(lines.slice(1).map((line) => line.slice(lines[0]?.indexOf("COMMAND")))).toEqual([
      `/bin/sh -c ${script}`,
      "|- sleep 601",
      "`- sh -c sleep 602 & echo $$ $!; wait",
      "   `- sleep 602",
    ]);
    const [, inner, innermost] = pids;
    expect(lines.map((line) => parseInt(line, 10)).slice(-2)).toEqual([inner, innermost]);
    expect(code).toBe(0);
  } finally {
    process.kill(-shell.pid, "SIGKILL");
  }
});

test("a terminal gets box characters, cut to its width", async (context) => {
  requireNative(context);
  const script = `
    const { spawn } = await import("node:child_process");
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()", "--", "x".repeat(300)],
      { stdio: ["pipe", "ignore", "ignore"] });
    child.once("spawn", () => console.log(child.pid));
    process.stdin.resume();
    process.stdin.on("close", () => child.kill("SIGKILL"));
  `;
  const parent = await start(process.execPath, ["--input-type=module", "-e", script]);
  const child = await parent.line();
  const terminal = { isTTY: true, columns: 60, env: { NO_COLOR: "1" } };
  const { stdout } = await runHere(["tree", String(parent.pid)], terminal);
  const line = stdout.split("\n").find((text) => text.startsWith(`${child} `)) ?? "";
  expect(line).toContain(" └─ ");
  expect(line.endsWith("…")).toBe(true);
  expect(line).toHaveLength(60);
  parent.process.stdin?.end();
  await parent.exited();
});

test("without a pid it is the tree of all processes, each once, below its parent", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const all = await listed([]);
  const pids = all.map(({ pid }) => pid);
  expect(new Set(pids).size).toBe(pids.length);
  const at = (pid: number): number => pids.indexOf(pid);
  expect(at(child.pid)).toBeGreaterThan(at(process.pid));
  const [own, other] = [all[at(process.pid)], all[at(child.pid)]];
  expect(other).toMatchObject({ parentPid: process.pid, depth: (own?.depth ?? -2) + 1 });
  const misplaced = all.filter(({ parentPid, depth }, index) => {
    if (parentPid === null) return depth !== 0;
    return at(parentPid) >= index || depth !== (all[at(parentPid)]?.depth ?? -2) + 1;
  });
  expect(misplaced).toEqual([]);
});

test("--json has the fields of ps and the depth", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const { stdout } = await runHere(["tree", String(child.pid), "--json"], { isTTY: true });
  expect(JSON.parse(stdout)).toEqual({
    schemaVersion: 1,
    processes: [
      {
        ...inspectProcess(child.pid),
        startedAtMs: expect.closeTo(Date.now(), -5),
        parentPid: process.pid,
        depth: 0,
      },
    ],
  });
});

test("a pid that no process has is said so: 1", async (context) => {
  requireNative(context);
  const pid = String(await endedPid());
  const { code, stdout, stderr } = await runHere(["tree", pid]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(new RegExp(`^pidentity: no such process \\([\\w-]+\\): ${pid}\n$`, "u"));
  const json = await runHere(["tree", pid, "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({ schemaVersion: 1, processes: [] });
});

test("where processes cannot be listed, ps and tree say so: 2", async (context) => {
  requireNative(context);
  requireRoot(context, "makes a pid namespace without a /proc of its own");
  for (const command of ["tree", "ps"]) {
    const args = ["--pid", "--fork", "--kill-child", process.execPath, MAIN, command];
    const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toBe(
      "pidentity: processes cannot be listed here (backend native): pidentity native says why\n",
    );
  }
});

test("a hostile command line cannot drive the terminal", async (context) => {
  requireNative(context);
  const hostile = "\u001B[2J\u001B]0;owned\u0007\r\n\u009B31m\u202E\u2028!";
  const child = await start(process.execPath, ["-e", "process.stdin.resume()", "--", hostile]);
  const { stdout } = await runHere(["tree", String(child.pid)], { isTTY: true, columns: 300 });
  expect(stdout).toContain(String.raw`\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\u2028!`);
  expect(stdout.trimEnd().split("\n")).toHaveLength(2);
});
