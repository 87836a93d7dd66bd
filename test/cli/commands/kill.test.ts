/** `pidentity kill`: ends or signals the very process that was named, or none. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { identifyProcess } from "../../../lib/process/identity.js";
import { isPidAlive } from "../../../lib/process/inspect.js";
import { answering, runHere, runProgram, startProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { type RunningChild, startReady } from "../../support/processes/child.js";
import { stateOf } from "../../support/processes/process-state.js";
import { startTree } from "../../support/processes/process-trees.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireRoot,
  requireWindows,
} from "../../support/require.js";

/** Windows has no SIGTERM to handle: there a process is terminated. */
const TERM = process.platform === "win32" ? "SIGKILL" : "SIGTERM";

/** Says which signals it gets, and goes on. */
function startStubborn(): Promise<RunningChild> {
  const script = `
    for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => console.log(name));
    setInterval(() => {}, 1e6);
    console.log("ready");`;
  return startReady(process.execPath, ["-e", script]);
}

function tokenOf(pid: number): string {
  return identifyProcess(pid) ?? "";
}

/** The same pid, an earlier start and another exact id: the process that had the pid before. */
function earlierToken(pid: number): string {
  const fields = tokenOf(pid).split(".");
  fields[7] = "1";
  if (fields[8] !== "-") fields[8] = "1";
  return fields.join(".");
}

/** A token of a process on a host that is not this one. */
function foreignToken(pid: number): string {
  const fields = tokenOf(pid).split(".");
  fields[2] = "0".repeat(16);
  fields[4] = "0".repeat(32);
  return fields.join(".");
}

/** A shell, a child of it, and a child of that; ended with the test. */
function startFamily(): ReturnType<typeof startTree> {
  return startTree(`sh -c 'sleep 602 & echo $$ $!; wait'; :`);
}

test("the process of a token is ended unasked, also where there is no terminal", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const token = tokenOf(child.pid);
  const answer = await runProgram(["kill", token]);
  expect(answer).toEqual({ code: 0, stdout: `${token} ended (${TERM})\n`, stderr: "" });
  await child.exited();
});

test("without a terminal and without --yes a pid is shown and left alone", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const { code, stdout, stderr } = await runProgram(["kill", String(child.pid)]);
  expect(stdout).toMatch(/^PID +AGE +COMMAND\n\d+ +\d+s +.*process\.stdin\.resume\(\)\n$/u);
  expect(stderr).toContain("there is no terminal to ask on: say --yes, or name");
  expect(code).toBe(2);
  expect(isPidAlive(child.pid)).toBe(true);
});

test("with --yes the process that has a pid is shown and ended", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const pid = String(child.pid);
  const { code, stdout, stderr } = await runProgram(["kill", pid, "--yes"]);
  const [, shown, ...outcome] = stdout.split("\n");
  expect(shown).toMatch(new RegExp(`^${pid} +\\d+s +.*process\\.stdin\\.resume`, "u"));
  expect(outcome).toEqual([`${pid} ended (${TERM})`, ""]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  await child.exited();
});

test.for([
  ["y", 0, "yes", TERM],
  ["n", 1, "no", "declined"],
  ["\r", 1, "no", "declined"],
  ["\u0003", 1, "no", "declined"],
] as const)(
  "on a terminal it asks about a pid: the key %j leads to %i",
  async ([key, code, echo, reason], context) => {
    requireNative(context);
    const child = await liveOwner();
    const io = { isTTY: true, events: answering(key) };
    const answer = await runHere(["kill", String(child.pid)], io);
    expect(answer.stderr).toBe(`End this process? [y/N] ${echo}\n`);
    expect(answer.stdout).toContain("process.stdin.resume()");
    const fate = code === 0 ? "ended" : "kept";
    expect(answer.stdout.endsWith(`\n${String(child.pid)} ${fate} (${reason})\n`)).toBe(true);
    expect(answer.code).toBe(code);
    expect(isPidAlive(child.pid)).toBe(code === 1);
  },
);

test("a no keeps those, too, that needed no question", async (context) => {
  requireNative(context);
  const first = await liveOwner();
  const second = await liveOwner();
  const args = ["kill", String(first.pid), tokenOf(second.pid)];
  const answer = await runHere(args, { isTTY: true, events: answering("n") });
  expect(answer.stderr).toContain("End these 2 processes? [y/N]");
  expect(answer.code).toBe(1);
  expect([first, second].map(({ pid }) => isPidAlive(pid))).toEqual([true, true]);
});

test("a process that ended while the question stood is gone, and nothing else is sent anything", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  let ended: Promise<void> | undefined;
  const events = answering("", () => (ended = child.kill()));
  const asking = {
    ...events,
    onKeys: (listener: (keys: string) => void) => {
      const stop = events.onKeys(() => {});
      void ended?.then(() => listener("y"));
      return stop;
    },
  };
  const pid = String(child.pid);
  const answer = await runHere(["kill", pid], { isTTY: true, events: asking });
  expect(answer.stdout).toMatch(new RegExp(`\n${pid} gone \\([\\w-]+\\)\n$`, "u"));
  expect(answer.code).toBe(0);
});

test("a later process of a token's pid is left alone", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const token = earlierToken(child.pid);
  for (const more of [[], ["--tree", "--yes"]]) {
    const { code, stdout } = await runHere(["kill", token, ...more]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${token} gone (recycled)\n` });
  }
  const signalled = await runHere(["kill", token, "--signal", "TERM"]);
  expect(signalled).toMatchObject({ code: 1, stdout: `${token} gone (recycled)\n` });
  expect(isPidAlive(child.pid)).toBe(true);
});

test("a process of which nothing can be told is sent nothing: 3", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const token = foreignToken(child.pid);
  for (const more of [[], ["--tree"], ["--signal", "TERM"]]) {
    const { code, stdout } = await runHere(["kill", token, ...more]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: `${token} unknown (other-host)\n` });
  }
  expect(isPidAlive(child.pid)).toBe(true);
});

test("without the addon nothing is sent", async () => {
  const child = await liveOwner();
  const args = ["kill", String(child.pid), "--yes"];
  const { code, stdout } = await runProgram(args, { PIDENTITY_NO_NATIVE: "1" });
  expect(stdout).toMatch(/(?:running|unknown) \(unsupported\)\n$/u);
  expect([1, 3]).toContain(code);
  expect(isPidAlive(child.pid)).toBe(true);
});

test("another user's process is sent nothing, and said to run: 1", async (context) => {
  requireNative(context);
  requireRoot(context, "to be another user's process");
  const child = await startStubborn();
  const { entry, node } = readablePackage();
  const [setpriv, ...options] = AS_NOBODY;
  const main = join(entry, "../cli/main.js");
  const token = tokenOf(child.pid);
  const args = [...options, node, main, "kill", token];
  const { status, stdout } = spawnSync(setpriv, args, { encoding: "utf8", cwd: "/" });
  expect({ status, stdout }).toEqual({ status: 1, stdout: `${token} running (access-denied)\n` });
  // Whatever it had been sent before it would have said first.
  process.kill(child.pid, "SIGHUP");
  expect(await child.line()).toBe("SIGHUP");
});

test("what does not end by itself is killed when the grace is over", async (context) => {
  requireNative(context);
  requirePosix(context, "SIGTERM");
  const child = await startStubborn();
  const pid = String(child.pid);
  const args = ["kill", pid, "--yes", "--grace-ms", "50", "--json"];
  const { code, stdout } = await runProgram(args);
  const token = expect.stringMatching(/^pi1\./u) as unknown;
  expect(JSON.parse(stdout)).toEqual({
    schemaVersion: 1,
    processes: [
      {
        process: pid,
        pid: child.pid,
        token,
        state: "ended",
        reason: "exited",
        signal: "SIGKILL",
        killed: [{ pid: child.pid, token, signal: "SIGKILL" }],
        survivors: [],
      },
    ],
  });
  expect(code).toBe(0);
  expect(await child.line()).toBe("SIGTERM");
});

test("--json on a terminal asks on standard error and prints one document", async (context) => {
  requireNative(context);
  const child = await liveOwner();
  const io = { isTTY: true, events: answering("n") };
  const { stdout, stderr } = await runHere(["kill", String(child.pid), "--json"], io);
  expect(stderr).toContain("process.stdin.resume()");
  expect(JSON.parse(stdout)).toMatchObject({
    processes: [{ pid: child.pid, state: "kept", reason: "declined", signal: null }],
  });
});

test("pids that no process has are no reason to ask, and count as ended", async (context) => {
  requireNative(context);
  const pid = String(await endedPid());
  const { code, stdout } = await runProgram(["kill", pid, pid]);
  expect(stdout).toMatch(new RegExp(`^${pid} gone \\([\\w-]+\\)\n$`, "u"));
  expect(code).toBe(0);
});

describe("--signal", () => {
  test.for(["HUP", "SIGHUP", "hup"])("%s is sent, and nothing else", async (name, context) => {
    requireNative(context);
    requirePosix(context, "SIGHUP");
    const child = await startStubborn();
    const token = tokenOf(child.pid);
    const { code, stdout } = await runProgram(["kill", token, "--signal", name]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${token} sent SIGHUP\n` });
    expect(await child.line()).toBe("SIGHUP");
    expect(isPidAlive(child.pid)).toBe(true);
  });

  test("asks about a pid, by the signal's name", async (context) => {
    requireNative(context);
    const child = await liveOwner();
    const io = { isTTY: true, events: answering("y") };
    const answer = await runHere(["kill", String(child.pid), "--signal", "kill"], io);
    expect(answer.stderr).toBe("Send SIGKILL to this process? [y/N] yes\n");
    expect(answer.stdout).toContain(`${String(child.pid)} sent SIGKILL\n`);
    expect(answer.code).toBe(0);
    await child.exited();
  });

  test("reaches a process that was named twice once", async (context) => {
    requireNative(context);
    requirePosix(context, "SIGHUP");
    const child = await startStubborn();
    const args = ["kill", tokenOf(child.pid), String(child.pid), "--signal", "HUP", "--yes"];
    const { stdout } = await runProgram(args);
    expect(stdout.match(/ sent SIGHUP/gu)).toHaveLength(1);
    expect(await child.line()).toBe("SIGHUP");
    process.kill(child.pid, "SIGTERM");
    expect(await child.line()).toBe("SIGTERM");
  });

  test("to a process that has ended is not sent: 1", async (context) => {
    requireNative(context);
    const { code } = await runHere(["kill", String(await endedPid()), "--signal", "TERM"]);
    expect(code).toBe(1);
  });
});

describe("--tree", () => {
  test("ends what descends, too, once it was shown and agreed to", async (context) => {
    requireNative(context);
    requirePosix(context, "a shell");
    const { shell, token, pids } = await startFamily();
    const io = { isTTY: true, columns: 200, events: answering("y") };
    const answer = await runHere(["kill", token, "--tree"], io);
    expect(answer.stderr).toBe("End this process and the 2 that descend from it? [y/N] yes\n");
    expect(answer.stdout).toMatch(/ └─ sh -c .*\n.*    └─ sleep 602\n/u);
    expect(answer.stdout).toContain(`${token} ended (SIGTERM), and 2 that descended from it\n`);
    expect(answer.code).toBe(0);
    await shell.exited();
    expect(pids.map(isPidAlive)).toEqual([false, false, false]);
  });

  test("asks for a token, too: without a terminal it takes --yes", async (context) => {
    requireNative(context);
    requirePosix(context, "a shell");
    const { shell, token, pids } = await startFamily();
    const refused = await runProgram(["kill", token, "--tree"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("there is no terminal to ask on: say --yes");
    expect(pids.map(isPidAlive)).toEqual([true, true, true]);
    const { code, stdout } = await runProgram(["kill", token, "--tree", "--yes", "--json"]);
    const document = JSON.parse(stdout) as { processes: { killed: { pid: number }[] }[] };
    expect(document.processes[0]?.killed.map(({ pid }) => pid)).toEqual(pids);
    expect(code).toBe(0);
    await shell.exited();
  });

  test("of a process and of one that descends from it ends all of them", async (context) => {
    requireNative(context);
    requirePosix(context, "a shell");
    const { shell, pids } = await startFamily();
    const { code, stdout } = await runProgram(["kill", ...pids.map(String), "--tree", "--yes"]);
    expect(stdout).toContain(
      `\n${String(pids[0])} ended (SIGTERM), and 2 that descended from it\n`,
    );
    expect(stdout).toMatch(new RegExp(`\n${String(pids[1])} gone \\([\\w-]+\\)\n`, "u"));
    expect(code).toBe(0);
    await shell.exited();
  });

  test("shows twenty processes of a large tree, and how many more there are", async (context) => {
    requireNative(context);
    requirePosix(context, "a shell");
    const script = `i=0; while [ $i -lt 30 ]; do sleep 603 & i=$((i+1)); done; echo $!; wait`;
    const { shell, token } = await startTree(script);
    const io = { isTTY: true, columns: 80, events: answering("y") };
    const answer = await runHere(["kill", token, "--tree"], io);
    expect(answer.stdout.match(/sleep 603$/gmu)).toHaveLength(19);
    expect(answer.stdout).toContain("… and 11 more that descend\n");
    expect(answer.stderr).toContain("the 30 that descend from it?");
    await shell.exited();
  });

  test("Ctrl-C while it waits for a tree leaves nothing stopped", async (context) => {
    requireNative(context);
    requireLinux(context, "a process's state");
    const child = `sh -c 'trap "" TERM; sleep 602 & echo $$ $!; while :; do wait; done'`;
    const script = `trap 'echo asked' TERM; ${child} & while :; do wait; done`;
    const { token, pids, shell } = await startTree(script, { detached: true });
    const args = ["kill", token, "--tree", "--yes", "--grace-ms", "600000"];
    const killing = startProgram(args);
    // A signal reaches a stopped process once that is continued. What ignores it has so been continued, too, or will be.
    expect(await shell.line()).toBe("asked");
    killing.kill("SIGINT");
    const [code, signal] = (await once(killing, "exit")) as [number | null, string | null];
    expect({ code, signal }).toEqual({ code: null, signal: "SIGINT" });
    expect(pids.map(stateOf)).not.toContain("T");
    expect(pids.every(isPidAlive)).toBe(true);
    process.kill(-shell.pid, "SIGKILL");
  });
});

describe("this command and what it descends from are refused, and nothing is sent", () => {
  test.each([[[]], [["--tree"]], [["--signal", "TERM"]]])("with %j", async (more) => {
    for (const name of [String(process.pid), tokenOf(process.pid)]) {
      if (name === "") continue;
      const { code, stdout, stderr } = await runProgram(["kill", name, "--yes", ...more]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain(`descends from it, nothing was sent: ${name}`);
    }
  });

  test("also together with others", async (context) => {
    requireNative(context);
    const child = await liveOwner();
    const args = ["kill", tokenOf(child.pid), String(process.pid), "--yes"];
    expect((await runHere(args)).code).toBe(2);
    expect(isPidAlive(child.pid)).toBe(true);
  });
});

test("a hostile command line cannot drive the terminal of the person who is asked", async (context) => {
  requireNative(context);
  const hostile = "\u001B[2J\u001B]0;owned\u0007\r\n\u009B31m\u202E\u2028!";
  const script = "console.log(1); process.stdin.resume()";
  const child = await startReady(process.execPath, ["-e", script, "--", hostile]);
  const io = { isTTY: true, columns: 300, env: { NO_COLOR: "1" }, events: answering("n") };
  const { stdout } = await runHere(["kill", String(child.pid)], io);
  expect(stdout).toContain(String.raw`\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e\u2028!`);
  expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}]/u);
});

test("on Windows it is said which signals there are", async (context) => {
  requireWindows(context, "its two signals");
  const { code, stderr } = await runHere(["kill", "1", "--signal", "HUP"]);
  expect(code).toBe(2);
  expect(stderr).toContain('can be sent here: "HUP" (on Windows TERM or KILL)');
});

test.each([
  [[], "at least one pid or token is required"],
  [["soon"], "neither a pid nor a token: soon"],
  [["0"], "pid must be an integer of 1 or more"],
  [["1", "--grace-ms", "soon"], "--grace-ms must be an integer of 0 or more milliseconds"],
  [
    ["1", "--signal", "NONE"],
    '--signal must be the name of a signal that can be sent here: "NONE"',
  ],
  [["1", "--signal", "9"], '--signal must be the name of a signal that can be sent here: "9"'],
  [["1", "--signal", "TERM", "--tree"], "--tree cannot be combined with --signal"],
  [["1", "--signal", "TERM", "--grace-ms", "1"], "--grace-ms cannot be combined with --signal"],
])("wrong usage is refused: kill %j", async (args, message) => {
  const { code, stderr, stdout } = await runHere(["kill", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});
