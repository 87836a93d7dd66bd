/**
 * node free-lock.mjs <JSON: { folder, rounds, sides, floor? }>
 *
 * Times acquire and release of a lock that nobody else wants, by several ways of locking, interleaved. A
 * program of its own, so that it can run on another Node. Prints rounds of microseconds by side.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { startFloor } from "../floor.mjs";
import { interleave, timeEach } from "../interleave.mjs";
import { wayOfLocking } from "../ways-of-locking.mjs";

const OPERATIONS = 50;

const { folder, rounds, sides, floor: floorPath } = JSON.parse(process.argv[2]);
const file = join(folder, "session.jsonl");
// proper-lockfile locks only what exists.
writeFileSync(file, "");

const alternatives = [];
for (const name of sides) {
  const way = await wayOfLocking(name, file);
  const release = await way.acquire();
  assert.equal(await way.isExcluded(), true, `${name}: a second holder`);
  await release();
  assert.equal(await way.isExcluded(), false, `${name}: still held after its release`);
  const once = way.once ?? (async () => (await way.acquire())());
  alternatives.push({ name, run: () => timeEach(once, OPERATIONS) });
}

const floor = floorPath === undefined ? null : await startFloor(floorPath);
if (floor !== null) {
  for (const [name, operation] of [
    ["protocol in C", "acquireRelease"],
    ["create and unlink in C", "createUnlink"],
  ]) {
    alternatives.push({
      name,
      run: async () => {
        const samples = await floor.measure(operation, file, { samples: OPERATIONS, batch: 1 });
        return samples.map((ns) => ns / 1e3);
      },
    });
  }
}
const measured = await interleave(alternatives, { rounds, warmUp: 3 });
await floor?.end();
console.log(JSON.stringify(measured));
