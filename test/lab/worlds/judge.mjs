// Judges one lock in each of three ways and says what became of them: node judge.mjs <folder>
//
// The folder has sweep/, acquire/ and command/, each with one lock of the same owner.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { acquireSessionWriteLock, cleanStaleLockFiles } from "../../../dist/session-lock/index.js";

const [folder, plainLocks] = process.argv.slice(2);
const PROGRAM = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));

async function bySweep() {
  const sessionsDir = join(folder, "sweep");
  const { locks } = await cleanStaleLockFiles({ sessionsDir, plainLocks, env: {} });
  const [lock] = locks;
  const { ownerState, ownerReason, staleReasons, keptReason } = lock;
  return {
    removed: lock.removed,
    why: [ownerState, ownerReason, ...staleReasons, keptReason ?? ""].join(" ").trim(),
  };
}

async function byAcquire() {
  const sessionFile = join(folder, "acquire/s.jsonl");
  try {
    const lock = await acquireSessionWriteLock({
      sessionFile,
      plainLocks,
      timeoutMs: 300,
      env: {},
    });
    await lock.release();
    return { removed: true, why: "acquired" };
  } catch (error) {
    return { removed: false, why: `${error.code} ${error.keptReason ?? ""}`.trim() };
  }
}

function byCommand() {
  const directory = join(folder, "command");
  const flags = plainLocks === "keep" ? ["--keep-plain"] : [];
  const args = [PROGRAM, "locks", directory, "--fix", "--json", ...flags];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const removed = !existsSync(join(directory, "s.jsonl.lock"));
  return { removed, exitCode: status, why: `exit ${status} ${stderr}`.trim() };
}

console.log(
  JSON.stringify({
    pid: process.pid,
    sweep: await bySweep(),
    acquire: await byAcquire(),
    command: byCommand(),
  }),
);
