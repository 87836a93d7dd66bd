/** A sessions directory with locks of real processes in it. */
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { identifyProcess } from "../../../lib/process/identity.js";
import { getProcessStartTime } from "../../../lib/process/inspect.js";
import { type RunningChild, start, startReady } from "../processes/child.js";
import { writePlainLock } from "./lock-holder.js";
import { temporaryFolder } from "../temporary-folder.js";

export interface LockDirectory {
  readonly path: string;
  /** The path of the lock of that session. */
  readonly lockOf: (session: string) => string;
  /** A lock as other programs write it. */
  writePlain(session: string, payload: PlainPayload): void;
  /** Any bytes; `ageMs` dates the file back. */
  writeText(session: string, text: string, options?: { readonly ageMs?: number }): void;
}

export interface PlainPayload {
  readonly pid: number;
  /** How long ago it says that it was taken. Default 0. */
  readonly ageMs?: number;
  readonly starttime?: number;
}

/** An empty directory, removed when the running test ends. */
export function lockDirectory(): LockDirectory {
  const path = temporaryFolder();
  const lockOf = (session: string): string => join(path, `${session}.jsonl.lock`);
  return {
    path,
    lockOf,
    writePlain(session, { pid, ageMs = 0, starttime }) {
      const createdAt = new Date(Date.now() - ageMs).toISOString();
      writePlainLock(path, session, { pid, createdAt, starttime });
    },
    writeText(session, text, { ageMs = 0 } = {}) {
      writeFileSync(lockOf(session), text, { flag: "wx" });
      const then = new Date(Date.now() - ageMs);
      utimesSync(lockOf(session), then, then);
    },
  };
}

/** A process that lives until the test ends, with what a lock of it says. */
export async function liveOwner(): Promise<RunningChild & { readonly starttime: number }> {
  // While a process waits for a disk, as programs do when they start, its command line is not read. On Windows an
  // argument with a space would be told in quotes.
  const child = await startReady(process.execPath, ["-e", "console.log();process.stdin.resume()"]);
  const starttime = getProcessStartTime(child.pid);
  if (starttime === null) throw new Error(`no start time: ${child.pid}`);
  return { ...child, starttime };
}

/** The pid of a process that has ended and has been reaped. */
export async function endedPid(): Promise<number> {
  const child = await start(process.execPath, ["-e", "process.stdin.resume()"]);
  await child.kill();
  return child.pid;
}

/** A process that has ended and has been reaped, as a lock of this package would name it. */
export async function endedOwner(): Promise<{ readonly pid: number; readonly owner: string }> {
  const child = await start(process.execPath, ["-e", "process.stdin.resume()"]);
  const owner = identifyProcess(child.pid);
  await child.kill();
  if (owner === null) throw new Error(`no token: ${child.pid}`);
  return { pid: child.pid, owner };
}
