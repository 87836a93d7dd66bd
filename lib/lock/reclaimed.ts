/** What an acquisition tells of the stale lock that it took over. */
import type { AcquirePlan, ReclaimedLock } from "./plan.js";
import { evidenceOf } from "./reclaim.js";
import { type Routine, type Wait, waitFor } from "../util/routine.js";
import type { Judgement } from "./verdict/judge.js";

/**
 * Calls the plan's `onReclaimed` once, when its lock is held already.
 *
 * What the callback throws is the caller's, as with `onWait`: the acquisition rejects with it, and since no handle is
 * given then, the lock is released first.
 *
 * @param release - Of the lock that was just acquired.
 * @throws what the callback throws; an AggregateError of that and of the release's error when that
 *   fails, too
 */
export function* tellReclaimed(
  { onReclaimed, policy }: Pick<AcquirePlan<unknown>, "onReclaimed" | "policy">,
  removed: Judgement,
  release: Wait<void>,
): Routine<void> {
  try {
    onReclaimed?.(describeReclaimed(removed, policy.present));
  } catch (thrown) {
    try {
      yield* waitFor(release);
    } catch (error) {
      throw new AggregateError([thrown, error], "onReclaimed threw, and the lock stays", {
        cause: error,
      });
    }
    throw thrown;
  }
}

function describeReclaimed(
  removed: Judgement,
  present: AcquirePlan<unknown>["policy"]["present"],
): ReclaimedLock {
  const { pid, staleReasons, createdAt, ageMs, lockPath } = present(removed.inspection);
  const { owner: token = null, label = null } = removed.payload ?? {};
  return {
    lockPath,
    evidence: {
      pid,
      staleReasons,
      createdAt,
      ageMs,
      token,
      label,
      ...evidenceOf(removed),
    },
  };
}
