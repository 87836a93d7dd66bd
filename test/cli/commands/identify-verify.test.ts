import { expect, test } from "vitest";

import { identifyProcess } from "../../../lib/process/identity.js";
import { ENDED, startReady } from "../../support/processes/child.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { program } from "../../support/processes/programs.js";
import { requireLinux } from "../../support/require.js";

async function tokenOf(pid: number): Promise<string> {
  const { stdout } = await runHere(["identify", String(pid)]);
  return stdout.trim();
}

test("identify prints the token of that process and nothing else", async () => {
  const child = await liveOwner();
  const expected = { code: 0, stdout: `${String(identifyProcess(child.pid))}\n`, stderr: "" };
  expect(await runHere(["identify", String(child.pid)])).toEqual(expected);
});

test("identify without a pid names the process that started the command, not the command", async () => {
  const { code, stdout } = await runProgram(["identify"]);
  expect(stdout).toBe(`${String(identifyProcess(process.pid))}\n`);
  expect(code).toBe(0);
});

test("identify of a process that has ended exits with 1 and says why on standard error", async () => {
  const pid = await endedPid();
  const { code, stdout, stderr } = await runHere(["identify", String(pid)]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  const [, reason, named] =
    /^pidentity: cannot name the process \((.+)\): (\d+)\n$/u.exec(stderr) ?? [];
  expect(reason).toMatch(ENDED);
  expect(named).toBe(String(pid));
});

test("a zombie has no name any more, and the reason says that it is one", async (context) => {
  requireLinux(context, "zombies");
  const parent = await startReady(program("zombie-parent"));
  const { code, stderr } = await runHere(["identify", parent.first]);
  expect(stderr).toBe(`pidentity: cannot name the process (zombie): ${parent.first}\n`);
  expect(code).toBe(1);
});

test("identify --json is one document, with a token and without", async () => {
  const named = await runHere(["identify", String(process.pid), "--json"]);
  const token = identifyProcess();
  expect(JSON.parse(named.stdout)).toEqual({
    schemaVersion: 1,
    pid: process.pid,
    token,
    reason: null,
  });
  const pid = await endedPid();
  const nameless = await runHere(["identify", String(pid), "--json"]);
  expect(JSON.parse(nameless.stdout)).toEqual({
    schemaVersion: 1,
    pid,
    token: null,
    reason: expect.stringMatching(ENDED) as string,
  });
  expect(nameless.code).toBe(1);
});

test("verify of running processes is the same, with exit code 0", async () => {
  const child = await liveOwner();
  const token = await tokenOf(child.pid);
  const { code, stdout } = await runHere(["verify", token]);
  expect(stdout).toMatch(/^STATE +REASON +TOKEN\nsame +running +pi1\./u);
  expect(stdout).toContain(token);
  expect(code).toBe(0);
});

test("verify of one that has ended is gone, with exit code 1 whatever stands beside it", async () => {
  const child = await liveOwner();
  const token = await tokenOf(child.pid);
  await child.kill();
  const { code, stdout } = await runHere(["verify", await tokenOf(process.pid), token, "?"]);
  const gone = /^same .*\ngone +(\S+) .*\nunknown +malformed +\?$/mu.exec(stdout);
  expect(gone?.[1]).toMatch(ENDED);
  expect(code).toBe(1);
});

test("verify of what proves nothing exits with 3: neither running nor gone", async () => {
  const foreign = (await tokenOf(process.pid)).replace(
    /^(pi1\.[^.]+)\.[^.]+\.[^.]+\.[^.]+/u,
    `$1.${"0".repeat(16)}.${"0".repeat(8)}.${"0".repeat(32)}`,
  );
  const { code, stdout } = await runHere(["verify", foreign, await tokenOf(process.pid)]);
  expect(stdout).toMatch(/^unknown +other-host /mu);
  expect(code).toBe(3);
});

test("verify --json is one document, in the order asked", async () => {
  const token = await tokenOf(process.pid);
  const { code, stdout } = await runHere(["verify", "x\u001B[2J", token, "--json"]);
  expect(JSON.parse(stdout)).toEqual({
    schemaVersion: 1,
    tokens: [
      { token: "x\u001B[2J", state: "unknown", reason: "malformed" },
      { token, state: "same", reason: "running" },
    ],
  });
  expect(code).toBe(3);
});

test("verify shows a hostile token without obeying it", async () => {
  const { stdout } = await runHere(["verify", "x\u001B[2J"]);
  expect(stdout).toContain(String.raw`x\x1b[2J`);
  expect(stdout).not.toContain("\u001B");
});
