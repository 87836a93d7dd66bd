/** endProcess on one process. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { endProcess, EndOwnProcessError, identifyProcess, isPidAlive } from "../../lib/index.js";
import { DIST, nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { stateOf } from "../support/processes/process-state.js";
import { startTree } from "../support/processes/process-trees.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireRoot,
  requireRuntime,
  RUNTIMES,
} from "../support/require.js";
import { AS_NOBODY, readablePackage } from "../support/processes/unprivileged.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

beforeEach((context) => requireNative(context));

const OWN = identifyProcess() ?? "";
const FIELDS = OWN.split(".");

/** Says each signal of which a handler can tell, and goes on. */
const STUBBORN = nodeArguments(`
  for (const name of ["SIGTERM", "SIGCONT"]) process.on(name, () => console.log(name));
  console.log(p.identifyProcess());
  process.stdin.resume();`);

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");

test("a process that ends on SIGTERM is not killed", async (context) => {
  requirePosix(context, "Windows has no SIGTERM");
  const child = await startReady(process.execPath, IDLE);
  await expect(endProcess(child.first)).resolves.toEqual({
    state: "ended",
    reason: "exited",
    killed: [{ pid: child.pid, token: child.first, signal: "SIGTERM" }],
    survivors: [],
  });
  await child.exited();
  expect(child.process.signalCode).toBe("SIGTERM");
});

test("a process that ignores SIGTERM is killed when the grace is over", async (context) => {
  requirePosix(context, "Windows has no SIGTERM");
  const child = await startReady(process.execPath, STUBBORN);
  const ended = endProcess(child.first, { graceMs: 50 });
  expect(await child.line()).toMatch(/^SIG(?:TERM|CONT)$/u);
  await expect(ended).resolves.toMatchObject({
    state: "ended",
    killed: [{ pid: child.pid, token: child.first, signal: "SIGKILL" }],
    survivors: [],
  });
  await child.exited();
  expect(child.process.signalCode).toBe("SIGKILL");
});

test("Windows has no SIGTERM: a process is terminated at once", async (context) => {
  if (process.platform !== "win32") context.skip("needs Windows");
  const child = await startReady(process.execPath, IDLE);
  await expect(endProcess(child.first, { graceMs: Infinity })).resolves.toMatchObject({
    state: "ended",
    killed: [{ pid: child.pid, token: child.first, signal: "SIGKILL" }],
  });
  await child.exited();
});

test("without a grace a process is ended all the same", async () => {
  const child = await startReady(process.execPath, IDLE);
  await expect(endProcess(child.first, { graceMs: 0 })).resolves.toMatchObject({ state: "ended" });
  await child.exited();
});

test("a stopped process goes on to act upon SIGTERM", async (context) => {
  requireLinux(context, "sees that a process has stopped");
  const { shell, token } = await startTree(
    `trap 'echo asked; exit 3' TERM; echo $$; while :; do read line; done`,
  );
  process.kill(shell.pid, "SIGSTOP");
  await waitFor("the stop", () => stateOf(shell.pid) === "T");
  await expect(endProcess(token)).resolves.toMatchObject({
    state: "ended",
    killed: [{ signal: "SIGTERM" }],
  });
  expect(await shell.line()).toBe("asked");
  expect(await shell.exited()).toBe(3);
});

test("a process that has ended before is gone, and nothing is sent", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  await expect(endProcess(child.first, { tree: true })).resolves.toMatchObject({
    state: "gone",
    killed: [],
    survivors: [],
  });
});

test("a zombie is gone", async (context) => {
  requireLinux(context, "zombies");
  const pid = Number((await startReady(program("zombie-parent"), ["later"])).first);
  const token = identifyProcess(pid) ?? "";
  process.kill(pid, "SIGKILL");
  await waitFor("the zombie", () => stateOf(pid) === "Z");
  await expect(endProcess(token)).resolves.toEqual({
    state: "gone",
    reason: "zombie",
    killed: [],
    survivors: [],
  });
});

test("a process that becomes a zombie has ended, though its parent never reaps it", async (context) => {
  requireLinux(context, "zombies");
  const pid = Number((await startReady(program("zombie-parent"), ["later"])).first);
  await expect(endProcess(identifyProcess(pid) ?? "")).resolves.toMatchObject({ state: "ended" });
  expect(stateOf(pid)).toBe("Z");
});

test("a later process of the pid is not ended", async () => {
  const child = await startReady(process.execPath, IDLE);
  // As if the named process had had another start and another exact id.
  const earlier = child.first.split(".").with(7, "1").with(8, "1").join(".");
  await expect(endProcess(earlier, { graceMs: 0 })).resolves.toEqual({
    state: "gone",
    reason: "recycled",
    killed: [],
    survivors: [],
  });
  expect(isPidAlive(child.pid)).toBe(true);
});

test.each([
  ["that is none", "pi9.what", "malformed"],
  [
    "of another host",
    FIELDS.with(2, "0".repeat(16)).with(4, "0".repeat(32)).join("."),
    "other-host",
  ],
])("a token %s is unknown, and nothing is sent", async (_, token, reason) => {
  for (const tree of [false, true]) {
    await expect(endProcess(token, { tree })).resolves.toEqual({
      state: "unknown",
      reason,
      killed: [],
      survivors: [],
    });
  }
});

describe.each([false, true])("with tree: %s", (tree) => {
  test("the caller does not end itself", async () => {
    const error = await endProcess(OWN, { tree }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(EndOwnProcessError);
    expect(error).toMatchObject({
      name: "EndOwnProcessError",
      code: "PROCESS_IS_OWN",
      relation: "caller",
      pid: process.pid,
      token: OWN,
    });
  });

  test("the caller does not end its parent", async () => {
    const script = `
      const error = await p.endProcess(p.identifyProcess(process.ppid), { tree: ${tree} }).catch((e) => e);
      console.log(JSON.stringify([error.code, error.relation, error.pid === process.ppid]));`;
    await expect(runNode(script)).resolves.toEqual(["PROCESS_IS_OWN", "ancestor", true]);
  });

  test("another user's process is sent nothing", async (context) => {
    requireRoot(context, "to be another user's process");
    const child = await startReady(process.execPath, STUBBORN);
    const result = await runNode(
      `console.log(JSON.stringify(await p.endProcess("${child.first}", { tree: ${tree} })));`,
      { ...readablePackage(), prefix: AS_NOBODY, cwd: "/" },
    );
    expect(result).toEqual({
      state: "unknown",
      reason: "access-denied",
      killed: [],
      survivors: [{ pid: child.pid, token: child.first, reason: "access-denied" }],
    });
    // Whatever it had been sent before it would have said first.
    process.kill(child.pid, "SIGTERM");
    expect(await child.line()).toBe("SIGTERM");
  });

  test("without the addon nothing is sent", async () => {
    const child = await startReady(process.execPath, IDLE);
    const result = await runNode(
      `console.log(JSON.stringify(await p.endProcess("${child.first}", { tree: ${tree} })));`,
      { env: { ...process.env, PIDENTITY_NO_NATIVE: "1" } },
    );
    expect(result).toMatchObject({ state: "unknown", killed: [], survivors: [] });
    expect(isPidAlive(child.pid)).toBe(true);
  });
});

describe("an abort", () => {
  const reason = new Error("changed my mind");

  test("that came before the call sends nothing", async () => {
    const child = await startReady(process.execPath, IDLE);
    const signal = AbortSignal.abort(reason);
    await expect(endProcess(child.first, { signal })).rejects.toBe(reason);
    expect(isPidAlive(child.pid)).toBe(true);
  });

  test.each([false, true])("during the grace kills nothing, with tree: %s", async (tree) => {
    if (process.platform === "win32") return;
    const child = await startReady(process.execPath, STUBBORN);
    const controller = new AbortController();
    const ended = endProcess(child.first, { tree, signal: controller.signal, graceMs: 60_000 });
    const lines = [await child.line(), await child.line()];
    expect(lines.toSorted()).toEqual(["SIGCONT", "SIGTERM"]);
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    // It runs, and is not stopped: it handles what it is sent.
    process.kill(child.pid, "SIGTERM");
    expect(await child.line()).toBe("SIGTERM");
  });
});

describe.each(RUNTIMES)("on %s", (runtime) => {
  test("a tree is ended", async (context) => {
    requirePosix(context, "runs a shell");
    const [node, ...args] = requireRuntime(context, runtime);
    const { shell, token, pids } = await startTree("sleep 1000 & echo $!; sleep 1000");
    const script = join(temporaryFolder(), "script.mjs");
    const source = `import { endProcess } from "${DIST}index.js";
      console.log(JSON.stringify(await endProcess("${token}", { tree: true })));`;
    writeFileSync(script, source);
    const { first } = await startReady(node ?? "", [...args, script]);
    const result = JSON.parse(first) as Awaited<ReturnType<typeof endProcess>>;
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed.map(({ pid }) => pid)).toEqual(expect.arrayContaining([...pids]));
    await shell.exited();
  });
});
