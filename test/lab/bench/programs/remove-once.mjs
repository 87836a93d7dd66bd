/**
 * node remove-once.mjs <directory> <directory> <marker>
 *
 * For strace: sweeps the first directory to warm up, then the other between system calls that name the marker. Both hold
 * stale locks only, and are empty afterwards.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { importProduct } from "../product.mjs";

const { cleanStaleLockFiles } = await importProduct("session-lock/index.js");
const [, , warmUp, directory, marker] = process.argv;
const sweep = async (sessionsDir) => {
  const { counts } = await cleanStaleLockFiles({ sessionsDir });
  assert.ok(counts.total > 0 && counts.removed === counts.total, JSON.stringify(counts));
};
await sweep(warmUp);
existsSync(marker);
await sweep(directory);
existsSync(marker);
