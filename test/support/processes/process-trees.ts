/** Processes that have descendants, and what is left of them. */
import { onTestFinished } from "vitest";

import { identifyProcess } from "../../../lib/process/identity.js";
import { signalProcess } from "../../../lib/process/signal.js";
import { type RunningChild, start } from "./child.js";

/** A shell that runs `script`; `pids` are the numbers in its first line, the shell's own first. */
interface ShellTree {
  readonly shell: RunningChild;
  readonly token: string;
  readonly pids: readonly number[];
}

/**
 * Runs a shell script that prints pids, in one line, once its tree is complete. All have its standard output open, which
 * so ends with the last of them, see `shell.exited()`.
 */
export async function startTree(
  script: string,
  options: Parameters<typeof start>[2] = {},
): Promise<ShellTree> {
  const shell = await start("/bin/sh", ["-c", script], options);
  const line = await shell.line();
  const pids = [shell.pid, ...line.trim().split(/\s+/u).map(Number)];
  // What a failed test leaves would keep the output open.
  const tokens = pids.map((pid) => identifyProcess(pid) ?? "");
  onTestFinished(() => tokens.forEach((token) => signalProcess(token, "SIGKILL")));
  return { shell, token: tokens[0] ?? "", pids };
}
