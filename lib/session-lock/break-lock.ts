/** Removes by hand a session lock that the rules keep. */
import { breakByHand, type BrokenLock } from "../lock/break.js";
import { type BreakLockOptions, resolveBreakOptions } from "../lock/break-options.js";
import { isHeldHere } from "../lock/held-locks.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { DEFAULT_GRACE_MS, type JudgingPolicy } from "../lock/verdict/judge.js";
import { tolerant } from "../lock/verdict/owner-args.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { isOpenClawArgv } from "./openclaw-owner.js";
import { presentInspection } from "./reasons.js";
import { wallMs } from "../util/clocks.js";

/**
 * Removes a lock that is kept by the rules although you know better, e.g. that its host is gone: exactly the one that
 * you looked at, inside its guard, so that a lock that was taken since is safe. A living owner's is refused unless you
 * say `force`; one that this thread holds is refused in any case. Every attempt is told on the diagnostics channel
 * `pidentity:reclaim`, with the evidence and your reason.
 *
 * @param lockPath - The lock file itself (`….jsonl.lock`), not the session file. A relative path is resolved at the
 *   call; a symbolic link of that name is not followed.
 * @returns that it was removed, or that there was none any more.
 * @throws (rejection) LockNotBrokenError when it was kept, with `refusal` and the evidence; TypeError or RangeError for
 *   bad options.
 */
export async function breakLock(
  lockPath: string | URL,
  options: BreakLockOptions,
): Promise<BrokenLock> {
  const request = resolveBreakOptions(lockPath, options);
  return await breakByHand(request, SESSION_LOCK_POLICY, realLockFs);
}

/** As the sweep judges. */
export const SESSION_LOCK_POLICY: JudgingPolicy = {
  nowMs: wallMs,
  staleMs: DEFAULT_LIMITS.staleMs,
  graceMs: DEFAULT_GRACE_MS,
  respectMaxHold: false,
  atAcquire: false,
  isHeldHere: (path) => isHeldHere(path, realLockFs),
  isOwnerArgv: tolerant(isOpenClawArgv),
  plainLocks: "judge",
  present: presentInspection,
};
