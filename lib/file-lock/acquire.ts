/** Takes a lock by a plan; a file in its way that is no lock is told apart from a holder. */
import { acquireLock, acquireLockAtOnce } from "../lock/acquire.js";
import type { AcquirePlan } from "../lock/plan.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { freshEvidence } from "../lock/verdict/evidence.js";
import { readLock } from "../lock/verdict/reading.js";
import { FileLockFileError, FileLockTimeoutError, type LockedThing } from "./errors.js";
import type { FileLock } from "./file-lock.js";
import { pidInFirstLine, readOtherContent } from "./other-content.js";

export async function acquireByPlan(
  plan: AcquirePlan<FileLock>,
  thing: LockedThing,
): Promise<FileLock> {
  try {
    return await acquireLock(plan, realLockFs);
  } catch (error) {
    throw explained(error, thing);
  }
}

/** {@link acquireByPlan} that stops the thread. */
export function acquireByPlanAtOnce(plan: AcquirePlan<FileLock>, thing: LockedThing): FileLock {
  try {
    return acquireLockAtOnce(plan, realLockFs);
  } catch (error) {
    throw explained(error, thing);
  }
}

function explained(error: unknown, thing: LockedThing): unknown {
  if (!(error instanceof FileLockTimeoutError) || isOthersLock(error, thing)) return error;
  const { lockPath, timeoutMs, obstacle } = error;
  const inTheWay = noLockAt(lockPath);
  if (inTheWay === null) return error;
  if (inTheWay instanceof Error) return new FileLockFileError(thing, { lockPath, cause: inTheWay });
  const holder = { kind: "process", pid: inTheWay.pid, alive: true, ageMs: null } as const;
  return new FileLockTimeoutError(thing, { lockPath, timeoutMs, obstacle, holder });
}

const MORE = "file, which has more in it than a pid, is for its program or for you to remove";

/** Other libraries make a directory `<path>.lock`; none makes one for a pid file. */
function isOthersLock({ obstacle }: FileLockTimeoutError, thing: LockedThing): boolean {
  return obstacle === "directory" && thing === "file";
}

/**
 * What is in the way although it is no lock: then waiting was in vain. Or the running process that a file names, whose
 * other lines keep it from being one.
 */
function noLockAt(lockPath: string): Error | { readonly pid: number } | null {
  const evidence = freshEvidence(realLockFs);
  const reading = readLock(lockPath, realLockFs, evidence);
  switch (reading.kind) {
    case "absent":
      return null;
    case "unreadable":
      return reading.error;
    case "lock": {
      const namesOwner = (reading.payload?.pid ?? null) !== null;
      const isNoLock = !namesOwner && readOtherContent(reading.bytes, null) === "no-lock";
      if (!isNoLock) return null;
      const pid = pidInFirstLine(reading.bytes);
      if (pid === null) return new Error("this file is no lock");
      const isAlive = evidence.identity(pid).state !== "gone";
      return isAlive ? { pid } : new Error(`process ${String(pid)} has ended, and its ${MORE}`);
    }
  }
}
