/** Removes a stale lock: the second look at its owner and the removal, as one step. */
import type { LockFs } from "./protocol/lock-fs.js";
import { type RemovalAttempt, tryRemoveLock } from "./protocol/remove.js";
import { type ReclaimEvidence, type ReclaimTrace, traces, traceSync } from "./trace.js";
import { heldMsOf } from "./verdict/classify.js";
import { isSameProcess, memoisedEvidence } from "./verdict/evidence.js";
import { type Judgement, judgeNow } from "./verdict/judge.js";
import type { OwnerArgs } from "./verdict/owner-args.js";
import { readLock } from "./verdict/reading.js";

export interface ReclaimAttempt {
  readonly attempt: RemovalAttempt;
  /** The latest one: inside the guard, if it came to that. */
  readonly judgement: Judgement;
}

/**
 * Tries once; never waits.
 *
 * @throws the file system's error
 */
export function tryReclaim(judgement: Judgement, fs: LockFs): ReclaimAttempt {
  const { lockPath } = judgement.reading;
  const { atAcquire, present } = judgement.policy;
  let latest = judgement;
  const attempt = traceSync(
    traces.reclaim,
    (): ReclaimTrace => ({ lockPath, by: atAcquire ? "acquire" : "sweep" }),
    () =>
      tryRemoveLock(lockPath, fs, (inside) => {
        const again = judgeAgain(judgement, inside);
        latest = again ?? latest;
        return again?.inspection.removable ?? false;
      }),
    ({ kind }) => ({
      outcome: kind,
      inspection: present(latest.inspection),
      evidence: evidenceOf(latest),
    }),
  );
  return { attempt, judgement: latest };
}

/**
 * Inside the guard: the same bytes, judged by facts asked now. The command line may be the remembered
 * one, but only if it is still that very process which has the pid: one born since must not lose its lock
 * to its predecessor's answer. null: not the same lock any more.
 */
function judgeAgain(
  { reading: { lockPath }, content, evidence, ownerArgs, policy }: Judgement,
  fs: LockFs,
): Judgement | null {
  if (content === null) return null;
  // Asked now and once, for this judgement only: all its rules see one answer about a pid.
  const now = memoisedEvidence(evidence.fresh());
  const reading = readLock(lockPath, fs, now, { seen: content });
  if (reading.kind !== "lock" || !reading.bytes.equals(content.bytes)) return null;
  const stillKnown = (pid: number): OwnerArgs | null =>
    ownerArgs !== null && isSameProcess(ownerArgs.process, now.identity(pid)) ? ownerArgs : null;
  return judgeNow(reading, policy, now, stillKnown);
}

function evidenceOf({ payload, facts, inspection, ownerArgs }: Judgement): ReclaimEvidence {
  return {
    kernelLock: facts.kernel,
    ownerState: inspection.ownerState,
    ownerReason: inspection.ownerReason,
    pidAlive: facts.pidAlive,
    heldMs: heldMsOf(payload, inspection.ageMs, facts),
    maxHoldMs: payload?.maxHoldMs ?? null,
    ownerArgs: ownerArgs?.args ?? null,
  };
}
