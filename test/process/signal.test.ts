/** Signals reach the process that a token names, or none. */
import { describe, expect, test } from "vitest";

import { identifyProcess, signalProcess, verifyProcess } from "../../lib/index.js";
import { hostFacts, tokenHost } from "../../lib/process/identity.js";
import { formatTokenOn, parseToken, tokenPrefix } from "../../lib/process/token.js";
import { environmentFor } from "../support/processes/backends.js";
import { ENDED, nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { childrenOf } from "../support/processes/process-state.js";
import { program } from "../support/processes/programs.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireRoot,
  requireWindows,
} from "../support/require.js";
import { AS_NOBODY, readablePackage } from "../support/processes/unprivileged.js";
import { waitFor } from "../support/wait-for.js";

/** A process that says which signals it gets, and its token. */
async function startListener() {
  const child = await startReady(process.execPath, [
    "-e",
    `for (const name of ["SIGTERM", "SIGUSR2"]) process.on(name, () => console.log(name));
     console.log("ready"); process.stdin.resume();`,
  ]);
  return { ...child, token: identifyProcess(child.pid) ?? "" };
}

test("a signal reaches the process of its token, by default SIGTERM", async (context) => {
  requireNative(context);
  requirePosix(context, "signals");
  const child = await startListener();
  expect(signalProcess(child.token, "SIGUSR2")).toEqual({ state: "sent", reason: "running" });
  expect(await child.line()).toBe("SIGUSR2");
  expect(signalProcess(child.token)).toEqual({ state: "sent", reason: "running" });
  expect(await child.line()).toBe("SIGTERM");
});

test("SIGKILL ends the process of its token", async (context) => {
  requireNative(context);
  const child = await startListener();
  expect(signalProcess(child.token, "SIGKILL")).toEqual({ state: "sent", reason: "running" });
  expect(await child.exited()).toBe(process.platform === "win32" ? 1 : null);
  expect(signalProcess(child.token, "SIGKILL")).toMatchObject({
    state: "gone",
    reason: expect.stringMatching(ENDED) as string,
  });
});

test("signal 0 only asks whether one could be sent", async (context) => {
  requireNative(context);
  const child = await startListener();
  expect(signalProcess(child.token, 0)).toEqual({ state: "sent", reason: "running" });
  expect(verifyProcess(child.token).state).toBe("same");
  await child.kill();
  expect(signalProcess(child.token, 0).state).toBe("gone");
});

test("a zombie, which would take any signal, is gone", async (context) => {
  requireNative(context);
  requireLinux(context, "zombies at hand");
  const zombie = Number((await startReady(program("zombie-parent"))).first);
  const facts = { pid: zombie, startTime: 1, exactId: null };
  const token = formatTokenOn(tokenPrefix(tokenHost()), facts);
  for (const signal of [0, "SIGTERM"] as const) {
    expect(signalProcess(token, signal)).toEqual({ state: "gone", reason: "zombie" });
  }
});

test("a stopped process takes SIGKILL", async (context) => {
  requireNative(context);
  requirePosix(context, "signals");
  const child = await startListener();
  expect(signalProcess(child.token, "SIGSTOP").state).toBe("sent");
  expect(signalProcess(child.token, "SIGKILL").state).toBe("sent");
  expect(await child.exited()).toBeNull();
});

test("another user's process is not signalled, and the answer says why", async (context) => {
  requireNative(context);
  requireLinux(context, "other users without rights");
  requireRoot(context, "to be another user's process");
  const child = await startListener();
  const seen = await runNode(
    `console.log(JSON.stringify([0, "SIGTERM", "SIGKILL"].map((signal) =>
       p.signalProcess(${JSON.stringify(child.token)}, signal))));`,
    { ...readablePackage(), prefix: AS_NOBODY, cwd: "/" },
  );
  const denied = { state: "unknown", reason: "access-denied" };
  expect(seen).toEqual([denied, denied, denied]);
  expect(verifyProcess(child.token).state).toBe("same");
});

test("without the addon nothing is sent, and the end of a process is still told", async (context) => {
  requireLinux(context, "/proc without the addon");
  const child = await startListener();
  const ask = (): Promise<unknown> =>
    runNode(`console.log(JSON.stringify(p.signalProcess(${JSON.stringify(child.token)})));`, {
      env: environmentFor("procfs"),
    });
  expect(await ask()).toEqual({ state: "unknown", reason: "unsupported" });
  expect(verifyProcess(child.token).state).toBe("same");
  await child.kill();
  expect(await ask()).toMatchObject({ state: "gone" });
});

describe("a process in a container", () => {
  const INSIDE = ["--pid", "--fork", "--kill-child", "--mount-proc"];

  test("is reached from its host by the token that it gave itself", async (context) => {
    requireNative(context);
    requireLinux(context, "pid namespaces");
    requireRoot(context, "to make a pid namespace");
    if (!hostFacts().initialPidNamespace) context.skip("not in the initial pid namespace");
    const script = nodeArguments(
      `process.on("SIGUSR2", () => console.log("SIGUSR2"));
       console.log(p.identifyProcess()); process.stdin.resume();`,
    );
    const container = await startReady("unshare", [...INSIDE, process.execPath, ...script]);
    expect(signalProcess(container.first, "SIGUSR2")).toEqual({ state: "sent", reason: "running" });
    expect(await container.line()).toBe("SIGUSR2");
    // The same without an exact id, as older kernels give it: found by its number in there.
    const token = parseToken(container.first);
    if (token === null) throw new Error(`no token: ${container.first}`);
    const withoutExactId = formatTokenOn(tokenPrefix(token), { ...token, exactId: null });
    expect(signalProcess(withoutExactId, "SIGUSR2")).toEqual({ state: "sent", reason: "running" });
    expect(await container.line()).toBe("SIGUSR2");
    expect(signalProcess(withoutExactId, "SIGKILL").state).toBe("sent");
    await waitFor("its end", () => childrenOf(container.pid).length === 0);
    expect(signalProcess(container.first, "SIGKILL").state).toBe("gone");
  });

  test("cannot reach a process outside", async (context) => {
    requireNative(context);
    requireLinux(context, "pid namespaces");
    requireRoot(context, "to make a pid namespace");
    const child = await startListener();
    const seen = await runNode(
      `console.log(JSON.stringify(p.signalProcess(${JSON.stringify(child.token)}, "SIGKILL")));`,
      { prefix: ["unshare", ...INSIDE] },
    );
    expect(seen).toEqual({ state: "unknown", reason: "other-pid-namespace" });
    expect(verifyProcess(child.token).state).toBe("same");
  });
});

test("what is no token names nothing, and nothing is sent", () => {
  for (const text of ["", "pi1", String(process.pid), "pi9.linux.x"]) {
    expect(signalProcess(text, "SIGKILL")).toEqual({ state: "unknown", reason: "malformed" });
  }
});

test("on Windows a signal that could only be pretended is refused", (context) => {
  requireWindows(context, "it has two ways to end a process, and no signals");
  for (const signal of ["SIGINT", "SIGHUP", "SIGUSR1"] as const) {
    expect(() => signalProcess(identifyProcess() ?? "", signal)).toThrow(RangeError);
  }
});
