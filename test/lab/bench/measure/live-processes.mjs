/** Real child processes to ask about; they end with this process. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { spawn } from "node:child_process";

import { compile, startServer } from "../programs.mjs";

/**
 * @typedef {object} LiveProcess
 * @property {number} pid
 * @property {readonly string[]} argv what the OS should say its arguments are
 * @property {() => Promise<void>} end resolves once it is reaped
 */

/**
 * One single-threaded process with any number of arguments.
 *
 * @param {number} argumentCount 5 or more
 * @returns {Promise<LiveProcess>}
 */
export async function startLiveProcess(argumentCount) {
  const fixed = ["-c", "read _", "sh"];
  const rest = Array.from({ length: argumentCount - fixed.length - 1 }, (_, i) => `arg-${i}`);
  const args = [...fixed, ...rest];
  // It waits for a line that never comes; the end of the pipe is its end, too.
  const child = spawn("sh", args, { stdio: ["pipe", "ignore", "inherit"] });
  await once(child, "spawn");
  const exit = once(child, "exit");
  return {
    pid: /** @type {number} */ (child.pid),
    argv: ["sh", ...args],
    async end() {
      child.stdin?.end();
      await exit;
    },
  };
}

/**
 * Many processes at once, as cheap as a process can be: forks of a C program that sleep.
 *
 * @param {number} count
 */
export async function startCrowd(count) {
  const path = compile("crowd");
  const server = await startServer(path, [String(count), "one", "two", "three"]);
  /** @type {number[]} */
  const pids = await server.next();
  return { pids, argv: [path, String(count), "one", "two", "three"], end: () => server.end() };
}

/**
 * Numbers that no process has, now or later: beyond what this kernel hands out, yet such as it could.
 *
 * @param {number} count
 */
export function absentPids(count) {
  const first = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8")) + 1;
  // PID_MAX_LIMIT of include/linux/threads.h
  if (first + count > 2 ** 22)
    throw new Error("this kernel hands out every number that a pid can be");
  return Array.from({ length: count }, (_, i) => first + i);
}
