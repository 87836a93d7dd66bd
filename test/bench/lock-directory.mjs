/** Directories full of plain locks, as programs other than this package write them. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * A folder inside `parent`, gone when this process ends in any way but a kill.
 *
 * @param {string} parent
 */
export function temporaryFolder(parent) {
  const folder = mkdtempSync(join(parent, "pidentity-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  // Without a listener the process would end without its exit event.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  return folder;
}

/**
 * Makes `directory` with `count` plain locks, the pids in turn.
 *
 * @param {string} directory
 * @param {number} count
 * @param {readonly number[]} pids
 */
export function writeLocks(directory, count, pids) {
  mkdirSync(directory, { recursive: true });
  const createdAt = new Date().toISOString();
  for (let i = 0; i < count; i++) {
    const name = `session-${String(i).padStart(6, "0")}.jsonl.lock`;
    const payload = { pid: pids[i % pids.length], createdAt, maxHoldMs: 300_000 };
    writeFileSync(join(directory, name), `${JSON.stringify(payload, null, 2)}\n`);
  }
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
