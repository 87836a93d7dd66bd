/**
 * node keeper.mjs <directory> <first> <count>
 *
 * Takes the write locks of so many sessions, says so and holds them until its standard input ends.
 */
import { join } from "node:path";

import { lockName } from "../measure/lock-directory.mjs";
import { importProduct } from "../product.mjs";

const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
const [, , directory, first, count] = process.argv;
const held = [];
for (let i = Number(first); i < Number(first) + Number(count); i++) {
  const sessionFile = join(directory, lockName(i).slice(0, -".lock".length));
  held.push(await acquireSessionWriteLock({ sessionFile }));
}
console.log(JSON.stringify(held.length));
process.stdin.resume();
process.stdin.once("end", async () => {
  for (const lock of held) await lock.release();
});
