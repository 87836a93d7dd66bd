/** Ancestors and children of real processes. */
import { beforeEach, describe, expect, test } from "vitest";

import { getProcessAncestors, getProcessChildren, inspectProcess } from "../../lib/index.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { childrenOf } from "../support/processes/process-state.js";
import { startTree } from "../support/processes/process-trees.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { waitFor } from "../support/wait-for.js";

beforeEach((context) => requireNative(context));

const IDLE = nodeArguments("console.log(1); process.stdin.resume();");

test("the nearest ancestor is the parent, and each is the parent of the one before it", () => {
  const ancestors = getProcessAncestors(process.pid);
  expect(ancestors[0]?.pid).toBe(process.ppid);
  let child = inspectProcess(process.pid);
  for (const ancestor of ancestors) {
    expect(ancestor.pid).toBe(child.parentPid);
    expect(ancestor.startTime ?? Infinity).toBeLessThanOrEqual(child.startTime ?? -1);
    child = ancestor;
  }
});

test("ancestors and children are told as inspectProcess tells of them", async () => {
  const child = await startReady(process.execPath, IDLE);
  const [parent] = getProcessAncestors(child.pid);
  const withoutClock = { startedAtMs: expect.any(Number) as number };
  expect(parent).toEqual({ ...inspectProcess(process.pid), ...withoutClock });
  const found = getProcessChildren(process.pid).find(({ pid }) => pid === child.pid);
  expect(found).toEqual({ ...inspectProcess(child.pid), ...withoutClock });
});

test("command lines can be left out", async () => {
  const child = await startReady(process.execPath, IDLE);
  const infos = [
    ...getProcessAncestors(child.pid, { args: false }),
    ...getProcessChildren(process.pid, { args: false }),
  ];
  expect(infos.length).toBeGreaterThanOrEqual(2);
  for (const { args, argsReason } of infos) expect([args, argsReason]).toEqual([null, "skipped"]);
});

test("what is no pid, and a process that has ended, have no relatives", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  for (const pid of [child.pid, 0, -1, 1.5, Number.NaN, 2 ** 40, "1" as unknown as number]) {
    expect(getProcessAncestors(pid)).toEqual([]);
    expect(getProcessChildren(pid, { recursive: true })).toEqual([]);
  }
});

describe("on POSIX", () => {
  beforeEach((context) => requirePosix(context, "runs a shell"));

  test("children of children are told with recursive, nearest first", async () => {
    const { shell, pids } = await startTree(`sh -c 'sleep 1000 & echo $$ $!; wait' & wait`);
    const [, middle, last] = pids;
    expect(getProcessChildren(shell.pid).map(({ pid }) => pid)).toEqual([middle]);
    const all = getProcessChildren(shell.pid, { recursive: true });
    expect(all.map(({ pid }) => pid)).toEqual([middle, last]);
    expect(
      getProcessAncestors(last ?? 0)
        .slice(0, 3)
        .map(({ pid }) => pid),
    ).toEqual([middle, shell.pid, process.pid]);
  });

  test("an orphan is a child of what has taken it over, not of what once started it", async () => {
    const { shell, pids } = await startTree("(sleep 1000 & echo $!); exec sleep 1000");
    const [, orphan = 0] = pids;
    await waitFor("the orphan", () => inspectProcess(orphan).parentPid !== shell.pid);
    expect(getProcessChildren(shell.pid, { recursive: true })).toEqual([]);
    const [reaper] = getProcessAncestors(orphan);
    expect(getProcessAncestors(orphan).map(({ pid }) => pid)).not.toContain(shell.pid);
    expect(getProcessChildren(reaper?.pid ?? 0).map(({ pid }) => pid)).toContain(orphan);
  });
});

describe("on Linux", () => {
  beforeEach((context) => requireLinux(context, "/proc, pid namespaces"));

  test("children are those that /proc tells of, of process 1, too", async () => {
    const child = await startReady(program("idle"), []);
    expect(childrenOf(process.pid)).toContain(child.pid);
    for (const pid of [process.pid, 1]) {
      await waitFor(`the children of ${pid} at rest`, () => {
        const before = childrenOf(pid).join();
        const found = getProcessChildren(pid, { args: false }).map((info) => info.pid);
        // Zombies have ended.
        const shown = found.toSorted((one, other) => one - other).join();
        return before === childrenOf(pid).join() && isWithin(shown, before);
      });
    }
  });

  test("the first process of a pid namespace has no parent that can be seen there", async (context) => {
    requireRoot(context, "makes a pid namespace");
    const script = `console.log(JSON.stringify([process.pid, p.getProcessAncestors(process.pid)]));`;
    const prefix = ["unshare", "--pid", "--fork", "--mount-proc"];
    expect(await runNode(script, { prefix })).toEqual([1, []]);
  });

  test("the /proc reader tells the same relatives", async () => {
    const { shell } = await startTree(`sh -c 'sleep 1000 & echo $$ $!; wait' & wait`);
    const script = `console.log(JSON.stringify([
      p.nativeStatus().backend,
      p.getProcessChildren(${shell.pid}, { recursive: true }).map(({ pid }) => pid),
      p.getProcessAncestors(${shell.pid}).map(({ pid }) => pid)]));`;
    const answer = (await runNode(script, {
      env: { ...process.env, PIDENTITY_NO_NATIVE: "1" },
    })) as unknown[];
    expect(answer).toEqual([
      "procfs",
      getProcessChildren(shell.pid, { recursive: true }).map(({ pid }) => pid),
      getProcessAncestors(shell.pid).map(({ pid }) => pid),
    ]);
  });
});

/** Are all of one list in the other? */
function isWithin(list: string, other: string): boolean {
  const those = new Set(other.split(","));
  return list !== "" && list.split(",").every((one) => those.has(one));
}
