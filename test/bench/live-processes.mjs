/** Real, single-threaded child processes with any number of arguments; they end with this process. */
import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * @typedef {object} LiveProcess
 * @property {number} pid
 * @property {readonly string[]} argv what the OS should say its arguments are
 * @property {() => Promise<void>} end resolves once it is reaped
 */

/**
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
