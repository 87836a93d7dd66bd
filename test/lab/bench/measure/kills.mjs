/** What is left in a directory by processes that are killed while they take, hold and release locks there. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { importProduct } from "../product.mjs";
import { startNodeServer } from "../programs.mjs";

const SESSIONS = 2;
const PROCESSES_PER_SESSION = 2;
// Some hundred acquisitions: no instant of one is likelier than another.
const LONGEST_LIFE_MS = 10;

/**
 * Two processes fight for each of two locks. Each is killed at a random instant once it has had its lock, and replaced: the
 * replacement's first acquisition shows that the lock can be taken again. At the end each lock is taken once more.
 *
 * @param {number} count how many are killed
 * @param {string} folder empty; what was left is still in it afterwards
 * @returns {Promise<{ left: [kind: string, count: number][], ms: number }>} files beside the locks, by kind
 */
export async function leftByKills(count, folder) {
  const sessions = Array.from({ length: SESSIONS }, (_, i) => join(folder, `session-${i}.jsonl`));
  const slots = sessions.flatMap((file) => Array(PROCESSES_PER_SESSION).fill(file));
  let remaining = count;
  const started = performance.now();
  await Promise.all(
    slots.map(async (file) => {
      while (remaining-- > 0) await killOne(file);
    }),
  );
  const ms = performance.now() - started;
  const locks = new Set(sessions.map((file) => `${file}.lock`));
  const left = readdirSync(folder).filter((name) => !locks.has(join(folder, name)));
  const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
  for (const sessionFile of sessions) {
    await (await acquireSessionWriteLock({ sessionFile })).release();
  }
  const still = readdirSync(folder).filter((name) => locks.has(join(folder, name)));
  assert.deepEqual(still, [], "a lock is still there after its release");
  return { left: tally(left.map((name) => kindOf(name))), ms };
}

async function killOne(sessionFile) {
  const victim = await startNodeServer("victim.mjs", [sessionFile]);
  // Ends with an error when the lock cannot be had within the acquisition's own time limit.
  assert.equal(await victim.next(), "held");
  await delay(Math.random() * LONGEST_LIFE_MS);
  await victim.kill("SIGKILL");
}

function kindOf(name) {
  return /\.(tmp|guard|gone|reclaim)$/.exec(name)?.[1] ?? name;
}

/** @returns {[string, number][]} */
function tally(kinds) {
  return [...new Set(kinds)].map((kind) => [kind, kinds.filter((other) => other === kind).length]);
}
