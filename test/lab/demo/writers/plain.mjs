/**
 * Writes locks the way other programs do: the four keys and no kernel lock. argv is a directory, a session
 * name and, for a whole crowd of numbered sessions, how many.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { getProcessStartTime } from "../../../../build/modules/process/inspect.js";
import { stayAlive } from "./stay.mjs";

const [directory, name, count] = process.argv.slice(2);

const text = JSON.stringify({
  pid: process.pid,
  createdAt: new Date().toISOString(),
  maxHoldMs: 300_000,
  starttime: getProcessStartTime(process.pid),
});
const names =
  count === undefined
    ? [name]
    : Array.from({ length: Number(count) }, (_, index) => `${name}-${index}`);
for (const each of names) {
  writeFileSync(join(directory, `${each}.jsonl.lock`), `${text}\n`, { flag: "wx" });
}
stayAlive();
