// Sessions that move from pod to pod, by crashes mostly, on real engines: all of them come back, and no line is lost.
//
//   node test/lab/lease/pods.mjs [--engine NAME]... [--world TEXT] [--moves N] [--ttl MS] [--control]
//
// Engines: etcd, postgres, both at once by default. Each has a shared directory in each of the worlds (pods/world.mjs) in
// which pods take turns (pods/mover.mjs), `--moves` in all. A pod is a real set of namespaces and holds three sessions; it
// is killed, stopped, frozen beyond its ttl and continued, or cut off from the network, and another takes over. The
// sessions' files are judged in the end, from outside (pods/transcripts.mjs). Nothing is ever removed by hand, and no
// more than the sessions may be left.
//
// Before, pods without locks, and pods with locks but without leases, show that all that would be noticed; with
// `--control` that is all. Needs root, for the namespaces. Ends with a table and the line "N passed, N failed".
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { run } from "../../../.ci/command.mjs";

import { endAll } from "../worlds/child.mjs";
import { Mover, WAYS } from "./pods/mover.mjs";
import { Witness } from "./pods/witness.mjs";
import { GATE, openNetwork, WORLDS } from "./pods/world.mjs";
import { startProxy } from "./proxy.mjs";

const ENGINES = ["etcd", "postgres"];
/** Within how many ttls in which the engine answers a session must be back, and how long controls wait for one that will not be. */
const LIMIT_TTLS = 15;
const CONTROL_LIMIT_TTLS = 3;

const { values } = parseArgs({
  options: {
    engine: { type: "string", multiple: true, default: ENGINES },
    world: { type: "string", default: "" },
    moves: { type: "string", default: "48" },
    ttl: { type: "string", default: "2000" },
    control: { type: "boolean", default: false },
  },
});
const moves = whole("moves", 1);
// Whole seconds: etcd counts no others.
const ttlMs = whole("ttl", 1000);
for (const name of values.engine) {
  if (!ENGINES.includes(name)) {
    throw new RangeError(`--engine must be one of ${ENGINES.join(", ")}: ${name}`);
  }
}
const worlds = WORLDS.filter(({ name }) => name.includes(values.world));
if (worlds.length === 0) {
  const names = WORLDS.map(({ name }) => name).join("; ");
  throw new RangeError(`--world must be in one of ${names}: ${values.world}`);
}

inOwnNamespaces();
await openNetwork();
const folder = mkdtempSync(join(tmpdir(), "pidentity-pods-"));
// PostgreSQL does not run as root.
chmodSync(folder, 0o755);
// Engines and pods end with this process, however it ends. Asked once it makes no more moves, and reports.
let isAsked = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    if (isAsked) process.exit(1);
    isAsked = true;
  });
}

try {
  report((await Promise.all(values.engine.map(onEngine))).flat());
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

function whole(option, least) {
  const value = Number(values[option]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`--${option} must be an integer >= ${least}: ${values[option]}`);
}

/** Bridge, cables and mounts are this process's and its children's, and go with it. */
function inOwnNamespaces() {
  if (process.env.PIDENTITY_PODS_INSIDE === "1") return;
  if (process.getuid() !== 0) {
    console.log("skipped pods: needs root, for namespaces");
    process.exit(0);
  }
  const unshare = ["unshare", "--mount", "--net", "--propagation", "private", process.execPath];
  const env = { ...process.env, PIDENTITY_PODS_INSIDE: "1" };
  const args = ["--pdeathsig", "TERM", ...unshare, ...process.argv.slice(1)];
  const { status } = spawnSync("setpriv", args, { stdio: "inherit", env });
  process.exit(status ?? 1);
}

async function onEngine(name) {
  const { obstacle, startEngine } = await import(`../../support/engines/${name}.mjs`);
  const missing = obstacle();
  if (missing !== null) return skip(name, missing);
  const { open } = await import(`./open-${name}.mjs`);
  const place = join(folder, name);
  const data = join(place, "engine");
  mkdirSync(data, { recursive: true });
  // What else writes to the disk is not what is tried.
  run("mount", ["-t", "tmpfs", "-o", "size=1g,mode=755", name, data]);
  const engine = await startEngine({ folder: data });
  const proxy = await startProxy(engine.port, GATE);
  const opened = await open({ port: engine.port });
  let witness;
  try {
    await opened.prepare();
    witness = new Witness(opened.store, ttlMs);
    const can = worlds.filter(({ name: world, needs }) => {
      const isThere = needs === undefined || spawnSync(needs, ["--version"]).error === undefined;
      if (!isThere) skip(`${name}, ${world}`, `needs the program ${needs}`);
      return isThere;
    });
    const limitMs = LIMIT_TTLS * ttlMs;
    const base = { engine: name, port: proxy.port, ttlMs, limitMs, witness };
    const rows = await controls(base, place, can);
    if (values.control) return rows;
    let left = Math.ceil(moves / values.engine.length);
    const nextMove = () => {
      if (left > 0 && left % 100 === 0) console.log(`${name}: ${left} moves are left`);
      return left-- > 0 && !isAsked;
    };
    const movers = can.map((world) => {
      const mover = new Mover({ ...base, world, folder: join(place, slug(world.name)) });
      return { title: `${name}, ${world.name}`, mover };
    });
    await Promise.all(movers.map(({ mover }) => mover.run(nextMove)));
    const lateMs = Math.round(witness.lateMs());
    if (lateMs > 0) console.log(`${name} was late for ${lateMs} ms, which are not counted`);
    return [...rows, ...movers.map(({ title, mover }) => rowOf(title, mover))];
  } finally {
    await witness?.stop();
    await opened.close();
    await proxy.stop();
    await engine.stop();
    run("umount", [data]);
  }
}

function slug(text) {
  return text.replaceAll(/[^a-z]+/gu, "-");
}

function skip(what, why) {
  if (process.env.PIDENTITY_REQUIRE_ENGINES === "1") {
    throw new Error(`PIDENTITY_REQUIRE_ENGINES=1, but ${what} ${why}`);
  }
  console.log(`skipped ${what}: ${why}`);
  return [];
}

/** Less than what is promised: what must be complained of. */
async function controls(base, place, can) {
  const frozen = WAYS.filter(({ name }) => name === "frozen");
  const killed = WAYS.filter(({ name }) => name === "killed");
  const arms = [
    { arm: "no-lock", ways: frozen, sees: /^\S+: (?:late|twice|torn|out of order|lost)/u },
    { arm: "no-lease", ways: killed, sees: /^not back/u, of: ({ machines }) => machines > 1 },
  ];
  return await Promise.all(
    arms.map(async ({ arm, ways, sees, of = () => true }) => {
      const world = can.findLast(of);
      const title = `${base.engine}, control: ${arm}`;
      if (world === undefined) return { title, row: {}, returns: [], complaints: [] };
      const limitMs = CONTROL_LIMIT_TTLS * ttlMs;
      const mover = new Mover({ ...base, world, arm, limitMs, folder: join(place, arm) });
      let left = 1;
      await mover.run(() => left-- > 0, ways);
      const { row, complaints } = rowOf(title, mover);
      const isSeen = complaints.some((complaint) => sees.test(complaint));
      return {
        title,
        row: { ...row, violations: `${complaints.length}, as they must` },
        returns: [],
        complaints: isSeen ? [] : [`not seen: ${String(sees)} in ${complaints.join("; ")}`],
      };
    }),
  );
}

function rowOf(title, mover) {
  const { complaints, lines, acknowledged, halfLines, late } = mover.verdict();
  return {
    title,
    returns: mover.returns.map((one) => ({ ...one, title })),
    complaints,
    row: {
      moves: mover.moves,
      "sessions back": mover.returns.length,
      lines,
      acknowledged,
      "half lines cut": halfLines,
      "late lines": late,
      restarts: mover.restarts,
      violations: complaints.length,
    },
  };
}

function report(rows) {
  console.table(Object.fromEntries(rows.map(({ title, row }) => [title, row])));
  const returns = rows.flatMap((row) => row.returns);
  const ways = WAYS.map(({ name }) => [name, returns.filter(({ way }) => way === name)]);
  const times = [...ways, ["all", returns]].filter(([, all]) => all.length > 0);
  console.log(`how long a session was away, in ttls of ${ttlMs} ms:`);
  console.table(Object.fromEntries(times.map(([way, all]) => [way, spread(all)])));
  const slowest = returns.toSorted((a, b) => b.ms - a.ms).slice(0, 3);
  for (const { title, way, ms } of slowest) {
    console.log(`among the slowest: ${(ms / ttlMs).toFixed(2)} ttls, ${way}, ${title}`);
  }
  for (const { title, complaints } of rows) {
    for (const complaint of complaints.slice(0, 10)) console.log(`FAILED ${title}: ${complaint}`);
  }
  const sum = (key) => rows.reduce((total, { row }) => total + (row[key] ?? 0), 0);
  const done = rows.filter(({ title }) => !title.includes("control"));
  const total = done.reduce((all, { row }) => all + row.moves, 0);
  console.log(
    `total: ${total} moves, ${returns.length} sessions back, ${sum("acknowledged")} lines`,
  );
  const failed = rows.filter(({ complaints }) => complaints.length > 0).length;
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function spread(all) {
  const sorted = all.map(({ ms }) => ms / ttlMs).toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const shown = (value) => Number(value.toFixed(2));
  return { sessions: all.length, median: shown(at(0.5)), p99: shown(at(0.99)), max: shown(at(1)) };
}
