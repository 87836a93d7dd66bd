// The worlds in which tokens are written and read: namespaces, users, sandboxes, other boots and machines, with the
// addon and without. Each has an agent (agent.mjs) in it.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { start } from "../worlds/child.mjs";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const MACHINE_IDS = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** Path of a program of test/support/native, which the test run compiles. */
export const program = (name) => join(ROOT, "build/test-programs", name);

/** What differs in a world: `files` are put over others (by path: the text), `pin` is PIDENTITY_HOST_ID. */
export function worldsOf(scratch) {
  const earlierBoot = { [BOOT_ID]: `${randomUUID()}\n` };
  const otherMachine = hexMachineId();
  const worlds = [
    { name: "host" },
    { name: "time namespace, whole ticks", prefix: [program("in-time-namespace"), "100", "0"] },
    {
      name: "time namespace, parts of ticks",
      prefix: [program("in-time-namespace"), "7", "123456789"],
    },
    {
      name: "other user under hidepid",
      commands: "mount -t proc -o hidepid=2 proc /proc",
      prefix: NOBODY,
    },
    { name: "other user", prefix: NOBODY },
    { name: "pinned host id", pin: "rack 7 · blade 3" },
    { name: "other machine id", files: machineId(otherMachine) },
    { name: "without machine id", files: machineId("uninitialized\n") },
    { name: "earlier boot", files: earlierBoot, isEarlierBoot: true },
    {
      name: "earlier boot of another machine",
      files: { ...earlierBoot, ...machineId(otherMachine) },
      isEarlierBoot: true,
    },
    {
      name: "earlier boot without machine id",
      files: { ...earlierBoot, ...machineId("") },
      isEarlierBoot: true,
    },
    {
      name: "earlier boot, pinned host id",
      files: { ...earlierBoot, ...machineId(otherMachine) },
      pin: " rack 7 · blade 3 ",
      isEarlierBoot: true,
    },
    { name: "container", isContainer: true },
    { name: "second container", isContainer: true },
    { name: "container, pinned host id", isContainer: true, pin: "rack 7 · blade 3" },
    { name: "earlier boot, container", isContainer: true, files: earlierBoot, isEarlierBoot: true },
    {
      name: "earlier boot, container, pinned host id",
      isContainer: true,
      files: earlierBoot,
      pin: "rack 7 · blade 3",
      isEarlierBoot: true,
    },
    { name: "container with the host's /proc", isContainer: true, hasForeignProc: true },
    { name: "without /proc", hasProc: false, commands: "mount -t tmpfs none /proc" },
    { name: "sandbox without pidfds", prefix: [program("no-pidfd"), "EPERM"] },
  ];
  return worlds.flatMap((world) =>
    ["addon", "procfs"].map((backend) => ({
      ...world,
      name: `${world.name}, ${backend}`,
      backend,
      scratch,
    })),
  );
}

const machineId = (text) => Object.fromEntries(MACHINE_IDS.map((path) => [path, text]));

function hexMachineId() {
  return `${randomUUID().replaceAll("-", "")}\n`;
}

let nextFile = 0;

/** Starts a world's agent; `ask(name, given)` gives its answer. */
export async function openWorld(world, { node, modules, agent }) {
  const {
    files = {},
    commands = "",
    prefix = [],
    isContainer,
    hasForeignProc,
    pin,
    scratch,
  } = world;
  const covered = Object.entries(files).map(([path, text]) => {
    const file = join(scratch, `file-${nextFile++}`);
    writeFileSync(file, text);
    // Some have the one of D-Bus as a link to the other.
    return `if [ -e ${path} ]; then mount --bind '${file}' ${path}; fi`;
  });
  const script = ["cd /", ...covered, commands, 'exec "$@"']
    .filter((line) => line !== "")
    .join("\n");
  const container = [
    "--pid",
    "--fork",
    "--kill-child",
    ...(hasForeignProc ? [] : ["--mount-proc"]),
  ];
  const inside = ["unshare", "--mount", ...(isContainer ? container : [])];
  const agentThere = [...prefix, node, agent, modules];
  const command = [...inside, "sh", "-euc", script, "sh", ...agentThere];
  const { PIDENTITY_NO_NATIVE: _, PIDENTITY_HOST_ID: __, ...env } = process.env;
  if (world.backend === "procfs") env.PIDENTITY_NO_NATIVE = "1";
  if (pin !== undefined) env.PIDENTITY_HOST_ID = pin;
  const child = start(command, { env });
  const ask = async (name, given = {}) => {
    child.child.stdin.write(`${JSON.stringify({ name, ...given })}\n`);
    return JSON.parse(await child.line());
  };
  const hasOwnProc = !hasForeignProc && world.hasProc !== false;
  return { ...world, hasOwnProc, ask, about: await ask("about") };
}

/** A copy of what is built that every user may read: `node`, `modules`, `agent`. */
export function copyForEveryUser(scratch) {
  const root = join(scratch, "pidentity");
  const agent = join(root, "test/lab/token/agent.mjs");
  for (const name of [
    "build/modules",
    "node_modules/node-gyp-build",
    "build/Release/pidentity.node",
  ]) {
    cpSync(join(ROOT, name), join(root, name), { recursive: true });
  }
  mkdirSync(dirname(agent), { recursive: true });
  copyFileSync(join(ROOT, "test/lab/token/agent.mjs"), agent);
  copyFileSync(join(ROOT, "package.json"), join(root, "package.json"));
  let node = process.execPath;
  const asNobody = spawnSync(node, ["--version"], { uid: 65534, gid: 65534, cwd: "/" });
  if (asNobody.status !== 0) {
    node = join(root, "node");
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o755);
  }
  openToAll(scratch);
  return { node, agent, modules: pathToFileURL(join(root, "build/modules", sep)).href };
}

function openToAll(path) {
  const isFolder = statSync(path).isDirectory();
  const isProgram = path.endsWith("/node") || path.endsWith(".node");
  chmodSync(path, isFolder || isProgram ? 0o755 : 0o644);
  if (isFolder) for (const name of readdirSync(path)) openToAll(join(path, name));
}
