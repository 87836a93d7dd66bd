// Pods: each a process in pid, mount, network, UTS and IPC namespaces of its own, with the shared directory mounted at the
// same path, and a virtual cable to the bridge behind which the engine is.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { start } from "../../worlds/child.mjs";

const PROGRAM = fileURLToPath(new URL("program.mjs", import.meta.url));
const BRIDGE = "pods";
/** Of the bridge: where pods reach the engine. */
export const GATE = "10.83.0.1";

/**
 * FUSE shows what another mount has written with the next look, as NFS does with the next open (by default it may answer
 * a size that is a second old, from which a successor would take a wrong last line), and unlinks what is open instead of
 * hiding it under a name that stays when the daemon is killed.
 */
const FRESH = "-o attr_timeout=0,hard_remove";

/**
 * What pods may have in common.
 *
 * - `machines`: how many boots they are of, as the kernel tells it inside (a bind-mounted boot id); 0: this one.
 * - `mount`: shell commands; the volume is at `$SHARED`, pods see it at `$VOLUME`.
 * - `isFenceShared`: whether a kernel lock of one pod shows in the others. Where it does, no process can take a lock over
 *   while its holder is inside its fence; where it does not, one that is stopped in there writes what it has begun when it
 *   is continued (lib/lease/README.md, "What it cannot promise").
 */
export const WORLDS = [
  {
    name: "one kernel",
    what: "pods of one machine, on its disk",
    machines: 0,
    mount: 'mount --bind "$SHARED" "$VOLUME"',
    isFenceShared: true,
  },
  {
    name: "one machine, FUSE",
    what: "pods of one machine, each with a mount of its own, locks passed on",
    machines: 0,
    needs: "bindfs",
    mount: `bindfs ${FRESH} --multithreaded --enable-lock-forwarding "$SHARED" "$VOLUME"`,
    isFenceShared: true,
  },
  {
    name: "three machines, locks shared",
    what: "pods of three machines on a volume that passes locks on, as NFSv4 does",
    machines: 3,
    needs: "bindfs",
    mount: `bindfs ${FRESH} --multithreaded --enable-lock-forwarding "$SHARED" "$VOLUME"`,
    isFenceShared: true,
  },
  {
    name: "three machines, locks apart",
    what: "pods of three machines on a volume that keeps each one's locks to itself, as NFS with nolock does",
    machines: 3,
    needs: "bindfs",
    mount: `bindfs ${FRESH} "$SHARED" "$VOLUME"`,
    isFenceShared: false,
  },
];

/** The network of this process's own namespace, which goes with it. */
export async function openNetwork() {
  await ip("link", "set", "lo", "up");
  await ip("link", "add", BRIDGE, "type", "bridge");
  await ip("addr", "add", `${GATE}/16`, "dev", BRIDGE);
  await ip("link", "set", BRIDGE, "up");
}

let pods = 0;

/**
 * Starts one.
 *
 * @param world one of WORLDS
 * @param {number | null} machine of the world's machines, counted from 0; null: this one
 * @param folder of the world's own: `shared` is in there
 * @param task what program.mjs is told
 * @param {(line: string) => void} hear called with each line that it says
 */
export async function startPod({ world, machine, folder, task, hear }) {
  const number = ++pods;
  const name = `pod-${number}`;
  const address = `10.83.${1 + (number >> 8)}.${number & 255}`;
  const cable = `pod${number}`;
  const program = JSON.stringify({ ...task, name, host: GATE, isFenceShared: world.isFenceShared });
  const bootId = machine === null ? null : bootIdOf(machine);
  const script = `
    set -e
    hostname ${name}
    ${bootId === null ? "" : `mount --bind '${bootIdFile(folder, bootId)}' /proc/sys/kernel/random/boot_id`}
    ${world.mount}
    echo up
    read -r _
    ip link set lo up
    ip addr add ${address}/16 dev eth0
    ip link set eth0 up
    exec "$@" </dev/null`;
  const env = { ...process.env, SHARED: join(folder, "shared"), VOLUME: task.directory };
  const namespaces = ["--pid", "--mount", "--net", "--uts", "--ipc"];
  // Ends with this process, however that ends, and the pod with it.
  const command = [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    ...namespaces,
    "--fork",
    "--kill-child",
  ];
  const unshare = start(
    [...command, "--mount-proc", "sh", "-c", script, name, process.execPath, PROGRAM, program],
    { env },
  );
  await unshare.line();
  const [init] = childrenOf(unshare.child.pid);
  await ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", String(init));
  await ip("link", "set", cable, "master", BRIDGE, "up");
  unshare.child.stdin.write("go\n");

  let hasEnded = false;
  const listening = (async () => {
    for (;;) hear(await unshare.line());
  })().catch((error) => error.message.split(" ended: ").at(-1));
  const ended = Promise.all([listening, unshare.ended]).then(([why]) => {
    hasEnded = true;
    return why;
  });
  const signalAll = (signal) => {
    // Init first: what serves its files must not be missing while it runs.
    const pids = [init, ...childrenOf(init)];
    for (const pid of signal === "SIGCONT" ? pids.toReversed() : pids) send(pid, signal);
  };
  return {
    name,
    /** Resolves when it is gone with all of its processes, to what it wrote on its standard error. */
    ended,
    hasEnded: () => hasEnded,
    /** Its program: what it is doing, which it tells. */
    ask: () => send(init, "SIGUSR2"),
    /** What its kernel says that its processes are doing. */
    processes: () => [init, ...childrenOf(init)].map(stateOf).join(", "),
    /** All of it at once, as a machine's crash. */
    kill: () => send(init, "SIGKILL"),
    stop: () => send(init, "SIGTERM"),
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
    /** Nothing reaches it any more, nor what it sends anything. */
    async cutOff() {
      try {
        await ip("link", "set", cable, "down");
      } catch (error) {
        // The cable has gone with a pod that has just ended.
        if (childrenOf(unshare.child.pid).includes(init)) throw error;
      }
    },
  };
}

const bootIdOf = (machine) => `0000000${machine + 1}-0000-4000-8000-00000000000${machine + 1}`;

function bootIdFile(folder, bootId) {
  mkdirSync(join(folder, "boots"), { recursive: true });
  const file = join(folder, "boots", bootId);
  writeFileSync(file, `${bootId}\n`);
  return file;
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function stateOf(pid) {
  const read = (file) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8").trim();
    } catch (error) {
      return error.code;
    }
  };
  const [, state = "gone"] = /^State:\s*(\S+)/mu.exec(read("status")) ?? [];
  return `${read("comm")} ${state} ${read("wchan")}`;
}

function childrenOf(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Without stopping this process, through which pods reach their engine. */
async function ip(...args) {
  await promisify(execFile)("ip", args);
}
