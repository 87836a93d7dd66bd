/** Takes a stale lock away: the second look at its owner and the removal, as one step. */
import type { LockFs } from "../protocol/lock-fs.js";
import { heldMsOf } from "./classify.js";
import { type EvidenceSource, isSameOccupant, memoisedEvidence } from "./evidence.js";
import type { SessionLockInspection } from "./inspection.js";
import { closeCase, type JudgingPolicy, type LockCase, openCase } from "./judge.js";
import type { OwnerArgs } from "./owner-args.js";
import { readLock } from "../protocol/read-lock.js";
import { type RemovalAttempt, tryRemoveLock } from "../protocol/remove.js";
import { type ReclaimEvidence, type ReclaimTrace, traces, traceSync } from "../trace.js";

export interface ReclaimAttempt {
  readonly attempt: RemovalAttempt;
  /** The latest judgement: the one inside the guard, if it came to that. */
  readonly inspection: SessionLockInspection;
}

/** One look at a lock, with everything it rests on. */
interface Judgement {
  readonly lockCase: LockCase;
  readonly inspection: SessionLockInspection;
  readonly ownerArgs: readonly string[] | null;
}

/**
 * Tries once; never waits.
 *
 * @param fresh - Evidence asked now; never a memory.
 * @throws the file system's error
 */
export function tryReclaim(
  lockCase: LockCase,
  inspection: SessionLockInspection,
  ownerArgs: OwnerArgs | null,
  policy: JudgingPolicy,
  fresh: EvidenceSource,
  fs: LockFs,
): ReclaimAttempt {
  const { lockPath } = lockCase;
  let latest: Judgement = { lockCase, inspection, ownerArgs: ownerArgs?.args ?? null };
  const attempt = traceSync(
    traces.reclaim,
    (): ReclaimTrace => ({ lockPath, by: policy.atAcquire ? "acquire" : "sweep" }),
    () =>
      tryRemoveLock(lockPath, fs, (inside) => {
        const again = judgeAgain(lockCase, ownerArgs, policy, fresh, inside);
        latest = again ?? latest;
        return again?.inspection.removable ?? false;
      }),
    ({ kind }) => ({
      outcome: kind,
      inspection: latest.inspection,
      evidence: evidenceOf(latest),
    }),
  );
  return { attempt, inspection: latest.inspection };
}

/**
 * Inside the guard: the same bytes, judged by facts asked now. The command line may be the remembered
 * one, but only if it is still that very process which has the pid: one born since must not lose its lock
 * to its predecessor's answer. null: not the same lock any more.
 */
function judgeAgain(
  { lockPath, content }: LockCase,
  ownerArgs: OwnerArgs | null,
  policy: JudgingPolicy,
  fresh: EvidenceSource,
  fs: LockFs,
): Judgement | null {
  if (content === null) return null;
  // Asked now and once, for this judgement only: all its rules see one answer about a pid.
  const now = memoisedEvidence(fresh);
  const reading = readLock(lockPath, fs, now, { isRegular: false, seen: content });
  if (reading.kind !== "lock" || !reading.bytes.equals(content.bytes)) return null;
  const again = openCase(lockPath, reading, policy, now);
  const isStillTheirs =
    ownerArgs !== null &&
    again.argsWanted !== null &&
    isSameOccupant(ownerArgs.occupant, now.identity(again.argsWanted));
  const args = isStillTheirs ? ownerArgs.args : null;
  return { lockCase: again, inspection: closeCase(again, args, policy), ownerArgs: args };
}

function evidenceOf({ lockCase, inspection, ownerArgs }: Judgement): ReclaimEvidence {
  const { payload, facts } = lockCase;
  return {
    kernelLock: facts.kernel,
    ownerState: inspection.ownerState,
    ownerReason: inspection.ownerReason,
    pidAlive: facts.pidAlive,
    heldMs: heldMsOf(payload, inspection.ageMs, facts),
    maxHoldMs: payload?.maxHoldMs ?? null,
    ownerArgs,
  };
}
