/**
 * node victim.mjs <session file>
 *
 * Takes and releases the lock again and again until it is killed; says "held" after its first acquisition, with the lock
 * in its hand: every other hold lasts for a turn of the event loop. Ends with its standard input.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

import { importProduct } from "../product.mjs";

const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
const [, , sessionFile] = process.argv;
let ended = false;
process.stdin.resume().once("end", () => (ended = true));

for (let i = 0; !ended; i++) {
  const lock = await acquireSessionWriteLock({ sessionFile });
  if (i === 0) console.log(JSON.stringify("held"));
  if (i % 2 === 0) await nextTurn();
  await lock.release();
  // Another one's turn now and then; and an uncontended lock does not keep the end of the input out.
  if (i % 16 === 0) await nextTurn();
}
