// Runs a step's command to its end, or ends it with all that it has started.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const GRACE_MS = 20_000;
/** How long the kernel may take to end what was killed. */
const PATIENCE_MS = 10_000;

/** In the environment of everything that a step starts: some of that leaves its process group (servers do). */
const MARK = "TRUST_STEP";

/** A command that has failed, with the end of its output. */
export class CommandFailed extends Error {
  name = "CommandFailed";
}

/**
 * @param {string} command for the shell
 * @param {{ mark: string, cwd: string, log: string, environment: NodeJS.ProcessEnv, isPolite: boolean, signal: AbortSignal, graceMs?: number }} how
 * - `mark`: names it among all that run; `log`: the file for its output; `isPolite`: others go first; `graceMs`: what it has
 *   started may take so long to tidy up
 * @returns {Promise<string>} its output
 * @throws {CommandFailed}
 * @throws the signal's reason, when that has ended it
 */
export async function execute(command, how) {
  const { mark, cwd, log, environment, isPolite, signal, graceMs = GRACE_MS } = how;
  signal.throwIfAborted();
  const output = openSync(log, "w");
  const child = spawn("nice", ["-n", isPolite ? "5" : "0", "sh", "-c", command], {
    cwd,
    // A group of its own: a terminal's SIGINT must reach the run alone, which then ends it.
    detached: true,
    env: { ...process.env, NO_COLOR: "1", ...environment, [MARK]: mark },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const closed = once(child, "close");
  let ending = null;
  const end = () => {
    ending = endAll(child.pid, mark, graceMs);
  };
  signal.addEventListener("abort", end, { once: true });
  const [status, killedBy] = await closed;
  signal.removeEventListener("abort", end);
  // What it has left must not disturb the next step.
  await (ending ?? endAll(child.pid, mark, graceMs));
  signal.throwIfAborted();
  const text = readFileSync(log, "utf8");
  if (status === 0) return text;
  const lastLines = text.trimEnd().split("\n").slice(-60).join("\n");
  throw new CommandFailed(`${lastLines}\nended with ${status ?? killedBy}, see ${log}`);
}

async function endAll(group, mark, graceMs) {
  // Once to each: some of the labs report at the first signal, and end at the second.
  send(-group, "SIGTERM");
  for (const pid of marked(mark)) if (groupOf(pid) !== group) send(pid, "SIGTERM");
  await untilGone(mark, graceMs);
  for (const pid of marked(mark)) send(pid, "SIGKILL");
  await untilGone(mark, PATIENCE_MS);
  const left = marked(mark);
  if (left.length > 0) throw new CommandFailed(`cannot be ended: ${left.join(", ")}`);
}

async function untilGone(mark, ms) {
  const until = performance.now() + ms;
  while (marked(mark).length > 0 && performance.now() < until) await delay(50);
}

/** The processes that a step has started. Empty where there is no /proc: the group has to do. */
function marked(mark) {
  return numbersIn("/proc").filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`${MARK}=${mark}`);
    } catch {
      // It has ended, or is another user's.
      return false;
    }
  });
}

/** The fifth field of proc_pid_stat(5); the second one, the name, may contain anything. */
function groupOf(pid) {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /su, "");
    return Number(afterName.split(" ")[2]);
  } catch {
    return null;
  }
}

function numbersIn(folder) {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function send(target, signal) {
  try {
    process.kill(target, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
