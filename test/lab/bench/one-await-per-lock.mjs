/**
 * What the sweep is measured against: the plain way to write it. One `await readFile` and one turn of the
 * event loop per lock, the resolver asked once per pid, removal by `await unlink`. It is quick to
 * write, never blocks the loop, and gives no protection against locks that change hands meanwhile.
 */
import { readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";

const STALE_MS = 1_800_000;

/**
 * @param {object} options
 * @param {string} options.sessionsDir
 * @param {(pid: number) => readonly string[] | null} options.readOwnerProcessArgs
 * @param {(argv: readonly string[]) => boolean} options.isOwnerArgv
 */
export async function cleanOneAwaitPerLock({ sessionsDir, readOwnerProcessArgs, isOwnerArgv }) {
  const entries = await readdir(sessionsDir, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(".jsonl.lock"))
    .map((entry) => entry.name)
    .sort();
  const argsByPid = new Map();
  const locks = [];
  const cleaned = [];
  for (const name of names) {
    const lockPath = join(sessionsDir, name);
    const payload = await readPayload(lockPath);
    await new Promise((resolve) => setImmediate(resolve));
    const inspection = inspect(lockPath, payload, argsByPid, readOwnerProcessArgs, isOwnerArgv);
    if (inspection.removable) {
      await unlink(lockPath);
      inspection.removed = true;
      cleaned.push(inspection);
    }
    locks.push(inspection);
  }
  return { locks, cleaned };
}

async function readPayload(lockPath) {
  try {
    return JSON.parse(await readFile(lockPath, "utf8"));
  } catch {
    return null;
  }
}

function inspect(lockPath, payload, argsByPid, readOwnerProcessArgs, isOwnerArgv) {
  const pid = Number.isInteger(payload?.pid) && payload.pid > 0 ? payload.pid : null;
  const pidAlive = pid !== null && isAlive(pid);
  const created = Date.parse(payload?.createdAt ?? "");
  const ageMs = Number.isNaN(created) ? null : Math.max(0, Date.now() - created);
  const staleReasons = [];
  if (pid === null) staleReasons.push("missing-pid");
  else if (!pidAlive) staleReasons.push("dead-pid");
  if (ageMs === null) staleReasons.push("invalid-createdAt");
  else if (ageMs > STALE_MS) staleReasons.push("too-old");
  if (pidAlive) {
    if (!argsByPid.has(pid)) argsByPid.set(pid, readOwnerProcessArgs(pid));
    const argv = argsByPid.get(pid);
    if (argv !== null && !isOwnerArgv(argv)) staleReasons.push("non-openclaw-owner");
  }
  const removable = staleReasons.some((reason) => REMOVABLE.has(reason));
  const stale = staleReasons.length > 0;
  return { lockPath, pid, pidAlive, ageMs, stale, staleReasons, removable, removed: false };
}

const REMOVABLE = new Set(["dead-pid", "non-openclaw-owner"]);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
