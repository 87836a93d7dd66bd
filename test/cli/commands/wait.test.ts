/** `pidentity wait`: the end of processes that need not be children. */
import { once } from "node:events";
import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { identifyProcess } from "../../../lib/process/identity.js";
import { runHere, runProgram, startProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { requireNative, requirePosix } from "../../support/require.js";
import { waitFor } from "../../support/wait-for.js";

/** A token of a process on a host that is not this one. */
function foreignToken(pid: number): string {
  const fields = (identifyProcess(pid) ?? "").split(".");
  fields[2] = "0".repeat(16);
  fields[4] = "0".repeat(32);
  return fields.join(".");
}

test("it ends with 0 when all have ended, however they were named", async (context) => {
  requireNative(context);
  const first = await liveOwner();
  const second = await liveOwner();
  const token = identifyProcess(second.pid) ?? "";
  const waiting = runProgram(["wait", String(first.pid), token, String(await endedPid())]);
  let isOver = false;
  void waiting.then(() => (isOver = true));
  await first.kill();
  expect(isOver).toBe(false);
  await second.kill();
  expect(await waiting).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("after the timeout it ends with 1 and lists those that still run", async (context) => {
  requireNative(context);
  const alive = await liveOwner();
  const args = ["wait", String(alive.pid), String(await endedPid()), "--timeout", "50"];
  const { code, stdout } = await runProgram(args);
  expect(stdout).toBe(`${String(alive.pid)} running\n`);
  expect(code).toBe(1);
});

test("a timeout of 0 only looks", async (context) => {
  requireNative(context);
  const args = ["--timeout", "0", "--json"];
  const running = await runHere(["wait", String(process.pid), ...args]);
  expect(JSON.parse(running.stdout)).toEqual({
    schemaVersion: 1,
    processes: [{ process: String(process.pid), pid: process.pid, state: "running", reason: null }],
  });
  expect(running.code).toBe(1);
  const pid = await endedPid();
  const ended = await runHere(["wait", String(pid), ...args]);
  expect(JSON.parse(ended.stdout)).toMatchObject({ processes: [{ pid, state: "ended" }] });
  expect(ended.code).toBe(0);
});

test("a token of a process whose pid another one has by now counts as ended", async (context) => {
  requireNative(context);
  const fields = (identifyProcess() ?? "").split(".");
  // The same pid, an earlier start and another exact id.
  fields[7] = "1";
  if (fields[8] !== "-") fields[8] = "1";
  const { code, stdout } = await runHere(["wait", fields.join("."), "--timeout", "1000"]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
});

test("a process of which nothing can be told is neither ended nor running: 3", async (context) => {
  requireNative(context);
  const token = foreignToken(process.pid);
  const { code, stdout } = await runHere(["wait", token, "--timeout", "1000"]);
  expect(stdout).toBe(`${token} unknown (other-host)\n`);
  expect(code).toBe(3);
});

test("one of which nothing can be told is no reason to give up on the others", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const unknown = [foreignToken(child.pid), foreignToken(process.pid), "pi9.of.another.version"];
  const args = ["wait", ...unknown, String(child.pid), ...unknown];
  const looked = await runHere([...args, "--timeout", "0"]);
  expect(looked.stdout).toContain(`${String(child.pid)} running\n`);
  expect(looked.code).toBe(1);
  const waiting = runHere(args);
  await child.kill();
  const { code, stdout } = await waiting;
  expect(stdout.match(/ unknown \(other-host\)$/gmu)).toHaveLength(4);
  expect(stdout.match(/ unknown \(malformed\)$/gmu)).toHaveLength(2);
  expect(stdout).not.toContain("running");
  expect(code).toBe(3);
});

test("Ctrl-C ends it at once", async (context) => {
  requireNative(context);
  requirePosix(context, "signals");
  const child = startProgram(["wait", String(process.pid), "--timeout", "60000"]);
  if (process.platform === "linux") {
    await waitFor("its start", () =>
      readFileSync(`/proc/${String(child.pid)}/maps`, "latin1").includes("pidentity"),
    );
  }
  child.kill("SIGINT");
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
});

test.each([
  [[], "at least one pid or token is required"],
  [["soon"], "neither a pid nor a token: soon"],
  [["0"], "pid must be an integer of 1 or more"],
  [["1", "--timeout", "-5"], "option needs a value: --timeout"],
  [["1", "--timeout", "1.5"], "--timeout must be an integer of 0 or more milliseconds"],
])("wrong usage is refused: wait %j", async (args, message) => {
  const { code, stderr, stdout } = await runHere(["wait", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});
