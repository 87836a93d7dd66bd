import { openSync, closeSync, readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { runProgram, startProgram } from "../support/command-line.js";
import { endedPid } from "../support/locks/lock-directory.js";
import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

const MAIN = join(ROOT, "dist/cli/main.js");

test("the program's file starts with the line that makes it one", () => {
  expect(readFileSync(MAIN, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/u);
});

test("package.json's bin names that file", () => {
  const { bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    bin: Record<string, string>;
  };
  expect(join(ROOT, bin["pidentity"] ?? "")).toBe(MAIN);
});

test("answers, exit code and streams are those of the command", async () => {
  const pid = await endedPid();
  const answer = await runProgram(["ps", String(pid), "--json"]);
  expect(JSON.parse(answer.stdout)).toMatchObject({ processes: [{ pid, state: "gone" }] });
  expect(answer).toMatchObject({ code: 1, stderr: "" });
  const refusal = await runProgram(["ps", "one"]);
  expect(refusal).toMatchObject({ code: 2, stdout: "" });
  expect(refusal.stderr).toContain('"one"');
});

test("a pipe is no terminal: no colour, whatever its environment forces", async () => {
  const { stdout } = await runProgram(["ps", String(process.pid)], { FORCE_COLOR: "1" });
  expect(stdout).toContain("alive");
  expect(stdout).not.toContain("\u001B");
});

test("a reader that has gone (| head) is no error, and the exit code still tells the truth", async () => {
  const child = startProgram(["ps", String(await endedPid())]);
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  // Before it can have written anything: its first byte finds no reader.
  child.stdout?.destroy();
  const [code] = (await once(child, "close")) as [number];
  expect(errors).toBe("");
  expect(code).toBe(1);
});

test("output that cannot be written exits with 2 and says why", async (context) => {
  requireLinux(context, "/dev/full");
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [MAIN, "--help"], { stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  onTestFinished(() => void child.kill("SIGKILL"));
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code] = (await once(child, "close")) as [number];
  expect(errors).toContain("pidentity: cannot write the output: ENOSPC");
  expect(code).toBe(2);
});
