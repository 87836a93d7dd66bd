// A process of contenders, each of which acquires, acts and gives back without end. What it believed, and when, is in its
// log (oracle.mjs); it is killed, stopped and blocked by adversity.mjs, which started it.
import { openSync, writeSync } from "node:fs";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";

import { acquireLease } from "../../../dist/lease/index.js";

const task = JSON.parse(process.argv[2]);
const { open } = await import(`./open-${task.engine}.mjs`);
const { store, guardedWrite } = await open({ port: task.port });
const log = openSync(task.log, "a");

const clock = () => process.hrtime.bigint();
/** One write, which a SIGKILL does not tear. */
const note = (kind, { key, epoch }, at) => writeSync(log, `${kind} ${key} ${epoch} ${at}\n`);
/** The other end may be gone: this process is about to be killed. */
const tell = (message) => process.send(message, () => {});

/** Set by the parent: how long the next hold lasts, and how long its holder then blocks this process. */
let askedHoldMs = 0;
let blockMs = 0;
process.on("message", (message) => {
  if (message.holdMs !== undefined) askedHoldMs = message.holdMs;
  if (message.blockMs !== undefined) blockMs = message.blockMs;
});
// With the parent, however that has ended.
const endAlone = () => {
  if (!process.connected) process.exit();
};
process.on("disconnect", endAlone);
setInterval(endAlone, 1000);

await Promise.all(
  task.contenders.map(async (key) => {
    for (;;) await holdOnce(key);
  }),
);

async function holdOnce(key) {
  const { ttlMs } = task;
  let lease;
  try {
    lease = await acquireLease({ store, key, ttlMs, timeoutMs: 10 * ttlMs });
  } catch (error) {
    if (error.code !== "LEASE_TIMEOUT" && !(error.code === "LEASE_STORE" && error.retryable)) {
      tell({ failed: String(error.stack) });
    }
    await delay(20);
    return;
  }
  const begun = clock();
  // A process that was stopped since acquireLease resolved has not begun to believe.
  if (lossOf(lease) !== null) return;
  note("begin", lease, begun);
  const isAsked = askedHoldMs > 0;
  const ms = isAsked ? askedHoldMs : holdMs();
  askedHoldMs = 0;
  tell({ begun: key, isAsked });
  const end = await actUntilEnd(lease, begun, begun + BigInt(Math.round(ms * 1e6)));
  note("end", lease, end.last);
  if (end.isLost) tell({ lost: key, reason: end.reason });
  await lease.release().catch(() => {});
}

/** null while it is held, and for those that do not look. */
function lossOf(lease) {
  if (task.isDeaf) return null;
  try {
    lease.assertHeld();
    return null;
  } catch ({ reason }) {
    return reason;
  }
}

/** Mostly short, for many hand-overs; some need renewals. */
function holdMs() {
  const { ttlMs, longShare } = task;
  const chance = Math.random();
  if (chance < longShare) return ttlMs * (1 + Math.random());
  return chance < 0.8 ? Math.random() * 2 : Math.random() * 30;
}

async function actUntilEnd(lease, begun, until) {
  let last = begun;
  let noted = last;
  let hasWritten = false;
  for (;;) {
    const now = clock();
    const reason = lossOf(lease);
    if (reason !== null) return { last, isLost: true, reason };
    last = now;
    if (now - noted > 1_000_000n) {
      note("act", lease, now);
      noted = now;
    }
    if (now >= until) return { last, isLost: false };
    if (!hasWritten && guardedWrite !== undefined) {
      hasWritten = true;
      writeGuarded(lease);
    }
    if (blockMs > 0) block();
    // Closely for as long as most hold, and with a rest for the machine afterwards.
    if (until - now < 2_500_000n) await turn();
    else await delay(1);
  }
}

/** Beside the acting: an engine that is away must not keep this holder from looking at its lease. */
function writeGuarded({ key, epoch }) {
  guardedWrite(key, epoch).then(
    (accepted) => tell({ wrote: key, epoch: String(epoch), accepted }),
    () => {},
  );
}

function block() {
  const ms = blockMs;
  blockMs = 0;
  tell({ blocked: ms });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
