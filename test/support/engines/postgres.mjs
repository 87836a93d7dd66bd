/**
 * A PostgreSQL server of a test's own: Debian's, in a folder of its own, on a port of 127.0.0.1. Its processes are ended by
 * their pids; where this process ends first, with it.
 */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { freePorts } from "./free-ports.mjs";

export const NAME = "postgres";

const DEBIAN = "/usr/lib/postgresql";
/** The server refuses to run as root: by number, the name is `nobody` in Debian. */
const NOBODY = 65534;
const DEADLINE_MS = 60_000;

/** The folder with the programs of the newest version; null: none. */
function programs() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const [newest] = versions
    .filter((version) => existsSync(join(DEBIAN, version, "bin/postgres")))
    .toSorted((a, b) => Number(b) - Number(a));
  return newest === undefined ? null : join(DEBIAN, newest, "bin");
}

/** Why it cannot be started here; null: it can. */
export function obstacle() {
  if (process.platform !== "linux")
    return `needs PostgreSQL's server on Linux, not ${process.platform}`;
  if (programs() !== null) return null;
  return "needs PostgreSQL's server: apt-get install postgresql";
}

const identity = () => (process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {});

/**
 * @param {{ folder: string, port?: number, settings?: Record<string, string> }} options `folder` exists and is the
 *   caller's, who removes it; `settings` are of postgresql.conf
 */
export async function startEngine({ folder, port, settings = {} }) {
  const data = join(folder, "data");
  const user = identity();
  if (!existsSync(data)) {
    mkdirSync(data, { mode: 0o700 });
    if (user.uid !== undefined) {
      chmodSync(folder, 0o755);
      chownSync(data, user.uid, user.gid);
    }
    const made = spawnSync(
      join(programs(), "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      { ...user, cwd: data, encoding: "utf8" },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stdout}${made.stderr}`);
  }
  const [free] = port === undefined ? await freePorts(1) : [port];
  const engine = new Postgres(data, free, settings);
  await engine.restart();
  return engine;
}

class Postgres {
  #data;
  #settings;
  #child = null;
  #end = Promise.resolve();
  #endWithUs = () => this.#child?.kill("SIGQUIT");

  constructor(data, port, settings) {
    this.#data = data;
    this.port = port;
    this.#settings = {
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: "",
      max_connections: "200",
      // What a killed process has written the kernel keeps.
      fsync: "off",
      ...settings,
    };
  }

  pid = () => {
    return this.#child?.pid;
  };

  /** Starts it in its folder, on its port; resolves when it takes connections. */
  restart = async () => {
    if (this.#child !== null) throw new Error("it runs");
    const args = Object.entries(this.#settings).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    const child = spawn(join(programs(), "postgres"), ["-D", this.#data, ...args], {
      ...identity(),
      cwd: this.#data,
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    });
    this.#child = child;
    process.on("exit", this.#endWithUs);
    let log = "";
    this.#end = new Promise((resolve) => {
      child.once("close", () => {
        process.off("exit", this.#endWithUs);
        this.#child = null;
        resolve();
      });
    });
    const ready = new Promise((resolve) => {
      child.stderr.setEncoding("utf8").on("data", (text) => {
        log = (log + text).slice(-10_000);
        if (log.includes("database system is ready to accept connections")) resolve(true);
      });
    });
    const began = await Promise.race([
      ready,
      this.#end.then(() => false),
      delay(DEADLINE_MS, false, { ref: false }),
    ]);
    if (!began) {
      this.#endWithUs();
      throw new Error(`the server did not start: ${log}`);
    }
  };

  /** The server and its processes, which are no group: each has a session of its own. */
  #pids() {
    const pid = this.pid();
    if (pid === undefined) return [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return [pid, ...children.split(" ").filter(Boolean).map(Number)];
  }

  /** SIGKILL to all of it: what it had not written is lost; what it had is kept. */
  kill = async () => {
    // First the one that makes the others.
    const [pid] = this.#pids();
    if (pid === undefined) return;
    process.kill(pid, "SIGSTOP");
    const pids = this.#pids();
    for (const each of pids) signal(each, "SIGKILL");
    await this.#end;
    await gone(pids);
  };

  /** SIGSTOP to all of it: connections stay, and are not answered. */
  pause = () => {
    const [pid] = this.#pids();
    process.kill(pid, "SIGSTOP");
    for (const each of this.#pids()) signal(each, "SIGSTOP");
  };

  resume = () => {
    for (const each of this.#pids().toReversed()) signal(each, "SIGCONT");
  };

  /** Ends it in order; connections are closed. */
  stop = async () => {
    const pids = this.#pids();
    if (pids.length === 0) return;
    for (const each of pids) signal(each, "SIGCONT");
    signal(pids[0], "SIGINT");
    await this.#end;
    await gone(pids);
  };
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** The memory that they share must be free before the server can start again. */
async function gone(pids) {
  const deadline = performance.now() + DEADLINE_MS;
  while (pids.some(isRunning)) {
    if (performance.now() > deadline) throw new Error(`still running: ${pids.filter(isRunning)}`);
    await delay(5);
  }
}

function isRunning(pid) {
  try {
    // A zombie has let go of everything; its parent may take its time.
    return !/^State:\s+[ZX]/mu.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
