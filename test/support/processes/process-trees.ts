/** Processes that have descendants, and what is left of them. */
import { identifyProcess } from "../../../lib/process/identity.js";
import { type RunningChild, start } from "./child.js";

/** A shell that runs `script`; `pids` are the numbers in its first line, the shell's own first. */
export interface ShellTree {
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
  return {
    shell,
    token: identifyProcess(shell.pid) ?? "",
    pids: [shell.pid, ...line.trim().split(/\s+/u).map(Number)],
  };
}
