/** Creates a lock and gets no further than `argv[3]` bytes of it. argv[2] is the lock's path. */
import { writeFileSync } from "node:fs";

import { stayAlive } from "./stay.mjs";

const [lockPath, bytes] = process.argv.slice(2);

const text = JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() });
writeFileSync(lockPath, text.slice(0, Number(bytes)), { flag: "wx" });
stayAlive();
