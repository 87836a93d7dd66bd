/** Processes of other users, seen by one without rights. */
import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, inspectProcess } from "../../lib/index.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";
import { AS_NOBODY, NOBODY, readablePackage } from "../support/processes/unprivileged.js";

beforeEach((context) => requireLinux(context, "other users without rights"));

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  test("root's process is alive for nobody, with start time and arguments", async (context) => {
    requireRoot(context, "to be another user's process");
    backendNamed(name, context);
    const child = await startReady(program("idle"), ["of", "root"]);
    const token = identifyProcess(child.pid) ?? "";
    const seen = await runNode(
      `let kill;
       try { process.kill(${child.pid}, 0); } catch (error) { kill = error.code; }
       console.log(JSON.stringify({
         kill,
         backend: p.nativeStatus().backend,
         alive: p.isPidAlive(${child.pid}),
         info: { ...p.inspectProcess(${child.pid}), startedAtMs: 0 },
         verdict: p.verifyProcess(${JSON.stringify(token)}),
         wait: await p.waitForProcessExit(${JSON.stringify(token)}, { timeoutMs: 0 }),
       }));`,
      { ...readablePackage(), prefix: AS_NOBODY, env: environmentFor(name), cwd: "/" },
    );
    expect(seen).toEqual({
      kill: "EPERM",
      backend: name,
      alive: true,
      info: { ...inspectProcess(child.pid), startedAtMs: 0 },
      verdict: { state: "same", reason: "running" },
      wait: "timeout",
    });
  });

  test("root's zombie is gone for nobody", async (context) => {
    requireRoot(context, "to be another user's process");
    backendNamed(name, context);
    const zombie = Number((await startReady(program("zombie-parent"))).first);
    const seen = await runNode(
      `const { state, reason } = p.inspectProcess(${zombie});
       console.log(JSON.stringify([p.isPidAlive(${zombie}), state, reason]));`,
      { ...readablePackage(), prefix: AS_NOBODY, env: environmentFor(name), cwd: "/" },
    );
    expect(seen).toEqual([false, "gone", "zombie"]);
  });

  test("a child that has changed its user is still the same process", async (context) => {
    requireRoot(context, "to start a process as nobody");
    const backend = backendNamed(name, context);
    const shell = await startReady("/bin/sh", [
      "-c",
      `echo ready; read line; exec ${AS_NOBODY.join(" ")} sh -c 'echo changed; read line'`,
    ]);
    const before = backend.identity(shell.pid);
    shell.say("go");
    expect(await shell.line()).toBe("changed");
    expect(backend.identity(shell.pid)).toEqual(before);
    expect(backend.args(shell.pid)).toEqual(["sh", "-c", "echo changed; read line"]);
  });

  test("nobody's process is alive for root", async (context) => {
    requireRoot(context, "to start a process as nobody");
    const backend = backendNamed(name, context);
    const ids = { uid: NOBODY, gid: NOBODY, cwd: "/" };
    const child = await startReady("/bin/sh", ["-c", "echo ready; read line"], ids);
    expect(backend.inspect(child.pid, true)).toMatchObject({
      state: "alive",
      args: ["/bin/sh", "-c", "echo ready; read line"],
      parentPid: process.pid,
    });
  });
});
