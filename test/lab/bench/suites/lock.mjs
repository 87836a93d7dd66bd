/**
 * The write lock: what a free one costs, how it is handed over between processes, what waiting costs, how soon a killed
 * holder's lock is taken over, and what killed processes leave behind.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { max, median } from "simple-statistics";

import { compareFreeLock } from "../measure/compare-lock-calls.mjs";
import { canMeasure, compileFloor, startFloor } from "../measure/floor.mjs";
import { atLeast, atMost, ratio, toMeasurement } from "../measure/figures.mjs";
import { interleave } from "../measure/interleave.mjs";
import { leftByKills } from "../measure/kills.mjs";
import { schemeIn } from "../measure/lock-scheme.mjs";
import { watchLoop } from "../measure/loop-health.mjs";
import { importProduct } from "../product.mjs";
import { node22, startNodeServer } from "../programs.mjs";

const { nativeStatus } = await importProduct("index.js");
const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");

export const title = "Write lock";
export const makesFiles = true;

const OPERATIONS = 50;
const WARM_UP = 5000;
const CONTENDERS = 8;
const CONTEST_MS = 2000;
const WAIT_MS = 2000;
const KILLS = 1000;
const CREATE_UNLINK = "create and unlink in C";
/** Operations of floor.c. */
const IN_C = {
  "inode guard in C": "acquireRelease:inode",
  "guard file in C": "acquireRelease:guard-file",
  [CREATE_UNLINK]: "createUnlink",
};

/** @param {{ rounds: number, folder: string, short: boolean }} options */
export async function run({ rounds, folder, short }) {
  assert.equal(nativeStatus().backend, "native", String(nativeStatus().error));
  const few = Math.min(rounds, 7);
  const measurements = [
    await freeLock(rounds, newFolder(folder, "free")),
    ...(short ? [] : [await freeLockBesideFsSafe(rounds, newFolder(folder, "free-22"))]),
    ...(await contest(Math.min(rounds, 5), folder)),
    await patience(few, newFolder(folder, "wait")),
    await takeover(Math.max(few, 5), newFolder(folder, "takeover")),
    // 1 000 with the default number of rounds, fewer with fewer.
    await kills(Math.min(rounds * 40, KILLS), newFolder(folder, "kills")),
  ];
  if (!short) {
    measurements.push(
      await manyWaiters(few, newFolder(folder, "waiters")),
      ...(await manyProcesses(Math.min(rounds, 3), newFolder(folder, "many"))),
    );
  }
  return {
    notes: [
      `Free lock: ${rounds} interleaved rounds of ${OPERATIONS} acquisitions, each timed by itself, each way in its own process and after ${WARM_UP} acquisitions that do not count; ratios are medians of each round's ratio of medians.`,
      `Contest: ${CONTENDERS} processes take one lock, add one to a number in a file and pause for 0 to 4 ms, for ${CONTEST_MS} ms per round; the number must be the count of acquisitions afterwards. A hand-over is the time from the call of release in one process to the resolved acquire in the next, where that one was waiting already.`,
      "Every alternative was seen to exclude a second holder and to leave nothing behind before it was timed.",
    ],
    measurements,
  };
}

function newFolder(folder, name) {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

function assertNothingLeft(folder, expected) {
  assert.deepEqual(readdirSync(folder).sort(), expected, `left behind in ${folder}`);
}

async function freeLock(rounds, folder) {
  const path = compileFloor();
  const scheme = await schemeIn(folder);
  const session = join(folder, "session.jsonl");
  const comparison = compareFreeLock(path, session, scheme);
  const inCOf = Object.entries(IN_C).filter(([, operation]) =>
    canMeasure(path, operation, session),
  );
  const floor = await startFloor(path);
  const inC = (operation) => (file) =>
    floor.measure(operation, file, { samples: OPERATIONS, batch: 1 });
  const measured = await timeFreeLock(
    [
      "pidentity",
      "pidentity at once",
      "plain sync",
      "plain promises",
      "proper-lockfile",
      "lockfile",
    ],
    { rounds, folder },
    Object.fromEntries(inCOf.map(([name, operation]) => [name, inC(operation)])),
  );
  await floor.end();
  assertNothingLeft(folder, ["session.jsonl"]);
  const [protocol = ""] = inCOf.find(([, operation]) => operation.endsWith(scheme)) ?? [];
  const timesInC = inCOf
    .filter(([name]) => name !== CREATE_UNLINK)
    .map(([name]) => `${name} ${ratio(measured, name, CREATE_UNLINK).toFixed(2)}`);
  return toMeasurement({
    name: "acquire and release, free",
    unit: "µs",
    rounds: measured,
    targets: [
      atMost("times plain sync wx, write, unlink", ratio(measured, "pidentity", "plain sync"), 2),
      atMost(
        "times plain sync, by the synchronous form",
        ratio(measured, "pidentity at once", "plain sync"),
        1.8,
      ),
    ],
    remarks: [
      `${ratio(measured, "pidentity", protocol).toFixed(2)} times its own system calls in C (${protocol}), which take ${ratio(measured, protocol, "plain sync").toFixed(2)} times plain sync`,
      `times ${CREATE_UNLINK}: ${timesInC.join(", ")}`,
      comparison,
    ],
  });
}

/**
 * Rounds of microseconds by way of locking, each way in a process of its own, all on one file in turn.
 *
 * @param {readonly string[]} ways
 * @param {{ rounds: number, folder: string, node?: string }} options
 * @param {Record<string, (file: string) => Promise<number[]>>} [others] that run elsewhere
 */
async function timeFreeLock(ways, { rounds, folder, node }, others = {}) {
  const file = join(folder, "session.jsonl");
  // proper-lockfile locks only what exists.
  writeFileSync(file, "");
  const servers = [];
  const alternatives = [];
  for (const name of ways) {
    const server = await startNodeServer("free-lock.mjs", [name, file], { node });
    servers.push(server);
    // Once alone: what a function's first thousands of calls compile is no part of the price.
    await server.ask(String(WARM_UP));
    alternatives.push({ name, run: () => server.ask(String(OPERATIONS)) });
  }
  for (const [name, measure] of Object.entries(others)) {
    alternatives.push({ name, run: () => measure(file) });
  }
  const measured = await interleave(alternatives, { rounds, warmUp: 3 });
  for (const server of servers) await server.end();
  return measured;
}

async function freeLockBesideFsSafe(rounds, folder) {
  const name = "acquire and release, free, on Node 22";
  const node = node22();
  if (node === null) {
    const remarks = ["not measured: Node 22 is not installed in test/lab/bench for this platform"];
    return toMeasurement({ name, unit: "µs", rounds: [], remarks });
  }
  const ways = ["pidentity", "plain sync", "@openclaw/fs-safe"];
  const measured = await timeFreeLock(ways, { rounds, folder, node });
  assertNothingLeft(folder, ["session.jsonl"]);
  return toMeasurement({
    name,
    unit: "µs",
    rounds: measured,
    targets: [
      atLeast(
        "times faster than @openclaw/fs-safe",
        ratio(measured, "@openclaw/fs-safe", "pidentity"),
        6,
      ),
    ],
  });
}

/** Contenders, by way of locking: what each acquisition was like, and how even the shares are. */
async function contest(rounds, folder) {
  const ways = ["pidentity", "plain wx, again after 5 ms", "proper-lockfile"];
  const results = await interleave(
    ways.map((way) => ({
      name: way,
      run: (round) => contestOnce(way, newFolder(folder, `contest-${ways.indexOf(way)}-${round}`)),
    })),
    { rounds, warmUp: 0 },
  );
  const pick = (key) =>
    results.map((round) =>
      Object.fromEntries(Object.entries(round).map(([way, found]) => [way, found[key]])),
    );
  const ours = results.map((round) => round["pidentity"]);
  const handOvers = toMeasurement({ name: "hand-over", unit: "ms", rounds: pick("handOverMs") });
  const waits = toMeasurement({ name: "wait", unit: "ms", rounds: pick("waitMs") });
  return [
    {
      ...handOvers,
      name: `hand-over between ${CONTENDERS} processes`,
      targets: [
        atMost("median", handOvers.sides[0].median, 0.3, "ms"),
        atMost("p99", handOvers.sides[0].p99, 1.5, "ms"),
      ],
    },
    {
      ...waits,
      name: `wait for the lock, ${CONTENDERS} processes`,
      targets: [atMost("p99", waits.sides[0].p99, 15, "ms")],
    },
    toMeasurement({
      name: `wall time per acquisition, ${CONTENDERS} processes`,
      unit: "ms",
      rounds: pick("wallMs"),
      targets: [
        atLeast("smallest share of the largest", median(ours.map(({ share }) => share)), 0.7, ""),
      ],
      remarks: ways.map((way) => {
        const shares = results.map((round) => round[way].share);
        return `${way}: smallest share ${median(shares).toFixed(2)} of the largest`;
      }),
    }),
  ];
}

async function contestOnce(way, folder) {
  const file = join(folder, "session.jsonl");
  const counter = join(folder, "counter");
  writeFileSync(file, "");
  writeFileSync(counter, "0".repeat(10));
  const contenders = await Promise.all(
    Array.from({ length: CONTENDERS }, () =>
      startNodeServer("contender.mjs", [way, file, counter]),
    ),
  );
  await Promise.all(contenders.map((contender) => contender.next()));
  const reports = await Promise.all(
    contenders.map((contender) => contender.ask(String(CONTEST_MS))),
  );
  await Promise.all(contenders.map((contender) => contender.end()));
  const counts = reports.map(({ holds }) => holds.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (way === "pidentity") {
    assert.equal(Number(readFileSync(counter, "utf8")), total, `${way}: updates lost`);
    assertNothingLeft(folder, ["counter", "session.jsonl"]);
  }
  // Every process reads the one monotonic clock of the machine.
  const holds = reports.flatMap((report) => report.holds).sort((a, b) => a.acquired - b.acquired);
  const handOverMs = [];
  for (const [index, hold] of holds.entries()) {
    const before = holds[index - 1];
    if (before !== undefined && hold.asked < before.releasing) {
      handOverMs.push(Math.max(0, hold.acquired - before.releasing));
    }
    if (way === "pidentity" && before !== undefined) {
      assert.ok(hold.acquired >= before.releasing, "two holders at once");
    }
  }
  assert.ok(handOverMs.length > 0, `${way}: no hand-over`);
  return {
    handOverMs,
    waitMs: holds.map(({ asked, acquired }) => acquired - asked),
    wallMs: [(holds.at(-1).acquired - holds[0].acquired) / total],
    share: Math.min(...counts) / max(counts),
  };
}

/** Two seconds behind a live owner: CPU time and looks at the owner. */
async function patience(rounds, folder) {
  const file = join(folder, "session.jsonl");
  const cpu = [];
  const inspections = [];
  const shares = [];
  const waiter = await startNodeServer("waiter.mjs", [file]);
  // Once free: what it loads and compiles is no part of its waiting, nor is the time for it.
  await waiter.ask("wait");
  for (let round = -1; round < rounds; round++) {
    const lock = await acquireSessionWriteLock({ sessionFile: file });
    const answer = waiter.ask("wait");
    await delay(WAIT_MS);
    await lock.release();
    const found = await answer;
    // The waiter's own clock starts once it has read the request.
    assert.ok(found.waitedMs > WAIT_MS / 2, `waited for ${found.waitedMs} ms only`);
    if (round < 0) continue;
    cpu.push({ pidentity: [found.cpuMs] });
    inspections.push(found.inspections);
    shares.push((found.cpuMs / found.waitedMs) * 100);
  }
  await waiter.end();
  assertNothingLeft(folder, []);
  const { median: cpuMs } = toMeasurement({ name: "", unit: "ms", rounds: cpu }).sides[0];
  return toMeasurement({
    name: `waiting ${WAIT_MS / 1000} s behind a live owner, CPU time`,
    unit: "ms",
    rounds: cpu,
    targets: [
      atMost("CPU time", cpuMs, 10, "ms"),
      atMost("share of a core", median(shares), 1, "%"),
      atMost("inspections of the owner", max(inspections), 10, ""),
    ],
  });
}

/** From the SIGKILL of the holder to the resolved acquire of one that was waiting, and of a fresh one. */
async function takeover(rounds, folder) {
  const file = join(folder, "session.jsonl");
  const measured = [];
  for (let round = -1; round < rounds; round++) {
    const sample = {};
    for (const kind of ["waiting contender", "fresh contender"]) {
      const holder = await startNodeServer("waiter.mjs", [file]);
      await holder.ask("hold");
      const isWaiting = kind === "waiting contender";
      const waiting = isWaiting ? acquireSessionWriteLock({ sessionFile: file }) : null;
      // Long enough for the waiter to have slowed down.
      if (isWaiting) await delay(200 + 50 * Math.random());
      const killed = performance.now();
      const death = holder.kill("SIGKILL");
      if (!isWaiting) await death;
      const started = isWaiting ? killed : performance.now();
      const lock = await (waiting ?? acquireSessionWriteLock({ sessionFile: file }));
      sample[kind] = [performance.now() - started];
      await lock.release();
      await death;
      assert.ok(!existsSync(`${file}.lock`));
    }
    if (round >= 0) measured.push(sample);
  }
  const measurement = toMeasurement({
    name: "taking over from a killed holder",
    unit: "ms",
    rounds: measured,
  });
  const [{ median: middle, worst }] = measurement.sides;
  return {
    ...measurement,
    targets: [
      atMost("waiting contender, median", middle, 5, "ms"),
      atMost("waiting contender, worst", worst, 100, "ms"),
    ],
  };
}

/** One process, one lock, hundreds of acquires at once: first come first served. */
async function manyWaiters(rounds, folder) {
  const count = 500;
  const file = join(folder, "session.jsonl");
  const measured = [];
  const delays = [];
  for (let round = -1; round < rounds; round++) {
    const order = [];
    const { ms, delayMaxMs } = await watchLoop(async () => {
      await Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const lock = await acquireSessionWriteLock({ sessionFile: file });
          order.push(i);
          await lock.release();
        }),
      );
    });
    assert.deepEqual(
      order,
      Array.from({ length: count }, (_, i) => i),
      "not first come first served",
    );
    assertNothingLeft(folder, []);
    if (round < 0) continue;
    measured.push({ pidentity: [(ms / count) * 1e3] });
    delays.push(delayMaxMs);
  }
  return toMeasurement({
    name: `${count} waiters in one process, per acquisition`,
    unit: "µs",
    rounds: measured,
    remarks: [`longest event-loop delay: ${median(delays).toFixed(1)} ms`],
  });
}

/** Every process has a lock of its own; all locks lie in one directory. */
async function manyProcesses(rounds, folder) {
  const measured = { each: [], total: [] };
  for (let round = -1; round < rounds; round++) {
    const each = {};
    const total = {};
    for (const count of [64, 1]) {
      const processes = await Promise.all(
        Array.from({ length: count }, (_, i) =>
          startNodeServer("own-lock.mjs", [join(folder, `session-${i}.jsonl`)]),
        ),
      );
      const reports = await Promise.all(processes.map((one) => one.ask("1000")));
      await Promise.all(processes.map((one) => one.end()));
      const name = count === 1 ? "1 process" : `${count} processes`;
      const all = reports.flatMap(({ samples }) => samples);
      each[name] = all;
      // Microseconds of wall time for one acquisition of all processes together.
      total[name] = [1e6 / all.length];
      assertNothingLeft(folder, []);
    }
    if (round < 0) continue;
    measured.each.push(each);
    measured.total.push(total);
  }
  return [
    toMeasurement({
      name: "64 processes on 64 locks in one directory, each acquisition",
      unit: "µs",
      rounds: measured.each,
    }),
    toMeasurement({
      name: "64 processes on 64 locks in one directory, wall time per acquisition of all together",
      unit: "µs",
      rounds: measured.total,
    }),
  ];
}

/** What is left beside the locks of processes that were killed at random instants. */
async function kills(count, folder) {
  const { left, ms } = await leftByKills(count, folder);
  const found = left.map(([kind, number]) => `${number} ${kind}`);
  return toMeasurement({
    name: "files left beside the locks of killed processes",
    unit: "",
    rounds: [],
    targets: [
      atMost(
        "files left",
        left.reduce((sum, [, number]) => sum + number, 0),
        0,
        "",
      ),
    ],
    remarks: [
      `${count} SIGKILLs in ${(ms / 1000).toFixed(0)} s, each while two processes take and release one lock again and again: ${found.length === 0 ? "nothing left" : found.join(", ")}`,
      "each lock was taken again after each kill, and was gone after its last release",
    ],
  });
}
