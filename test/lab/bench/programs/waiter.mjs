/**
 * node waiter.mjs <session file>
 *
 * For each line on standard input takes the lock and answers when it has it. `wait`: gives it back at once
 * and tells how long that took, its CPU time and how often it inspected the owner. `hold`: keeps it.
 */
import { createInterface } from "node:readline";

import { importModule } from "../product.mjs";

const { acquireLock } = await importModule("lock/acquire.js");
const { resolveAcquireOptions } = await importModule("session-lock/acquire-options.js");
const { realLockFs } = await importModule("lock/protocol/lock-fs.js");

const [, , sessionFile] = process.argv;

for await (const line of createInterface({ input: process.stdin })) {
  // An inspection reads the lock; a mere look whether it is still there does not.
  let inspections = 0;
  const fs = {
    ...realLockFs,
    read: (...args) => {
      inspections++;
      return realLockFs.read(...args);
    },
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  const lock = await acquireLock(resolveAcquireOptions({ sessionFile }), fs);
  const waitedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const found = { waitedMs, cpuMs: (user + system) / 1e3, inspections };
  if (line === "wait") await lock.release();
  console.log(JSON.stringify(found));
}
