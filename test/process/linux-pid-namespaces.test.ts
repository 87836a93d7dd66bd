/** Pids mean something only in their own pid namespace, and there only until they are given away again. */
import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, verifyProcess } from "../../lib/index.js";
import { hostFacts, identityOf, tokenHost, tokenLookups } from "../../lib/process/identity.js";
import { judgeToken } from "../../lib/process/judge-token.js";
import { parseToken } from "../../lib/process/token.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";
import { waitFor } from "../support/wait-for.js";

beforeEach((context) => requireLinux(context, "pid namespaces"));

const INSIDE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
/** With the /proc of the namespace around it: every number in there means another process. */
const INSIDE_FOREIGN_PROC = ["unshare", "--pid", "--fork", "--kill-child"] as const;

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  const env = environmentFor(name);

  test("inside its own namespace a process names and finds itself", async (context) => {
    requireRoot(context, "to make a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `const token = p.identifyProcess();
       const { pid, state, reason, parentPid } = p.inspectProcess(1);
       console.log(JSON.stringify({
         info: { pid, state, reason, parentPid },
         verdict: p.verifyProcess(token),
         namespace: token.split(".")[5],
         args: p.getProcessArgs(1).length > 0,
         start: p.getProcessStartTime(1) !== null,
       }));`,
      { prefix: INSIDE, env },
    );
    expect(seen).toEqual({
      info: { pid: 1, state: "alive", reason: "running", parentPid: null },
      verdict: { state: "same", reason: "running" },
      namespace: expect.not.stringMatching(`^${hostFacts().pidNamespace}$`),
      args: true,
      start: true,
    });
  });

  test("a token from outside is never gone inside, though its pid is", async (context) => {
    requireRoot(context, "to make a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `const token = ${JSON.stringify(identifyProcess())};
       console.log(JSON.stringify([p.isPidAlive(${process.pid}), p.verifyProcess(token)]));`,
      { prefix: INSIDE, env },
    );
    expect(seen).toEqual([false, { state: "unknown", reason: "other-pid-namespace" }]);
  });

  test("with a foreign /proc nothing of it is believed", async (context) => {
    requireRoot(context, "to make a pid namespace");
    backendNamed(name, context);
    // Inside this process is pid 1; /proc/1 is the machine's init.
    const seen = (await runNode(
      `import { readlinkSync } from "node:fs";
       const { state, reason, startTime, startedAtMs, args, argsReason, parentPid } = p.inspectProcess(1);
       const token = p.identifyProcess();
       console.log(JSON.stringify({
         pid: process.pid,
         link: readlinkSync("/proc/self"),
         alive: p.isPidAlive(1),
         absent: p.isPidAlive(${process.pid}),
         info: { state, reason, startTime, startedAtMs, args, argsReason, parentPid },
         startTime: p.getProcessStartTime(1),
         args: p.getProcessArgs(1),
         named: token !== null,
         verdict: token && p.verifyProcess(token),
         outside: p.verifyProcess(${JSON.stringify(identifyProcess())}),
       }));`,
      { prefix: INSIDE_FOREIGN_PROC, env },
    )) as Record<string, unknown>;
    expect(seen["pid"]).toBe(1);
    expect(seen["link"]).not.toBe("1");
    const byPidfd = name === "native";
    const byExactId = byPidfd && identityOf(process.pid).exactId !== null;
    expect(seen).toMatchObject({
      alive: true,
      absent: false,
      info: {
        state: byPidfd ? "alive" : "unknown",
        reason: byPidfd ? "running" : "access-denied",
        startTime: null,
        startedAtMs: null,
        args: null,
        argsReason: "unsupported",
        parentPid: null,
      },
      startTime: null,
      args: null,
      named: byExactId,
      verdict: byExactId ? { state: "same", reason: "running" } : null,
      outside: { state: "unknown", reason: "other-pid-namespace" },
    });
  });

  test("a recycled pid is not the process that had it", async (context) => {
    requireRoot(context, "to choose pids in a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `${FORK_AS}
       const first = p.identifyProcess(await ask("fork"));
       const same = p.verifyProcess(first);
       await ask("kill");
       const dead = p.verifyProcess(first);
       // Two start times more than one clock tick apart: what a start time alone can tell.
       const from = uptime();
       while (uptime() < from + 0.04) await new Promise((resolve) => setTimeout(resolve, 5));
       const pid = await ask("fork");
       const recycled = p.verifyProcess(first);
       const second = p.verifyProcess(p.identifyProcess(pid));
       const waited = await p.waitForProcessExit(first);
       program.stdin.end();
       console.log(JSON.stringify({ pid, same, dead, recycled, second, waited }));`,
      { prefix: INSIDE, env },
    );
    expect(seen).toEqual({
      pid: 4711,
      same: { state: "same", reason: "running" },
      dead: { state: "gone", reason: "no-such-process" },
      recycled: { state: "gone", reason: "recycled" },
      second: { state: "same", reason: "running" },
      waited: "exited",
    });
  });

  test("a wait does not go on with the process that got the pid next", async (context) => {
    requireRoot(context, "to choose pids in a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `${FORK_AS}
       const token = p.identifyProcess(await ask("fork"));
       const wait = p.waitForProcessExit(token, { timeoutMs: 20_000 });
       const from = uptime();
       while (uptime() < from + 0.04) await new Promise((resolve) => setTimeout(resolve, 5));
       await ask("recycle");
       const outcome = await wait;
       const alive = p.isPidAlive(4711);
       program.stdin.end();
       console.log(JSON.stringify({ outcome, alive }));`,
      { prefix: INSIDE, env },
    );
    expect(seen).toEqual({ outcome: "exited", alive: true });
  });
});

/** In a script: fork-as with pid 4711, asked line by line. */
const FORK_AS = `
  import { spawn } from "node:child_process";
  import { createInterface } from "node:readline";
  import { readFileSync } from "node:fs";
  const program = spawn(${JSON.stringify(program("fork-as"))}, ["4711"], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const ask = async (line) => {
    program.stdin.write(line + "\\n");
    const { value } = await answers.next();
    return value === "gone" ? value : Number(value);
  };
  const uptime = () => Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
`;

describe("with exact ids", () => {
  test("even a pid that is recycled within one clock tick is told apart", async (context) => {
    requireRoot(context, "to choose pids in a pid namespace");
    backendNamed("native", context);
    if (identityOf(process.pid).exactId === null) return context.skip("needs Linux 6.9");
    const seen = (await runNode(
      `${FORK_AS}
       let sameTick = 0;
       const verdicts = {};
       let token = p.identifyProcess(await ask("fork"));
       for (let round = 0; round < 200; round++) {
         await ask("recycle");
         const { state, reason } = p.verifyProcess(token);
         verdicts[state + " " + reason] = (verdicts[state + " " + reason] ?? 0) + 1;
         const next = p.identifyProcess(4711);
         if (next.split(".")[7] === token.split(".")[7]) sameTick++;
         token = next;
       }
       program.stdin.end();
       console.log(JSON.stringify({ verdicts, sameTick }));`,
      { prefix: INSIDE, env: environmentFor("native") },
    )) as { verdicts: Record<string, number>; sameTick: number };
    expect(seen.verdicts).toEqual({ "gone recycled": 200 });
    expect(seen.sameTick).toBeGreaterThan(0);
  });

  test("a process in a child namespace is found from the initial one, and its end is proof", async (context) => {
    requireRoot(context, "to make a pid namespace");
    backendNamed("native", context);
    const own = identityOf(process.pid).exactId;
    if (!hostFacts().initialPidNamespace) return context.skip("not in the initial pid namespace");
    if (own === null || tokenLookups.byExactId(own).state !== "alive") {
      return context.skip("needs Linux 6.14: look-up by exact id");
    }
    const [file, ...args] = INSIDE;
    const script = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
    const inner = await startReady(file, [...args, process.execPath, ...script], {
      env: environmentFor("native"),
    });
    expect(parseToken(inner.first)?.pid).toBe(1);
    expect(verifyProcess(inner.first)).toEqual({ state: "same", reason: "running" });
    // It was found without a look at all processes, which takes a thousand times as long.
    const lookups = { ...tokenLookups, nested: () => null };
    const judge = (token: string) => judgeToken(parseToken(token), tokenHost(), lookups);
    expect(judge(inner.first)).toEqual({ state: "same", reason: "running" });

    await inner.kill();
    await waitFor("the end of the namespace", () => verifyProcess(inner.first).state !== "same");
    const verdict = await waitFor("its init to be reaped", () => {
      const seen = verifyProcess(inner.first);
      return seen.reason === "zombie" ? null : seen;
    });
    expect(verdict).toEqual({ state: "gone", reason: "no-such-process" });
  });
});
