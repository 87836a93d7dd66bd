/**
 * Shows with strace that the C programs make the system calls of the package about a lock, in the same order: a floor of
 * others is none. Which ones is read from each other's traces, for the scheme that the package uses in the place
 * (lock-scheme.mjs); nothing is listed here.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { isOtherBuild } from "../product.mjs";
import { programPath } from "../programs.mjs";
import { differenceOf, lockCallsIn } from "./lock-calls.mjs";
import { leaveLocks } from "./lock-directory.mjs";
import { knowsInodeScheme } from "./lock-scheme.mjs";
import { betweenMarkers, hasStrace, MARKER, ofRequest, onceOf, traced } from "./strace.mjs";

const NOT_COMPARED = "system calls not compared: strace is not installed";

/**
 * Acquire and release of a free lock.
 *
 * @param {string} floor path of the compiled floor.c
 * @param {string} sessionFile
 * @param {import("./lock-scheme.mjs").Scheme} scheme
 * @returns {string} one line for the report
 * @throws when the two differ
 */
export function compareFreeLock(floor, sessionFile, scheme) {
  if (!hasStrace()) return NOT_COMPARED;
  const lock = `${sessionFile}.lock`;
  const command = [process.execPath, programPath("acquire-once.mjs"), sessionFile, MARKER];
  const what = `acquire and release (${scheme})`;
  const ours = lockCallsIn(betweenMarkers(traced(command), what), [lock]);
  const request = `acquireRelease:${scheme} ${sessionFile} 1 1\n`;
  const inC = lockCallsIn(ofRequest(traced([floor], request), what), [lock]);
  const calls = ours.calls.get(lock);
  const remark = judge(what, calls, onceOf(inC.calls.get(lock), what));
  return `${remark}; besides it makes ${tallyOf(ours.others)}`;
}

/**
 * The removal of locks that a killed process left. Only by the lock's own inode: what the other scheme asks about an owner
 * depends on the payload, and no directory of a local file system has it any more.
 *
 * @param {string} floor path of the compiled removal-floor.c
 * @param {string} folder empty; left empty
 * @param {import("./lock-scheme.mjs").Scheme} scheme
 * @returns {Promise<string>} one line for the report
 * @throws when the two differ
 */
export async function compareRemoval(floor, folder, scheme) {
  if (!hasStrace()) return NOT_COMPARED;
  if (scheme !== "inode") {
    return "system calls not compared: this build removes under guard files here; they are compared as soon as a lock's own inode is the guard (payload: guard: inode)";
  }
  const [warmUp, ours, inC] = ["warm-up", "package", "c"].map((name) => join(folder, name));
  for (const directory of [warmUp, ours, inC]) {
    mkdirSync(directory);
    await leaveLocks(directory, 3);
  }
  const what = `the removal of a lock (${scheme})`;
  const command = [process.execPath, programPath("remove-once.mjs"), warmUp, ours, MARKER];
  const byPackage = perLock(what, ours, () => betweenMarkers(traced(command), what));
  const byFloor = perLock(what, inC, () => traced([floor, scheme, inC]));
  for (const directory of [warmUp, ours, inC]) assert.deepEqual(readdirSync(directory), []);
  return judge(what, byPackage, byFloor);
}

/** What was done about each lock; all must be treated alike. */
function perLock(what, directory, trace) {
  const locks = readdirSync(directory)
    .sort()
    .map((name) => join(directory, name));
  const sequences = [...lockCallsIn(trace(), locks).calls.values()];
  const [first = []] = sequences;
  for (const other of sequences) {
    const difference = differenceOf(other, first);
    if (difference !== null) throw new Error(`two locks differ: ${what}: ${difference}`);
  }
  return first;
}

function judge(what, ours, floor) {
  const difference = differenceOf(ours, floor);
  if (difference === null) {
    return `by strace, the package and the C program make the same ${ours.length} system calls about the lock`;
  }
  const message = `lock-calls.h makes other system calls than the package: ${what}: ${difference}`;
  // Another version of the package is compared with this one, not with the floor; and before the inode was the guard, no
  // floor of guard files was kept up with the package.
  if (isOtherBuild || !knowsInodeScheme()) return message.replaceAll(/\n\s*/g, "; ");
  throw new Error(message);
}

function tallyOf(others) {
  const names = [...others].map(([name, count]) => `${count} ${name}`);
  return names.length === 0 ? "none" : names.join(", ");
}
