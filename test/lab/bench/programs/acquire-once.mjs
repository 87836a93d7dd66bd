/**
 * node acquire-once.mjs <session file> <marker>
 *
 * For strace: takes and releases the lock to warm up, then once more between system calls that name the marker.
 */
import { existsSync } from "node:fs";

import { importProduct } from "../product.mjs";

const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
const [, , sessionFile, marker] = process.argv;
const once = async () => {
  const lock = await acquireSessionWriteLock({ sessionFile });
  await lock.release();
};
await once();
await once();
existsSync(marker);
await once();
existsSync(marker);
