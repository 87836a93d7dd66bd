/** How a file's lock is judged by what only looks at it. */
import { isHeldHere } from "../lock/held-locks.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { DEFAULT_GRACE_MS, type JudgingPolicy } from "../lock/verdict/judge.js";
import { presentInspection } from "../session-lock/reasons.js";
import { readOtherContent } from "./other-content.js";
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
