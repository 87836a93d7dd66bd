/**
 * node ask-once.mjs <operation> <pid> <marker>
 *
 * For strace: asks twice to load and warm up, then once more behind a system call that names the marker.
 */
import { existsSync } from "node:fs";

import { OPERATIONS } from "../operations.mjs";

const [, , name, pid, marker] = process.argv;
const ask = OPERATIONS[name];
ask(Number(pid));
ask(Number(pid));
existsSync(marker);
ask(Number(pid));
existsSync(marker);
