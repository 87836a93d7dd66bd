/** Linux: a holder that lives and does nothing, since a signal has stopped it or a debugger has. */
import { readFileSync } from "node:fs";

import { parseStat } from "../../process/backends/procfs-parse.js";
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { isPidOfAnother, ownerRuns } from "./describe.js";

/** `T`: stopped by a signal; `t`: by a tracer (proc_pid_stat(5)). null: not to be told here, or not any more. */
export function isStopped(pid: number): boolean | null {
  if (process.platform !== "linux" && process.platform !== "android") return null;
  try {
    const stat = parseStat(readFileSync(`/proc/${String(pid)}/stat`, "latin1"));
    return stat === null ? null : stat.state === "T" || stat.state === "t";
  } catch {
    return null;
  }
}

/** Whether the process that holds a lock is stopped; null: nothing proves which process that is, or it is not told. */
export function isHolderStopped(lock: SessionLockInspection): boolean | null {
  const { pid, pidAlive } = lock;
  if (pid === null || !pidAlive || isPidOfAnother(lock) || ownerRuns(lock) !== "yes") return null;
  return isStopped(pid);
}

/** What helps a stopped holder; null: it is not known to be stopped. */
export function stoppedNote(lock: SessionLockInspection): string | null {
  return lock.pid !== null && isHolderStopped(lock) === true ? howToContinue(lock.pid) : null;
}

export function howToContinue(pid: number): string {
  return `its process is stopped: kill -CONT ${String(pid)} lets it go on`;
}
