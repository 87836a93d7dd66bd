/**
 * node contender.mjs <way of locking> <file> <counter file>
 *
 * Says "ready". For each line with a number on standard input: takes the lock again and again for so many milliseconds,
 * adds one to the counter while it holds it and pauses for 0 to 4 ms after each release. Answers with the
 * times of all holds on the machine's monotonic clock, milliseconds.
 */
import { openSync, readSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

import { wayOfLocking } from "../ways-of-locking.mjs";

const [, , name, file, counter] = process.argv;
const now = () => Number(process.hrtime.bigint()) / 1e6;
const way = await wayOfLocking(name, file);

// What the first acquisition of a process loads and compiles is no part of a hand-over.
const other = `${file}.${process.pid}`;
writeFileSync(other, "");
const warmUp = await wayOfLocking(name, other);
for (let i = 0; i < 20; i++) await (await warmUp.acquire())();
unlinkSync(other);
console.log(JSON.stringify("ready"));

// In place: emptying a file first makes some file systems flush it when it is closed.
const fd = openSync(counter, "r+");
const digits = Buffer.alloc(10);
function addOne() {
  readSync(fd, digits, 0, digits.length, 0);
  writeSync(fd, String(Number(digits.toString()) + 1).padStart(digits.length, "0"), 0);
}

for await (const line of createInterface({ input: process.stdin })) {
  const holds = [];
  const until = now() + Number(line);
  while (now() < until) {
    const asked = now();
    const release = await way.acquire();
    const acquired = now();
    addOne();
    const releasing = now();
    await release();
    holds.push({ asked, acquired, releasing });
    await delay(Math.random() * 4);
  }
  console.log(JSON.stringify({ holds }));
}
