/** Directories full of locks: plain ones, as programs other than this package write them, and the package's own. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { startNodeServer } from "../programs.mjs";

/** @param {number} index */
export function lockName(index) {
  return `session-${String(index).padStart(7, "0")}.jsonl.lock`;
}

/**
 * Makes `directory` with `count` plain locks.
 *
 * @param {string} directory
 * @param {number} count
 * @param {(index: number) => number} pidOf
 */
export function writeLocks(directory, count, pidOf) {
  mkdirSync(directory, { recursive: true });
  const createdAt = new Date().toISOString();
  for (let i = 0; i < count; i++) {
    const payload = { pid: pidOf(i), createdAt, maxHoldMs: 300_000 };
    writeFileSync(join(directory, lockName(i)), `${JSON.stringify(payload, null, 2)}\n`);
  }
}

/**
 * Fills a directory with the package's own locks; the process that took them is killed.
 *
 * @param {string} directory which exists
 * @param {number} count each takes a descriptor
 */
export async function leaveLocks(directory, count) {
  const keeper = await startNodeServer("keeper.mjs", [directory, "0", String(count)]);
  assert.equal(await keeper.next(), count);
  await keeper.kill("SIGKILL");
}

/**
 * How many locks a directory holds, and how many other files (guards, temps) were left there.
 *
 * @param {string} directory
 */
export function countFiles(directory) {
  const names = readdirSync(directory);
  const locks = names.filter((name) => name.endsWith(".jsonl.lock")).length;
  return { locks, others: names.length - locks };
}

/**
 * Microseconds for making and removing one empty file in `folder`: what the guard of one removal costs
 * here at the least. Tens on most file systems; over a thousand on ext4 without a journal when many
 * files were deleted in the last seconds (fs/ext4/ialloc.c recently_deleted).
 *
 * @param {string} folder
 */
export function fileCostMicroseconds(folder) {
  const count = 200;
  const path = join(folder, "probe");
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    writeFileSync(path, "");
    unlinkSync(path);
  }
  return ((performance.now() - started) / count) * 1e3;
}
