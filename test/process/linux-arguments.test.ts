/** Command lines as only Linux can have them. */
import { readdirSync, readFileSync } from "node:fs";

import { beforeEach, describe, expect, test } from "vitest";

import { parseStat } from "../../lib/process/backends/procfs-parse.js";
import { backendNamed, LINUX_BACKENDS } from "../support/processes/backends.js";
import { start, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { waitFor } from "../support/wait-for.js";
import { requireLinux } from "../support/require.js";

beforeEach((context) => requireLinux(context, "command lines as only it has them"));

const IDLE = program("idle");
/** The longest single argument: MAX_ARG_STRLEN (include/uapi/linux/binfmts.h) with its NUL. */
const LONGEST = 128 * 1024 - 1;

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  test.for([
    ["empty arguments", ["", "a", "", "", "b", ""]],
    ["one empty argument at the end", ["a", ""]],
    ["newlines, tabs and quotes", ["a\nb", "\n", "\t", "it's", '"']],
    ["what looks like environment", ["HOME=/root", "="]],
    ["text of all planes", ["é", "日本", "😀", "\u{10ffff}"]],
    ["many arguments", Array.from({ length: 5000 }, (_, index) => String(index))],
    ["an argument of 128 KiB less one byte", ["x".repeat(LONGEST)]],
  ] as const)("%s survive", async ([, args], context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(IDLE, args);
    expect(backend.args(child.pid)).toEqual([IDLE, ...args]);
    expect(backend.inspect(child.pid, true)).toMatchObject({
      args: [IDLE, ...args],
      argsReason: null,
      commandLine: [IDLE, ...args].join(" "),
    });
  });

  test("a command line of 1.8 MB is whole", async (context) => {
    const backend = backendNamed(name, context);
    const args = Array.from({ length: 14 }, (_, index) =>
      String.fromCharCode(97 + index).repeat(LONGEST),
    );
    const child = await startReady(IDLE, args, { env: {} });
    const found = backend.args(child.pid) ?? [];
    // Not toEqual: its difference would be 1.8 MB of report.
    expect(found.length).toBe(15);
    expect(found.slice(1).every((argument, index) => argument === args[index])).toBe(true);
    expect(backend.inspect(child.pid, true).commandLine?.length).toBe(
      IDLE.length + 14 * (LONGEST + 1),
    );
  });

  test("an empty first argument, and nothing else", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(IDLE, [], { argv0: "" });
    expect(backend.args(child.pid)).toEqual([""]);
    expect(backend.inspect(child.pid, true).commandLine).toBe("");
  });

  test("bytes that are not UTF-8 are replaced, one by one", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(program("exec-bytes"), [
      IDLE,
      "6964",
      "ff78fe",
      "",
      "c3a9",
      "e282",
    ]);
    const args = ["id", "\ufffdx\ufffd", "", "é", "\ufffd"];
    expect(backend.args(child.pid)).toEqual(args);
    expect(backend.inspect(child.pid, true).commandLine).toBe(args.join(" "));
  });

  test("a rewritten title is one argument, however long its padding", async (context) => {
    const backend = backendNamed(name, context);
    const child = await startReady(program("retitle"), ["fill", "worker 3", "x".repeat(300)]);
    expect(backend.args(child.pid)).toEqual(["worker 3"]);
    expect(backend.inspect(child.pid, true).commandLine).toBe("worker 3");
  });

  test("a title that runs into the environment is cut where its area ends", async (context) => {
    const backend = backendNamed(name, context);
    const args = ["overrun", "7"];
    const env = { FIRST: "a secret", SECOND: "another secret" };
    const child = await startReady(program("retitle"), args, { env });
    const area = Buffer.byteLength([program("retitle"), ...args].join("\0")) + 1;
    expect(readFileSync(`/proc/${child.pid}/cmdline`).length).toBeGreaterThan(area);
    expect(backend.args(child.pid)).toEqual(["T".repeat(area)]);
    expect(backend.inspect(child.pid, true).commandLine).toBe("T".repeat(area));
  });

  test("the environment is never shown, even where the kernel shows it", async (context) => {
    const backend = backendNamed(name, context);
    const env = { SECRET: "the password" };
    const child = await startReady(program("retitle"), ["unterminated"], { env });
    expect(readFileSync(`/proc/${child.pid}/cmdline`, "latin1")).toContain("the password");
    expect(backend.args(child.pid)).toEqual([`${program("retitle")} unterminated `]);
    expect(backend.inspect(child.pid, true).commandLine).toBe(
      `${program("retitle")} unterminated `,
    );
  });

  test("a kernel thread has no arguments, and that is an answer", (context) => {
    const backend = backendNamed(name, context);
    const threads = readdirSync("/proc").filter(
      (entry) => /^\d+$/u.test(entry) && isKernelThread(entry),
    );
    if (threads.length === 0) return context.skip("no kernel threads in this pid namespace");
    for (const pid of threads.slice(0, 20).map(Number)) {
      expect(backend.args(pid)).toEqual([]);
      expect(backend.inspect(pid, true)).toMatchObject({
        state: "alive",
        reason: "running",
        args: [],
        argsReason: null,
        commandLine: "",
      });
    }
  });

  test("pid 1 is a process like others, and has no parent", (context) => {
    const backend = backendNamed(name, context);
    const init = backend.inspect(1, true);
    expect(init).toMatchObject({ state: "alive", reason: "running", parentPid: null });
    expect(init.startTime).not.toBeNull();
    expect(init.args?.length).toBeGreaterThan(0);
  });

  test("a process that keeps executing programs shows one of them, never a mixture", async (context) => {
    const backend = backendNamed(name, context);
    const storm = await startStorm();
    const short = JSON.stringify(["storm", "short"]);
    const long = JSON.stringify([
      "storm",
      "long",
      ...Array<string>(40).fill("an argument of the long command line"),
    ]);
    const seen = new Set<string>();
    const until = performance.now() + 1500;
    while (performance.now() < until) {
      const { state, args, argsReason } = backend.inspect(storm, true);
      const answer = args === null ? argsReason : JSON.stringify(args);
      seen.add(`${state}: ${answer}`);
    }
    seen.delete("alive: busy");
    expect([...seen].toSorted()).toEqual([`alive: ${long}`, `alive: ${short}`]);
  });
});

async function startStorm(): Promise<number> {
  const child = await start(program("exec-storm"), ["short"], { argv0: "storm" });
  await waitFor("the storm", () =>
    readFileSync(`/proc/${child.pid}/cmdline`, "latin1").startsWith("storm\0"),
  );
  return child.pid;
}

function isKernelThread(pid: string): boolean {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
    return stat !== null && (stat.flags & 0x00200000) !== 0;
  } catch {
    return false;
  }
}
