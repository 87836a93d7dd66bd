/** endProcess on a process and all that descend from it. */
import { beforeEach, describe, expect, test } from "vitest";

import {
  endProcess,
  type EndProcessResult,
  getProcessChildren,
  identifyProcess,
  inspectProcess,
  isPidAlive,
} from "../../lib/index.js";
import { isParentOf } from "../../lib/process/relatives.js";
import { nodeArguments, runNode, start, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { stateOf } from "../support/processes/process-state.js";
import { startTree } from "../support/processes/process-trees.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { AS_NOBODY, readablePackage } from "../support/processes/unprivileged.js";
import { waitFor } from "../support/wait-for.js";

beforeEach((context) => requireNative(context));

const pidsOf = (result: EndProcessResult): number[] => result.killed.map(({ pid }) => pid);

/** Sleeps through SIGTERM. */
const STUBBORN = `sh -c 'trap "" TERM; while :; do sleep 1000; done'`;

describe("on POSIX", () => {
  beforeEach((context) => requirePosix(context, "runs a shell"));

  test("children and their children are ended, the named process first", async () => {
    const { shell, token, pids } = await startTree(
      `sh -c 'sleep 1000 & echo $$ $!; wait' & sleep 1000; wait`,
    );
    const result = await endProcess(token, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(pidsOf(result)[0]).toBe(shell.pid);
    expect(pidsOf(result)).toEqual(expect.arrayContaining([...pids]));
    for (const { token: ended } of result.killed) {
      expect(ended).toMatch(/^pi1\./u);
    }
    await shell.exited();
  });

  test("without tree the children are left alone", async () => {
    const { token, pids } = await startTree("sleep 1000 & echo $!; wait");
    const child = pids[1] ?? 0;
    const result = await endProcess(token);
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(pidsOf(result)).toEqual([pids[0]]);
    expect(isPidAlive(child)).toBe(true);
    process.kill(child, "SIGKILL");
  });

  test("those that ignore SIGTERM are killed, the others are not", async () => {
    const { shell, token, pids } = await startTree(`sleep 1000 & ${STUBBORN} & echo $! ; wait`);
    const [, stubborn] = pids;
    const child = await waitFor("the trap", () => getProcessChildren(stubborn ?? 0)[0]);
    const result = await endProcess(token, { tree: true, graceMs: 100 });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    const signals = new Map(result.killed.map(({ pid, signal }) => [pid, signal]));
    expect(signals.get(shell.pid)).toBe("SIGTERM");
    expect(signals.get(stubborn ?? 0)).toBe("SIGKILL");
    // An ignored signal is ignored by what is started, too.
    expect(signals.get(child.pid)).toBe("SIGKILL");
    await shell.exited();
  });

  test("what a member starts to tidy up may end its work", async () => {
    const { shell, token } = await startTree(
      `trap 'sh -c "sleep 0.2; echo tidied"; exit 0' TERM; echo $$; while :; do sleep 0.01; done`,
    );
    const result = await endProcess(token, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(await shell.line()).toBe("tidied");
    expect(await shell.exited()).toBe(0);
  });

  test("siblings, and children of the caller, live on", async () => {
    const { token } = await startTree("sleep 1000 & echo $!; wait");
    const sibling = await startReady(
      process.execPath,
      nodeArguments("console.log(1); setInterval(() => {}, 1e6);"),
    );
    const other = await startTree("sleep 1000 & echo $!; wait");
    await expect(endProcess(token, { tree: true })).resolves.toMatchObject({ state: "ended" });
    for (const pid of [sibling.pid, ...other.pids]) expect(isPidAlive(pid)).toBe(true);
    await expect(endProcess(other.token, { tree: true })).resolves.toMatchObject({
      state: "ended",
    });
  });

  test("stopped members end, too", async (context) => {
    requireLinux(context, "sees that a process has stopped");
    const { shell, token, pids } = await startTree("sleep 1000 & kill -STOP $!; echo $!; wait");
    await waitFor("the stop", () => stateOf(pids[1] ?? 0) === "T");
    const result = await endProcess(token, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(new Set(pidsOf(result))).toEqual(new Set(pids));
    await shell.exited();
  });

  test("an abort leaves no member stopped", async () => {
    const { shell, token, pids } = await startTree(`trap "" TERM; ${STUBBORN} & echo $!; wait`);
    const signal = AbortSignal.timeout(100);
    await expect(
      endProcess(token, { tree: true, graceMs: Infinity, signal }),
    ).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(isPidAlive(pids[1] ?? 0)).toBe(true);
    await endProcess(token, { tree: true, graceMs: 0 });
    await shell.exited();
  });

  test("an abort at any point leaves no member stopped, and kills none after it", async (context) => {
    requireLinux(context, "sees that a process has stopped");
    const { shell, token, pids } = await startTree(
      `trap '' TERM; for i in 1 2 3 4 5 6 7 8; do sleep 1000 & echo -n "$! "; done; echo; wait; wait; read x`,
    );
    let isAborted = false;
    for (let turns = 0; !isAborted || turns < 40; turns++) {
      const controller = new AbortController();
      const ended = endProcess(token, { tree: true, graceMs: Infinity, signal: controller.signal });
      for (let i = 0; i < turns; i++) await new Promise((resolve) => void setImmediate(resolve));
      controller.abort();
      isAborted = await ended.then(
        () => false,
        () => true,
      );
      expect(stateOf(pids[0] ?? 0)).not.toBe("T");
    }
    for (const pid of pids) expect(isPidAlive(pid)).toBe(true);
    await endProcess(token, { tree: true, graceMs: 0 });
    await shell.exited();
  });
});

describe("on Linux", () => {
  beforeEach((context) => requireLinux(context, "sessions, namespaces, descriptors"));

  test("an orphan of the tree is found by the session that the named process founded", async () => {
    const { shell, token, pids } = await startTree(
      `(sh -c 'sleep 1000 & echo $!' &) ; exec sleep 1000`,
      { detached: true },
    );
    const orphan = pids[1] ?? 0;
    await waitFor("the orphan", () => getProcessChildren(shell.pid, { args: false }).length === 0);
    expect(
      isParentOf({ pid: shell.pid, parentPid: null, startTime: 0 }, inspectProcess(orphan)),
    ).toBe(false);
    const result = await endProcess(token, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(pidsOf(result)).toEqual([shell.pid, orphan]);
    await shell.exited();
  });

  test("an orphan of a session that a member has founded since is found, though the founder has ended", async () => {
    // setsid's shell founds a session, starts two, of which one is handed on twice, and stays with the other.
    const { shell, token, pids } = await startTree(
      `setsid sh -c '(sh -c "sleep 1000 & echo \\$!" &); sleep 1000' & wait`,
    );
    const orphan = pids[1] ?? 0;
    const result = await endProcess(token, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(pidsOf(result)).toContain(orphan);
    await shell.exited();
  });

  test("an orphan of a session that is not the tree's is left alone", async () => {
    const { token, pids } = await startTree(`(sleep 1000 & echo $!) ; exec sleep 1000`);
    const orphan = pids[1] ?? 0;
    const result = await endProcess(token, { tree: true });
    expect(pidsOf(result)).toEqual([pids[0]]);
    expect(isPidAlive(orphan)).toBe(true);
    process.kill(orphan, "SIGKILL");
  });

  test("the caller's own session says nothing: what the caller has started lives on", async () => {
    // The shell founds a session, in which an orphan of it is the caller.
    const script = `
      import { spawn } from "node:child_process";
      const own = spawn("sleep", ["1000"], { stdio: "ignore" });
      const token = await new Promise((resolve) => {
        const look = () => process.ppid === Number(process.env.SHELL_PID) ? setTimeout(look, 5) : resolve(process.env.SHELL_PID);
        look();
      });
      const result = await p.endProcess(p.identifyProcess(Number(token)), { tree: true });
      console.log(JSON.stringify([result.state, p.isPidAlive(own.pid)]));
      own.kill();`;
    const args = nodeArguments(script).map((argument) => `'${argument.replaceAll("'", `'\\''`)}'`);
    const shell = await start(
      "/bin/sh",
      ["-c", `export SHELL_PID=$$; ('${process.execPath}' ${args.join(" ")} &) ; exec sleep 1000`],
      { detached: true },
    );
    expect(JSON.parse(await shell.line())).toEqual(["ended", true]);
  });

  test("more members than there are descriptors are ended", async () => {
    const { shell, token, pids } = await startTree(
      `for i in $(seq 60); do sleep 1000 & echo -n "$! "; done; echo; wait`,
    );
    expect(pids).toHaveLength(61);
    const script = `console.log(JSON.stringify(await p.endProcess("${token}", { tree: true })));`;
    const limited = ["sh", "-c", `ulimit -n 40; exec "$0" "$@"`];
    const result = (await runNode(script, { prefix: limited })) as EndProcessResult;
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(new Set(pidsOf(result))).toEqual(new Set(pids));
    await shell.exited();
  });

  test.each([0, 1, 2, 3, 4, 5, 6])(
    "with %i free descriptors a child is ended, too, or it is not said that the tree has ended",
    async (free) => {
      const { token, pids } = await startTree(`sleep 1000 & echo $!; wait`);
      const script = `
        const { openSync, closeSync } = await import("node:fs");
        const used = [];
        try { for (;;) used.push(openSync("/dev/null")); } catch {}
        for (let i = 0; i < ${free}; i++) closeSync(used.pop());
        const result = await p.endProcess("${token}", { tree: true, graceMs: 100 }).catch((error) => ({ state: error.code }));
        for (const fd of used) closeSync(fd);
        console.log(JSON.stringify([result.state, ${JSON.stringify(pids)}.map(p.isPidAlive)]));`;
      const limited = ["sh", "-c", `ulimit -n 64; exec "$0" "$@"`];
      const [state, alive] = (await runNode(script, { prefix: limited })) as [string, boolean[]];
      expect([
        { state: "ended", alive: [false, false] },
        { state: "unknown", alive: [true, true] },
        { state: "PROCESS_LIST_UNSUPPORTED", alive: [true, true] },
      ]).toContainEqual({ state, alive });
    },
  );

  test("a process in vfork, which cannot be stopped, and its child are ended", async () => {
    const parent = await startReady(program("vfork-parent"), []);
    const token = identifyProcess(parent.pid) ?? "";
    await expect(endProcess(token, { tree: true, graceMs: 100 })).resolves.toMatchObject({
      state: "ended",
      survivors: [],
    });
    await parent.exited();
  });

  test("processes of nested pid namespaces are ended, their orphans too", async (context) => {
    requireRoot(context, "makes a pid namespace");
    const { shell, token } = await startTree(
      `unshare --pid --fork --kill-child sh -c '(sleep 1000 &); sleep 1000 & echo 0; wait' & wait`,
    );
    // unshare, the namespace's first process, and two sleeps.
    await waitFor(
      "the tree",
      () => getProcessChildren(shell.pid, { recursive: true }).length === 4,
    );
    const result = await endProcess(token, { tree: true, graceMs: 200 });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed.length).toBeGreaterThanOrEqual(5);
    await shell.exited();
  });

  test("a process of a nested pid namespace is ended from outside by its own token", async (context) => {
    requireRoot(context, "makes a pid namespace");
    const script = `console.log(p.identifyProcess()); setInterval(() => {}, 1e6);`;
    const inNamespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    const shell = ["sh", "-c", `"$@" & wait`, "sh", process.execPath, ...nodeArguments(script)];
    const inside = await startReady("unshare", [...inNamespace, ...shell]);
    if (inside.first.endsWith(".-")) context.skip("needs Linux 6.9: an exact id to find it by");
    expect(Number(inside.first.split(".")[6])).toBeLessThan(100);
    const result = await endProcess(inside.first, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed[0]?.token).toBe(inside.first);
    await inside.exited();
  });

  test("a member that is another user's survives and is named, the others are ended", async (context) => {
    requireRoot(context, "to start a process and become another user");
    const { shell, pids } = await startTree(
      `sleep 1000 & echo $!; exec ${AS_NOBODY.join(" ")} sh -c 'sleep 1000 & wait'`,
      { cwd: "/" },
    );
    const denied = pids[1] ?? 0;
    // Both sleeps.
    await waitFor("the other user", () => getProcessChildren(shell.pid).length === 2);
    const result = (await runNode(
      `console.log(JSON.stringify(await p.endProcess("${identifyProcess(shell.pid)}", { tree: true, graceMs: 100 })));`,
      { ...readablePackage(), prefix: AS_NOBODY, cwd: "/" },
    )) as EndProcessResult;
    expect(result).toMatchObject({
      state: "unknown",
      reason: "access-denied",
      survivors: [{ pid: denied, token: identifyProcess(denied), reason: "access-denied" }],
    });
    expect(pidsOf(result)).toHaveLength(2);
    expect(stateOf(denied)).toBe("S");
    process.kill(denied, "SIGKILL");
    await shell.exited();
  });
});

test("a tree of Node processes is ended", async () => {
  const leaf = `process.stdin.resume(); setInterval(() => {}, 1e6);`;
  const script = `
    import { spawn } from "node:child_process";
    const pids = [0, 1].map(() =>
      spawn(process.execPath, ["-e", ${JSON.stringify(leaf)}], { stdio: "ignore" }).pid);
    console.log(JSON.stringify(pids));
    setInterval(() => {}, 1e6);`;
  const parent = await startReady(process.execPath, nodeArguments(script));
  const pids = JSON.parse(parent.first) as number[];
  const token = identifyProcess(parent.pid) ?? "";
  const result = await endProcess(token, { tree: true });
  expect(result).toMatchObject({ state: "ended", survivors: [] });
  expect(pidsOf(result)).toEqual(expect.arrayContaining([parent.pid, ...pids]));
  for (const pid of pids) expect(isPidAlive(pid)).toBe(false);
});
