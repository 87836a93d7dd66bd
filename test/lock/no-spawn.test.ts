/** A sweep starts no process: no `ps`, no shell. The kernel's list of its system calls (strace) shows it. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test, type TestContext } from "vitest";

import { runNode, start } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { requireLinux, requireNative, requireOfRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SESSION_LOCK = join(ROOT, "dist/session-lock/index.js");
const BEGIN = "/pidentity-sweep-begins";
const END = "/pidentity-sweep-ends";

function requireStrace(context: TestContext): void {
  requireLinux(context, "strace");
  const { error, status, stderr } = spawnSync("strace", ["-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  // Missing, or a sandbox that forbids ptrace.
  const obstacle = error?.message ?? (status === 0 ? null : stderr.trim());
  requireOfRoot(context, obstacle === null ? null : `needs strace: ${obstacle}`);
}

/** Runs `script` in Node under strace, between two system calls that mark its begin and end. */
async function trace(script: string): Promise<{ result: unknown; calls: readonly string[] }> {
  const file = join(temporaryFolder(), "trace");
  const marked = `
    import { existsSync } from "node:fs";
    import { execFileSync } from "node:child_process";
    existsSync(${JSON.stringify(BEGIN)});
    const result = await (async () => { ${script} })();
    existsSync(${JSON.stringify(END)});
    console.log(JSON.stringify(result));`;
  const calls = "trace=%process,access,faccessat,faccessat2";
  const prefix = ["strace", "-f", "-qq", "-s", "256", "-e", calls, "-o", file];
  const result = await runNode(marked, { entry: SESSION_LOCK, prefix });
  return { result, calls: readFileSync(file, "utf8").split("\n") };
}

/** Calls that make a process or turn one into another program; a thread shares CLONE_THREAD. */
function spawningCalls(calls: readonly string[]): readonly string[] {
  return calls.filter((call) => {
    const name = /^\d+ +(\w+)\(/.exec(call)?.[1] ?? "";
    if (["fork", "vfork", "execve", "execveat"].includes(name)) return true;
    return ["clone", "clone3"].includes(name) && !call.includes("CLONE_THREAD");
  });
}

function betweenMarkers(calls: readonly string[]): readonly string[] {
  const begin = calls.findIndex((call) => call.includes(`access("${BEGIN}"`));
  const end = calls.findIndex((call) => call.includes(`access("${END}"`));
  expect(begin, "the begin of the sweep in the trace").toBeGreaterThan(-1);
  expect(end, "the end of the sweep in the trace").toBeGreaterThan(begin);
  return calls.slice(begin, end);
}

test("a sweep over dead, live and foreign locks starts no process", async (context) => {
  requireStrace(context);
  requireNative(context);
  const folder = temporaryFolder();
  const owner = await start("sh", ["-c", "read _", "openclaw"]);
  const foreigner = await start("sh", ["-c", "read _", "sh"]);
  const dead = await start("sh", ["-c", "read _", "sh"]);
  await dead.kill();
  const createdAt = new Date().toISOString();
  const pids = { dead: dead.pid, foreign: foreigner.pid, live: owner.pid };
  for (const [name, pid] of Object.entries(pids)) {
    const payload = { pid, createdAt, maxHoldMs: 300_000 };
    writeFileSync(join(folder, `${name}.jsonl.lock`), JSON.stringify(payload));
  }

  const { result, calls } = await trace(`
    const { locks } = await p.cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
    return locks.map(({ pid, staleReasons, removed }) => ({ pid, staleReasons, removed }));`);

  // The sweep did its whole work, reading command lines included.
  expect(result).toEqual([
    { pid: dead.pid, staleReasons: ["dead-pid"], removed: true },
    { pid: foreigner.pid, staleReasons: ["non-openclaw-owner"], removed: true },
    { pid: owner.pid, staleReasons: [], removed: false },
  ]);
  expect(spawningCalls(betweenMarkers(calls))).toEqual([]);
  // In its whole life the only one is Node's own start.
  expect(spawningCalls(calls)).toEqual([expect.stringContaining("execve(")]);
});

test("a process that is started between the markers would be seen", async (context) => {
  requireStrace(context);
  const { calls } = await trace(`return execFileSync("true").length;`);
  const spawning = spawningCalls(betweenMarkers(calls));
  expect(spawning).toContainEqual(expect.stringMatching(/(?:fork|clone3?)\(/));
  expect(spawning).toContainEqual(expect.stringMatching(/execve\(".*true"/));
});
