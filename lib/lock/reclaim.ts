/** Removes a stale lock: the second look at its owner and the removal, as one step. */
import { wholeMs } from "../util/whole-ms.js";
import { traceSync } from "../util/tracing.js";
import { type Guards, guardsOf } from "./protocol/guard.js";
import type { LockFs } from "./protocol/lock-fs.js";
import { type InsideGuard, type RemovalAttempt, tryRemoveLock } from "./protocol/remove.js";
import { type ReclaimEvidence, type ReclaimTrace, traces } from "./trace.js";
import { heldMsOf } from "./verdict/classify.js";
import { evidenceOfOpenFile, isSameProcess } from "./verdict/evidence.js";
import { type Judgement, judgeNow } from "./verdict/judge.js";
import type { OwnerArgs } from "./verdict/owner-args.js";
import { OpenLock, openLock } from "./verdict/reading.js";

export interface ReclaimAttempt {
  readonly attempt: RemovalAttempt;
  /** The latest one: inside the guard, if it came to that. */
  readonly judgement: Judgement;
}

/**
 * Tries once; never waits.
 *
 * @param open - The very file that was judged, where it is still open; it stays so.
 * @throws the file system's error
 */
export function tryReclaim(
  judgement: Judgement,
  fs: LockFs,
  open: OpenLock | null = null,
): ReclaimAttempt {
  const { lockPath } = judgement.reading;
  const { atAcquire, present } = judgement.policy;
  let latest = judgement;
  const attempt = traceSync(
    traces.reclaim,
    (): ReclaimTrace => ({ lockPath, by: atAcquire ? "acquire" : "sweep" }),
    () =>
      tryRemove(judgement, fs, open, (inside, file) => {
        const again = judgeAgain(judgement, inside, file);
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
 * Tries once to remove the file of a judgement if `isStillRemovable`, inside its guard, says so; never waits. Its second
 * argument is the file that is its own guard.
 */
export function tryRemove(
  { reading: { lockPath }, content, evidence }: Judgement,
  fs: LockFs,
  open: OpenLock | null,
  isStillRemovable: (inside: InsideGuard, file: OpenLock | null) => boolean,
): RemovalAttempt {
  // What it says in the lock format: of nothing else follows a guard.
  const { platform } = process;
  const guards = guardsOf(content?.payload ?? null, evidence.fileSystem(lockPath).kind, platform);
  const removeWith = (file: OpenLock | null): RemovalAttempt => {
    const judged = { lockPath, guards, fd: file?.fd ?? null };
    return tryRemoveLock(judged, fs, (inside) => isStillRemovable(inside, file));
  };
  if (!isItsOwn(guards)) return removeWith(null);
  if (open !== null) return removeWith(open);
  const opened = openLock(lockPath, fs);
  if (!(opened instanceof OpenLock)) return { kind: "changed" };
  try {
    return removeWith(opened);
  } finally {
    opened.close();
  }
}

function isItsOwn(guards: Guards): boolean {
  return guards === "inode" || guards === "both";
}

/**
 * Inside the guard: the same bytes, judged by facts asked now. The command line may be the remembered
 * one, but only if it is still that very process which has the pid: one born since must not lose its lock
 * to its predecessor's answer. null: not the same lock any more.
 */
export function judgeAgain(
  { reading: { lockPath }, content, evidence, ownerArgs, policy }: Judgement,
  { fd, fs, isNamed }: InsideGuard,
  file: OpenLock | null,
): Judgement | null {
  if (content === null) return null;
  // Asked now and once, for this judgement only: all its rules see one answer about a pid.
  const now = evidenceOfOpenFile(evidence.fresh(), fd, fs);
  // Where the file is its own guard this process has just locked it, which `isNamed` tells.
  const known = { seen: content, isNamed, isRegular: isNamed, isInGuardFile: !isNamed };
  const reading = (file ?? new OpenLock(lockPath, fd, fs)).read(now, known);
  if (reading.kind !== "lock" || !reading.bytes.equals(content.bytes)) return null;
  const stillKnown = (pid: number): OwnerArgs | null =>
    ownerArgs !== null && isSameProcess(ownerArgs.process, now.identity(pid)) ? ownerArgs : null;
  return judgeNow(reading, policy, now, stillKnown);
}

/** What a judgement rests on. */
export function evidenceOf({ payload, facts, inspection, ownerArgs }: Judgement): ReclaimEvidence {
  return {
    kernelLock: facts.kernel,
    ownerState: inspection.ownerState,
    ownerReason: inspection.ownerReason,
    pidAlive: facts.pidAlive,
    heldMs: wholeMs(heldMsOf(payload, inspection.ageMs, facts)),
    maxHoldMs: payload?.maxHoldMs ?? null,
    ownerArgs: ownerArgs?.args ?? null,
  };
}
