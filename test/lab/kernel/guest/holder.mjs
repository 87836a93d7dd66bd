// Holds a lock: holder.mjs <session|json|pid> <path>
//
// Says its pid, token and the lock's path once it has it. The line "release" releases; the end of its standard input ends
// it at once, as SIGKILL does.
import { createInterface } from "node:readline";

import { acquirePidFile } from "../../../../dist/file-lock/index.js";
import { identifyProcess } from "../../../../dist/index.js";
import { acquireSessionWriteLock } from "../../../../dist/session-lock/index.js";

const [kind, path] = process.argv.slice(2);
const lock =
  kind === "session"
    ? await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 10_000, env: {} })
    : await acquirePidFile({ path, format: kind, timeoutMs: 10_000 });
console.log(
  JSON.stringify({ pid: process.pid, token: identifyProcess(), lockPath: lock.lockPath }),
);
for await (const line of createInterface({ input: process.stdin })) {
  if (line !== "release") continue;
  await lock.release();
  console.log("released");
  process.exit(0);
}
process.kill(process.pid, "SIGKILL");
