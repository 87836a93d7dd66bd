/**
 * node free-lock.mjs <way of locking> <file>
 *
 * Takes and releases a lock that nobody else wants. A process for each way, because some packages change what
 * all others run on (graceful-fs replaces functions of `node:fs`). For each line with a number on standard
 * input: so many times; answers with the microseconds of each.
 */
import assert from "node:assert/strict";
import { createInterface } from "node:readline";

import { timeEach } from "../measure/interleave.mjs";
import { wayOfLocking } from "../ways-of-locking.mjs";

const [, , name, file] = process.argv;
const way = await wayOfLocking(name, file);
const release = await way.acquire();
assert.equal(await way.isExcluded(), true, `${name}: a second holder`);
await release();
assert.equal(await way.isExcluded(), false, `${name}: still held after its release`);
const once = way.once ?? (async () => (await way.acquire())());

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await timeEach(once, Number(line))));
}
