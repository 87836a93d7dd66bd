/**
 * node own-lock.mjs <session file>
 *
 * For each line with a number on standard input: takes and releases the lock again and again for so many
 * milliseconds, each time after a turn of the event loop. Answers with the microseconds of each.
 */
import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";

import { importProduct } from "../product.mjs";

const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
const [, , sessionFile] = process.argv;

for await (const line of createInterface({ input: process.stdin })) {
  const samples = [];
  const until = performance.now() + Number(line);
  while (performance.now() < until) {
    const started = performance.now();
    const lock = await acquireSessionWriteLock({ sessionFile });
    await lock.release();
    samples.push((performance.now() - started) * 1e3);
    await nextTurn();
  }
  console.log(JSON.stringify({ samples }));
}
