/** Leases on real servers: beside the same round trips made by hand, handed over, and taken over from a killed holder. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { max } from "simple-statistics";

import { atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { interleave, timeEach } from "../measure/interleave.mjs";
import { openEtcd, openPostgres } from "../measure/lease-clients.mjs";
import { temporaryFolder } from "../measure/temporary-folder.mjs";
import { startNodeServer } from "../programs.mjs";

export const title = "Leases on PostgreSQL and etcd, beside the same round trips made by hand";

const ENGINES = { postgres: openPostgres, etcd: openEtcd };
/** Of each way in a round: free leases, and hand-overs. */
const LEASES = 20;
const HAND_OVERS = 4;
/** The default; etcd looks for leases that have run out twice a second. */
const TTL_MS = 10_000;
const KILLS = 10;

/** @param {{ rounds: number, short: boolean }} options */
export async function run({ rounds, short }) {
  const folder = temporaryFolder(tmpdir());
  // PostgreSQL runs as another user than root.
  chmodSync(folder, 0o755);
  const measurements = [];
  const notes = [
    `Medians of ${rounds} interleaved rounds: ${LEASES} free leases and ${HAND_OVERS} hand-overs of each way in each.`,
    "By hand: the same statements by the same pool of `pg`, the same questions by the same fetch; the client and the server's work are the same.",
    "A killed holder is one whose renewal the engine has just answered: the longest that its ttl can take.",
  ];
  for (const [engine, open] of Object.entries(ENGINES)) {
    const { obstacle, startEngine } = await import(`../../../support/engines/${engine}.mjs`);
    const missing = obstacle();
    if (missing !== null) {
      notes.push(`${engine} was left out: ${missing}.`);
      continue;
    }
    const server = await startEngine({ folder: mkdtempSync(join(folder, `${engine}-`)) });
    try {
      const opened = await open(server.port);
      measurements.push(await freeLease(engine, opened, rounds));
      await opened.close();
      measurements.push(await handedOver(engine, server.port, rounds));
      measurements.push(await takenOver(engine, server.port, short ? KILLS / 2 : KILLS));
    } finally {
      await server.stop();
    }
  }
  return { notes, measurements };
}

async function freeLease(engine, { ways }, rounds) {
  const alternatives = [];
  for (const [name, { take, giveBack }] of Object.entries(ways)) {
    const once = async () => {
      const held = await take(`free ${name}`);
      assert.ok(held !== null, "a free lease was refused");
      await giveBack(held);
    };
    // A second one must be kept out.
    const held = await take(`free ${name}`);
    assert.equal(await take(`free ${name}`).catch(() => null), null);
    await giveBack(held);
    await timeEach(once, 5 * LEASES);
    alternatives.push({ name, run: () => timeEach(once, LEASES) });
  }
  const measured = await interleave(alternatives, { rounds, warmUp: 2 });
  return toMeasurement({
    name: `${engine}: acquire and release, free`,
    unit: "µs",
    rounds: measured,
    targets: [
      atMost("times the same round trips by hand", ratio(measured, "pidentity", "by hand"), 1.3),
    ],
  });
}

async function handedOver(engine, port, rounds) {
  const ways = ["pidentity", "by hand"];
  const servers = [];
  const alternatives = [];
  for (const way of ways) {
    const key = `handed over ${way}`;
    const start = () => startNodeServer("lease-contender.mjs", [engine, String(port), way]);
    let [holder, waiter] = [await start(), await start()];
    servers.push(holder, waiter);
    const takeIt = JSON.stringify({ take: key, ttlMs: TTL_MS });
    assert.equal((await holder.ask(takeIt)).event, "taken");
    const once = async () => {
      assert.equal((await waiter.ask(takeIt)).event, "waiting");
      const { at: givenBack } = await holder.ask(JSON.stringify({ giveBack: key }));
      const { event, at } = await waiter.next();
      assert.equal(event, "taken");
      [holder, waiter] = [waiter, holder];
      return Number(BigInt(at) - BigInt(givenBack)) / 1e6;
    };
    const several = async () => {
      const samples = [];
      for (let i = 0; i < HAND_OVERS; i++) samples.push(await once());
      return samples;
    };
    alternatives.push({ name: way, run: several });
  }
  const measured = await interleave(alternatives, { rounds, warmUp: 2 });
  for (const server of servers) await server.end();
  const measurement = toMeasurement({
    name: `${engine}: from a release to the waiter's lease, two processes`,
    unit: "ms",
    rounds: measured,
    remarks: [`${ratio(measured, "pidentity", "by hand").toFixed(2)} times the same by hand`],
  });
  const [ours] = measurement.sides;
  return { ...measurement, targets: [atMost("median", ours.median, 20, "ms")] };
}

async function takenOver(engine, port, count) {
  const start = () => startNodeServer("lease-contender.mjs", [engine, String(port), "pidentity"]);
  const waiter = await start();
  const killed = new Map();
  const holders = [];
  for (let i = 0; i < count; i++) {
    const takeIt = JSON.stringify({ take: `killed ${i}`, ttlMs: TTL_MS });
    const holder = await start();
    assert.equal((await holder.ask(takeIt)).event, "taken");
    waiter.tell(takeIt);
    holders.push(
      // Any but the first may have renewed by then: the next renewal counts.
      (async () => {
        while ((await holder.next()).event !== "renewed");
        killed.set(`killed ${i}`, process.hrtime.bigint());
        await holder.kill("SIGKILL");
      })(),
    );
  }
  const tookMs = [];
  while (tookMs.length < count) {
    const { event, key, at } = await waiter.next();
    if (event !== "taken") continue;
    tookMs.push(Number(BigInt(at) - killed.get(key)) / 1e6);
  }
  await Promise.all(holders);
  await waiter.end();
  const shares = tookMs.map((ms) => ms / TTL_MS);
  return toMeasurement({
    name: `${engine}: from the SIGKILL of a holder to the waiter's lease, ttl ${TTL_MS / 1000} s`,
    unit: "ms",
    rounds: [{ pidentity: tookMs }],
    targets: [atMost("of the ttl, the longest", max(shares), 1.1)],
    remarks: [`${count} holders, each a process of its own`],
  });
}
