/** Takes a lock by a plan, and says in neutral words why not. */
import { acquireOn } from "../lock/acquire.js";
import type { AcquirePlan } from "../session-lock/acquire-options.js";
import { SessionWriteLockTimeoutError } from "../session-lock/errors.js";
import { freshEvidence } from "../lock/verdict/evidence.js";
import { readLock } from "../lock/protocol/read-lock.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { FileLockFileError, inNeutralWords, type LockedThing } from "./errors.js";
import { asFileLock, type FileLock } from "./file-lock.js";
import { readOtherContent } from "./other-content.js";

export async function acquireByPlan(plan: AcquirePlan, thing: LockedThing): Promise<FileLock> {
  try {
    return asFileLock(await acquireOn(plan, realLockFs), thing);
  } catch (error) {
    if (error instanceof SessionWriteLockTimeoutError && !isOthersLock(error, thing)) {
      const obstacle = noLockAt(error.lockPath);
      if (obstacle !== null) throw new FileLockFileError(thing, error.lockPath, obstacle);
    }
    throw inNeutralWords(error, thing);
  }
}

/** Other libraries make a directory `<path>.lock`. A pid file is nobody's directory. */
function isOthersLock({ obstacle }: SessionWriteLockTimeoutError, thing: LockedThing): boolean {
  return obstacle === "directory" && thing === "file";
}

/** What is in the way although it is no lock: then waiting was in vain. */
function noLockAt(lockPath: string): Error | null {
  const reading = readLock(lockPath, realLockFs, freshEvidence(realLockFs), { isRegular: false });
  switch (reading.kind) {
    case "absent":
      return null;
    case "unreadable":
      return reading.error;
    case "lock": {
      const namesOwner = (reading.payload?.pid ?? null) !== null;
      const isNoLock = !namesOwner && readOtherContent(reading.bytes, null) === "no-lock";
      return isNoLock ? new Error("this file is no lock") : null;
    }
  }
}
