/** Real processes that hold file locks and session locks through the published package. */
import { nodeArguments, type RunningChild, startReady } from "../processes/child.js";
import { importDist } from "./lock-holder.js";

export interface LockHolder extends RunningChild {
  readonly lockPath: string;
}

/** A process that holds the lock of the file at `path`, until the test ends. */
export async function startHolder(path: string): Promise<LockHolder> {
  return await startHolding(`
    ${importDist("acquireFileLock", "file-lock/index.js")}
    const lock = await acquireFileLock({ path: ${JSON.stringify(path)} });`);
}

/** The same of a session's lock. */
export async function startSessionHolder(sessionFile: string): Promise<LockHolder> {
  return await startHolding(`
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    const lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)} });`);
}

async function startHolding(script: string): Promise<LockHolder> {
  const forEver = "console.log(lock.lockPath); setInterval(() => {}, 1000);";
  const holder = await startReady(process.execPath, nodeArguments(`${script}\n${forEver}`));
  return { ...holder, lockPath: holder.first };
}

/** The lock of the file at `path`, whose holder was killed. */
export async function abandonedLock(path: string): Promise<string> {
  const holder = await startHolder(path);
  await holder.kill();
  return holder.lockPath;
}
