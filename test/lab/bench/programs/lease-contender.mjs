/**
 * node lease-contender.mjs <engine> <port> <way>
 *
 * Takes and gives back leases, by the package (`pidentity`) or `by hand`. Each line on standard input is
 * `{ "take": key, "ttlMs"?: number }` or `{ "giveBack": key }`; answers with a line for each event, `at` in nanoseconds of
 * the clock that all processes share:
 *   waiting   another has the key, and this process will be told when it is free
 *   taken     at: when it had it
 *   renewed   the engine has answered a renewal
 *   givenBack at: before it was given back
 */
import { createInterface } from "node:readline";

import { openEtcd, openPostgres } from "../measure/lease-clients.mjs";
import { importProduct } from "../product.mjs";

const { acquireLease } = await importProduct("lease/index.js");

const [, , engine, port, way] = process.argv;
const open = engine === "etcd" ? openEtcd : openPostgres;
const opened = await open(Number(port));
const { store, ways } = opened;
const now = () => String(process.hrtime.bigint());
const say = (event) => console.log(JSON.stringify(event));
const taken = new Map();

/** The store, telling of renewals and when a watch that has begun was followed by an attempt that was refused. */
function heard(key) {
  let isWatched = false;
  let isWaiting = false;
  return {
    name: store.name,
    async tryAcquire(request) {
      const wasWatched = isWatched;
      const attempt = await store.tryAcquire(request);
      if (wasWatched && !isWaiting && attempt.kind === "held") {
        isWaiting = true;
        say({ event: "waiting", key });
      }
      return attempt;
    },
    async renew(...args) {
      const isHeld = await store.renew(...args);
      if (isHeld) say({ event: "renewed", key });
      return isHeld;
    },
    release: (...args) => store.release(...args),
    watch: (name, onChange) =>
      store.watch(name, () => {
        isWatched = true;
        onChange();
      }),
  };
}

async function takeByPackage(key, ttlMs) {
  return await acquireLease({ store: heard(key), key, ttlMs, timeoutMs: Infinity });
}

let onFree = () => {};
let isListening = false;

async function takeByHand(key) {
  if (!isListening) await opened.watchByHand(key, () => onFree());
  isListening = true;
  for (let isTold = false; ; isTold = true) {
    const isFree = new Promise((resolve) => (onFree = resolve));
    const held = await ways[way].take(key);
    if (held !== null) return held;
    // Once: word of this process's own release may come late.
    if (!isTold) say({ event: "waiting", key });
    await isFree;
  }
}

async function take(key, ttlMs) {
  const held = await (way === "pidentity" ? takeByPackage(key, ttlMs) : takeByHand(key));
  say({ event: "taken", key, at: now() });
  taken.set(key, held);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { take: wanted, giveBack, ttlMs } = JSON.parse(line);
  if (wanted !== undefined) void take(wanted, ttlMs);
  if (giveBack !== undefined) {
    const at = now();
    await ways[way].giveBack(taken.get(giveBack));
    say({ event: "givenBack", key: giveBack, at });
  }
}
process.exit();
