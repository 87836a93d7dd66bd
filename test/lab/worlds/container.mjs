// Containers and machines as a lock sees them: a pid namespace with its own /proc, a mount namespace, a host
// name, a boot. A machine is the host with other facts, a container has a pid namespace as well.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { start } from "./child.mjs";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * Starts one. What it mounts goes with it.
 *
 * @param {object} world
 * @param {boolean} [world.isContainer] with a pid namespace of its own
 * @param {string} [world.bootIdFile] a file to be its boot's id; default: the real one
 * @param {string} [world.hostname]
 * @param {string} [world.commands] shell commands to be run in it first
 * @returns `prefix`: put before a command, it runs inside. `end()`: it and all of its processes end.
 */
export async function startWorld({ isContainer = false, bootIdFile, hostname, commands = "" }) {
  const script = [
    "set -e",
    bootIdFile === undefined ? "" : `mount --bind '${bootIdFile}' ${BOOT_ID}`,
    hostname === undefined ? "" : `hostname '${hostname}'`,
    commands,
    "echo ready",
    "read -r _ || :",
  ].join("\n");
  const namespaces = ["--mount", "--uts", "--ipc"];
  const container = ["--pid", "--fork", "--kill-child", "--mount-proc"];
  const world = start([
    "unshare",
    ...namespaces,
    ...(isContainer ? container : []),
    "sh",
    "-c",
    script,
  ]);
  await world.line();
  const { pid } = world.child;
  const init = isContainer ? childOf(pid) : pid;
  const entered = ["nsenter", `--target=${init}`, "--mount", "--uts", "--ipc"];
  return {
    prefix: [...entered, ...(isContainer ? ["--pid"] : []), "--"],
    async end() {
      await world.kill();
      if (isContainer) await untilGone(init);
    },
  };
}

/** Commands that mount the overlay of `folder` (lower, upper, work) at `folder`/merged. */
export function overlayIn(folder) {
  const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) =>
    join(folder, name),
  );
  return `mount -t overlay overlay -o lowerdir='${lower}',upperdir='${upper}',workdir='${work}' '${merged}'`;
}

function childOf(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}

/** The last process of a pid namespace is gone only when all the others are. */
async function untilGone(pid) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    if (Date.now() > deadline) throw new Error(`container does not end: ${pid}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
