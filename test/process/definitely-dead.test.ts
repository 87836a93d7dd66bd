/** isPidDefinitelyDead: true is a proof, everything else is not. */
import { beforeEach, describe, expect, test } from "vitest";

import { isPidAlive, isPidDefinitelyDead } from "../../lib/index.js";
import { createBasicBackend } from "../../lib/process/backends/basic.js";
import { environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";
import { AS_NOBODY, readablePackage } from "../support/processes/unprivileged.js";

const IDLE = nodeArguments("console.log('ready'); process.stdin.resume();");

test("a running process is not dead, and dead once it has ended and was waited for", async () => {
  const child = await startReady(process.execPath, IDLE);
  expect(isPidDefinitelyDead(child.pid)).toBe(false);
  await child.kill();
  expect(isPidDefinitelyDead(child.pid)).toBe(true);
  expect(isPidAlive(child.pid)).toBe(false);
});

test("this process is not dead", () => {
  expect(isPidDefinitelyDead(process.pid)).toBe(false);
});

test.each<[string, unknown]>([
  ["0", 0],
  ["minus 0", -0],
  ["a process group", -process.pid],
  ["a fraction", 1.5],
  ["NaN", Number.NaN],
  ["Infinity", Infinity],
  ["a number beyond every pid", 2 ** 40],
  ["the number after the largest one of 32 bits", 2 ** 32],
  ["a big integer", 4_000_000n],
  ["a text", "4000000"],
  ["true", true],
  ["null", null],
  ["nothing", undefined],
  ["a symbol", Symbol("pid")],
  ["a list", [4_000_000]],
  ["an object with a value", { valueOf: () => 4_000_000 }],
  [
    "an object that throws",
    {
      valueOf() {
        throw new Error("asked");
      },
    },
  ],
])("%s is no pid, of which nothing is proven", (_, pid) => {
  expect(isPidDefinitelyDead(pid as number)).toBe(false);
});

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  beforeEach((context) => requireLinux(context, "two backends"));
  const env = environmentFor(name);
  const ask = (pids: readonly number[], options: object = { env }) =>
    runNode(
      `console.log(JSON.stringify(${JSON.stringify(pids)}.map((pid) => p.isPidDefinitelyDead(pid))));`,
      options,
    );

  test("a zombie, an absent pid and a thread's id are dead, a process whose first thread ended is not", async () => {
    const zombie = Number((await startReady(program("zombie-parent"))).first);
    const leader = await startReady(program("leader-exits"));
    const pids = [zombie, 4_000_000, Number(leader.first), leader.pid, process.pid, 1];
    expect(await ask(pids)).toEqual([true, true, true, false, false, false]);
  });

  test("another user's process that may not be signalled is not dead", async (context) => {
    requireRoot(context, "to become another user");
    const copy = readablePackage();
    const options = { ...copy, prefix: AS_NOBODY, env, cwd: "/" };
    expect(await ask([process.pid, 1, 4_000_000], options)).toEqual([false, false, true]);
  });

  test("a process that /proc hides is not dead", async (context) => {
    requireRoot(context, "to mount a /proc that hides processes");
    const copy = readablePackage();
    const inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "sh", "-c"];
    const hide = 'mount -t proc -o hidepid=2 proc /proc || exit 3; sleep 1000 & "$@"; exit $?';
    const prefix = [...inside, hide, "sh", ...AS_NOBODY];
    // The shell is 1, mount was 2 and sleep is 3.
    expect(await ask([1, 3, 4_000_000], { ...copy, prefix, env, cwd: "/" })).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("without a /proc of its own pid namespace a living process is not dead", async (context) => {
    requireRoot(context, "to make a pid namespace");
    const prefix = ["unshare", "--pid", "--fork", "--kill-child"];
    expect(await ask([1, 4_000_000], { prefix, env })).toEqual([false, true]);
  });
});

describe("with the backend basic", () => {
  const refusing = (code: string) =>
    createBasicBackend(() => {
      throw Object.assign(new Error(code), { code });
    });

  test.each([
    ["ESRCH", true],
    ["EPERM", false],
    ["EACCES", false],
    ["EINVAL", false],
    ["NotCapable", false],
  ])("what kill answers by %s is proof of an end: %s", (code, isProof) => {
    expect(!refusing(code).isAlive(4711)).toBe(isProof);
  });
});
