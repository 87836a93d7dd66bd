/** The demo's child processes: started, known to be ready, ended for certain. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const running = new Set();

/**
 * Starts a lock writer of `writers/` and waits until it says that it is done.
 * It ends by itself when this process does: it waits on its standard input.
 */
export async function startWriter(name, ...args) {
  const script = fileURLToPath(new URL(`writers/${name}.mjs`, import.meta.url));
  const child = startProgram(process.execPath, [script, ...args]);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  while (!output.includes("ready\n")) {
    if (child.exitCode !== null) throw new Error(`writer ended early: ${name}`);
    await Promise.race([once(child.stdout, "data"), once(child, "close")]);
  }
  return child;
}

/** Any other program, e.g. one that happens to have a pid that a lock names. */
export function startProgram(file, args) {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}

/** SIGKILL: no handler runs, nothing is tidied up. Resolves when the process is reaped. */
export async function kill(child) {
  if (!running.has(child)) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

export async function killAll() {
  await Promise.all([...running].map(kill));
}
