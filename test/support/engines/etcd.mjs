/**
 * A real etcd on loopback, its data in a folder of the caller's; ended by its own pid. Shared by tests and the lab:
 * postgres.mjs has the same exports.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { makeCertificates } from "./certificates.mjs";
import { freePorts } from "./free-ports.mjs";

export const NAME = "etcd";

/** Why none can be started here; null: one can. */
export function obstacle() {
  // setpriv ends it with the test, openssl makes its certificates.
  for (const [program, flag] of [
    ["etcd", "--version"],
    ["setpriv", "--version"],
    ["openssl", "version"],
  ]) {
    const { error } = spawnSync(program, [flag]);
    if (error !== undefined) return `needs etcd (Debian: etcd-server): ${error.message}`;
  }
  return null;
}

/**
 * @param {{ folder: string, port?: number }} where - `folder` exists; `port`: any that is free, if not given
 * @returns an Engine: see startMember
 */
export async function startEngine({ folder, port }) {
  const [client, peer] = await freePorts(2);
  const ports = { client: port ?? client, peer };
  const engine = startMember({ folder, name: "only", ports, peers: { only: peer }, tls: null });
  return await whenReady(engine);
}

/** Three members that agree, each an Engine; with TLS towards clients where `tls` is true. */
export async function startCluster({ folder, tls = false }) {
  const names = ["one", "two", "three"];
  const ports = await freePorts(2 * names.length);
  const peers = Object.fromEntries(names.map((name, index) => [name, ports[names.length + index]]));
  const certificates = tls ? makeCertificates(folder) : null;
  const members = names.map((name, index) =>
    startMember({
      folder,
      name,
      ports: { client: ports[index], peer: peers[name] },
      peers,
      tls: certificates,
    }),
  );
  try {
    await Promise.all(members.map((member) => member.ready()));
  } catch (error) {
    await Promise.all(members.map((member) => member.stop()));
    throw error;
  }
  const endpoints = members.map(({ port }) => `http${tls ? "s" : ""}://127.0.0.1:${port}`);
  return {
    members,
    endpoints,
    ca: certificates?.ca,
    stop: () => Promise.all(members.map((member) => member.stop())),
  };
}

/** One that wants a user and a password from everyone, with the user root. */
export async function requirePasswords(port, rootPassword) {
  const ask = async (path, body) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v3/auth/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  await ask("user/add", { name: "root", password: rootPassword });
  await ask("role/add", { name: "root" });
  await ask("user/grant", { user: "root", role: "root" });
  await ask("enable", {});
}

function startMember({ folder, name, ports, peers, tls }) {
  const client = `http${tls === null ? "" : "s"}://127.0.0.1:${ports.client}`;
  const peer = `http://127.0.0.1:${ports.peer}`;
  const args = [
    "--name",
    name,
    "--data-dir",
    join(folder, name),
    "--listen-client-urls",
    client,
    "--advertise-client-urls",
    client,
    "--listen-peer-urls",
    peer,
    "--initial-advertise-peer-urls",
    peer,
    "--initial-cluster",
    Object.entries(peers)
      .map(([member, port]) => `${member}=http://127.0.0.1:${port}`)
      .join(","),
    // The shortest lease is one and a half election timeouts, in whole seconds: 1 s instead of 2. Members of a cluster
    // on a busy machine need more time for each other.
    ...(Object.keys(peers).length === 1
      ? ["--heartbeat-interval", "10", "--election-timeout", "100"]
      : ["--heartbeat-interval", "100", "--election-timeout", "1000"]),
    ...(tls === null ? [] : ["--cert-file", tls.certFile, "--key-file", tls.keyFile]),
    "--logger",
    "zap",
    "--log-level",
    "error",
  ];
  let child;
  let end;
  let errors;
  const launch = () => {
    // Not what a shell has set for etcdctl, nor a proxy.
    const env = { PATH: process.env.PATH, HOME: folder };
    // Ends with this process, even one that is killed.
    child = spawn("setpriv", ["--pdeathsig", "KILL", "etcd", ...args], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (errors = (errors + text).slice(-4000)));
    end = once(child, "close");
  };
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const endBy = async (signal) => {
    if (!hasEnded()) child.kill(signal);
    await end;
  };
  const engine = {
    port: ports.client,
    pid: () => child.pid,
    /** Resolves when it answers for the whole cluster. */
    async ready() {
      const deadline = performance.now() + 60_000;
      while (!(await isHealthy(client))) {
        if (hasEnded()) throw new Error(`etcd ended: ${errors}`);
        if (performance.now() > deadline) throw new Error(`etcd does not answer: ${errors}`);
        await delay(10);
      }
    },
    /** SIGKILL; the data stay. */
    kill: () => endBy("SIGKILL"),
    /** After kill(): on the same data and port. */
    async restart() {
      launch();
      await engine.ready();
    },
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    stop: () => endBy("SIGKILL"),
  };
  launch();
  return engine;
}

async function whenReady(engine) {
  try {
    await engine.ready();
    return engine;
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

function isHealthy(url) {
  const get = url.startsWith("https:") ? getSecure : getPlain;
  return new Promise((resolve) => {
    const request = get(
      `${url}/health`,
      { rejectUnauthorized: false, timeout: 1000, agent: false },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}
