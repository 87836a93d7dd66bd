/** All processes that can be seen from here. */
import { describe, expect, test } from "vitest";

import { inspectProcess, listProcesses, ProcessListError } from "../../lib/index.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireNative, requireRoot } from "../support/require.js";
import { AS_NOBODY, readablePackage } from "../support/processes/unprivileged.js";

const startChild = () =>
  startReady(process.execPath, ["-e", "console.log(1); process.stdin.resume()", "listed"]);

test("the list has this process and its child as inspectProcess tells of them", async (context) => {
  requireNative(context);
  const { pid } = await startChild();
  const listed = await listProcesses();
  for (const each of [process.pid, pid]) {
    // A wall clock that is read twice.
    const expected = { ...inspectProcess(each), startedAtMs: expect.any(Number) as number };
    expect(listed.filter((info) => info.pid === each)).toEqual([expected]);
  }
  expect(listed.find((info) => info.pid === pid)).toMatchObject({
    parentPid: process.pid,
    args: expect.arrayContaining(["listed"]) as string[],
  });
});

test("without arguments none are read", async (context) => {
  requireNative(context);
  const listed = await listProcesses({ args: false });
  expect(listed.length).toBeGreaterThan(1);
  for (const { args, argsReason } of listed) {
    expect([args, argsReason]).toEqual([null, "skipped"]);
  }
});

test("what has ended is left out: an ended child, a zombie", async (context) => {
  requireLinux(context, "zombies at hand");
  const zombie = Number((await startReady(program("zombie-parent"))).first);
  const child = await startChild();
  await child.kill();
  const listed = await listProcesses({ args: false });
  expect(listed.map(({ state }) => state)).not.toContain("gone");
  const pids = listed.map(({ pid }) => pid);
  expect(pids).toContain(process.pid);
  expect(pids).not.toContain(zombie);
  expect(pids).not.toContain(child.pid);
});

describe.each(LINUX_BACKENDS)("the numbers that the backend %s lists", (name) => {
  test("are of processes, each once, and no threads", (context) => {
    const pids = [...(backendNamed(name, context).list() ?? [])];
    expect(new Set(pids).size).toBe(pids.length);
    expect(pids).toContain(process.pid);
    const threads = pids.filter((pid) => inspectProcess(pid).reason === "thread-id");
    expect(threads).toEqual([]);
  });

  test("are none where /proc is another pid namespace's", async (context) => {
    requireRoot(context, "to make a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `const error = await p.listProcesses().catch((error) => error);
       console.log(JSON.stringify([error.name, error.code, error.backend]));`,
      { prefix: ["unshare", "--pid", "--fork", "--kill-child"], env: environmentFor(name) },
    );
    expect(seen).toEqual(["ProcessListError", "PROCESS_LIST_UNSUPPORTED", name]);
  });

  test("leave out what hidepid hides", async (context) => {
    requireRoot(context, "to mount a /proc of its own");
    backendNamed(name, context);
    const script = `const listed = await p.listProcesses({ args: false });
      console.log(JSON.stringify(listed.map(({ pid }) => pid)));`;
    const { entry, node } = readablePackage();
    const mount = "mount -t proc -o hidepid=2 proc /proc";
    const seen = await runNode(script, {
      entry,
      node,
      cwd: "/",
      prefix: [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        `${mount} && "$@"`,
        "sh",
        ...AS_NOBODY,
      ],
      env: environmentFor(name),
    });
    // Its own process alone; root's shell is 1.
    expect(seen).toHaveLength(1);
    expect(seen).not.toContain(1);
  });
});

test("an aborted list rejects with the signal's reason", async (context) => {
  requireNative(context);
  const reason = new Error("enough");
  await expect(listProcesses({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const listing = listProcesses({ signal: controller.signal, sliceMs: 0 });
  controller.abort(reason);
  await expect(listing).rejects.toBe(reason);
});

test("the error of a list that cannot be had names the backend", () => {
  expect(new ProcessListError("basic")).toMatchObject({
    code: "PROCESS_LIST_UNSUPPORTED",
    backend: "basic",
    message:
      "processes cannot be listed here (backend basic): nativeStatus() says why, unless file descriptors are used up",
  });
});
