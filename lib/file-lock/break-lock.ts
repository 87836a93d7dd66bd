/** Removes by hand a file lock or pid file that the rules keep. */
import { breakByHand, type BrokenLock } from "../lock/break.js";
import { type BreakLockOptions, resolveBreakOptions } from "../lock/break-options.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { FILE_LOCK_POLICY } from "./policy.js";

/**
 * Removes a lock that is kept by the rules although you know better, e.g. that its host is gone: exactly the one that
 * you looked at, inside its guard, so that a lock that was taken since is safe. A living owner's is refused unless you
 * say `force`; one that this thread holds is refused in any case. Every attempt is told on the diagnostics channel
 * `pidentity:reclaim`, with the evidence and your reason.
 *
 * @param lockPath - The lock file itself (`<path>.lock`, or the pid file), not the file that it guards. A relative path
 *   is resolved at the call; a symbolic link of that name is not followed.
 * @returns that it was removed, or that there was none any more.
 * @throws (rejection) LockNotBrokenError when it was kept, with `refusal` and the evidence; TypeError or RangeError for
 *   bad options.
 */
export async function breakLock(
  lockPath: string | URL,
  options: BreakLockOptions,
): Promise<BrokenLock> {
  const request = resolveBreakOptions(lockPath, options);
  return await breakByHand(request, FILE_LOCK_POLICY, realLockFs);
}
