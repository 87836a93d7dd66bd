/** How a file's lock is judged by what only looks at it. */
import { isHeldHere } from "../lock/held-locks.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { DEFAULT_GRACE_MS, type JudgingPolicy } from "../lock/verdict/judge.js";
import { presentInspection } from "../session-lock/reasons.js";
import { readAnyPid, readOtherContent } from "./other-content.js";
import { wallMs } from "../util/clocks.js";

/** As contenders judge, but that a limit of the holder's own does not count: it is still alive. */
export const FILE_LOCK_POLICY: JudgingPolicy = {
  nowMs: wallMs,
  staleMs: Infinity,
  graceMs: DEFAULT_GRACE_MS,
  respectMaxHold: false,
  atAcquire: false,
  isHeldHere: (path) => isHeldHere(path, realLockFs),
  isOwnerArgv: () => true,
  plainLocks: "judge",
  present: presentInspection,
  readOther: readOtherContent,
};

/** How a pid file is judged by what tells whose it is; of age, limits and command lines nothing is told. */
export const PID_FILE_POLICY: JudgingPolicy = {
  ...FILE_LOCK_POLICY,
  // Another program's file is one that names no process.
  readOther: (bytes, mtimeMs) => {
    const other = readAnyPid(bytes, mtimeMs);
    return other === "no-lock" ? null : other;
  },
};
