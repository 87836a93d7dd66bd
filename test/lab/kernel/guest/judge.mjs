// Judges one session's lock in every way that could remove it: judge.mjs <session file>
//
// Says what the inspection, a sweep of its directory and an acquisition made of it.
import { dirname } from "node:path";

import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  inspectSessionLock,
} from "../../../../dist/session-lock/index.js";

const [sessionFile] = process.argv.slice(2);
const found = await inspectSessionLock(`${sessionFile}.lock`);
const { cleaned } = await cleanStaleLockFiles({ sessionsDir: dirname(sessionFile), env: {} });
const swept = cleaned.some(({ lockPath }) => lockPath.endsWith(`${sessionFile}.lock`));

async function acquire() {
  try {
    const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 300, env: {} });
    await lock.release();
    return "acquired";
  } catch (error) {
    return error.code;
  }
}

console.log(
  JSON.stringify({
    state: found?.ownerState ?? null,
    reason: found?.ownerReason ?? null,
    kept: found?.keptReason ?? null,
    removable: found?.removable ?? false,
    swept,
    acquired: (await acquire()) === "acquired",
  }),
);
