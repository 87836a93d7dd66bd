/** A sandbox that refuses pidfds (seccomp): the addon must do without, and say less rather than wrong. */
import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, inspectProcess } from "../../lib/index.js";
import { backendNamed, environmentFor } from "../support/processes/backends.js";
import { runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

beforeEach((context) => requireLinux(context, "seccomp"));

describe.each(["EPERM", "ENOSYS"])("pidfd_open gives %s", (errno) => {
  const options = {
    prefix: [program("no-pidfd"), errno],
    env: environmentFor("native"),
  };

  test("processes are described as without the sandbox", async (context) => {
    backendNamed("native", context);
    const child = await startReady(program("idle"), ["a", "", "b"]);
    const zombie = Number((await startReady(program("zombie-parent"))).first);
    const leader = await startReady(program("leader-exits"));
    const pids = [child.pid, zombie, leader.pid, Number(leader.first), 4_000_000];
    const seen = await runNode(
      `const infos = ${JSON.stringify(pids)}.map((pid) => ({ ...p.inspectProcess(pid), startedAtMs: 0 }));
       console.log(JSON.stringify([p.nativeStatus().backend, infos]));`,
      options,
    );
    const expected = pids.map((pid) => ({ ...inspectProcess(pid), startedAtMs: 0 }));
    expect(seen).toEqual(["native", expected]);
    expect(expected.map((info) => info.reason)).toEqual([
      "running",
      "zombie",
      "running",
      "thread-id",
      "no-such-process",
    ]);
  });

  test("tokens are written without exact id, and read in both directions", async (context) => {
    backendNamed("native", context);
    const child = await startReady(program("idle"));
    const seen = (await runNode(
      `const token = p.identifyProcess(${child.pid});
       console.log(JSON.stringify({ token, verdict: p.verifyProcess(${JSON.stringify(identifyProcess(child.pid))}) }));`,
      options,
    )) as { token: string; verdict: unknown };
    expect(seen.verdict).toEqual({ state: "same", reason: "running" });
    expect(seen.token.endsWith(".-")).toBe(true);
    expect(identifyProcess(child.pid)?.startsWith(seen.token.slice(0, -1))).toBe(true);
  });

  test("an exit is noticed all the same", async (context) => {
    backendNamed("native", context);
    const child = await startReady(program("idle"));
    const waiting = runNode(
      `const exit = p.waitForProcessExit(${JSON.stringify(identifyProcess(child.pid))}, { timeoutMs: 20_000 });
       process.kill(${child.pid}, "SIGKILL");
       console.log(JSON.stringify(await exit));`,
      options,
    );
    expect(await waiting).toBe("exited");
  });
});
