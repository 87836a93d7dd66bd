/**
 * Removes by hand a lock that the rules keep: its caller knows more than can be proven from here, so no evidence of
 * the owner's end is needed. What is needed: that it is the very lock that was looked at, which is compared inside its
 * guard, and that its owner is not proven alive, unless that is to be overruled.
 *
 * A living owner's lock is displaced as an overdue one's is (reclaim.ts): inside the guard of the file that it owns,
 * which it sees at its next fenced step. One whose payload shows no kernel lock writes without a fence
 * (holder-guard.ts), could not see it, and is never displaced.
 */
import { loadNative } from "../native/load.js";
import { steadyMs } from "../process/machine-clock.js";
import { delay } from "../util/timers.js";
import { traceAsync } from "../util/tracing.js";
import { type KeptLock, LockNotBrokenError } from "./break-error.js";
import type { BreakRefusal } from "./break-refusal.js";
import type { LockFs } from "./protocol/lock-fs.js";
import type { RemovalAttempt } from "./protocol/remove.js";
import { evidenceOf, judgeAgain, tryRemove } from "./reclaim.js";
import { type ReclaimTrace, type ReclaimTraceResult, traces } from "./trace.js";
import { freshEvidence } from "./verdict/evidence.js";
import type { LockInspection } from "./verdict/inspection.js";
import { judgeFully, type Judgement, type JudgingPolicy } from "./verdict/judge.js";
import { OwnerArgsMemo } from "./verdict/owner-args.js";
import { readLock } from "./verdict/reading.js";

/** Which lock is to be removed, and why. */
export interface BreakRequest {
  readonly lockPath: string;
  /** null: not compared. At least one of the two is given. */
  readonly expectedNonce: string | null;
  readonly expectedBytes: Buffer | null;
  /** For the trace. */
  readonly reason: string;
  /** Also when its owner is proven alive. */
  readonly force: boolean;
}

/** What became of the lock that was looked at. */
export interface BrokenLock {
  /** `vanished`: it was gone already, and no other is in its place. */
  readonly outcome: "removed" | "vanished";
  readonly lockPath: string;
  /** The look that decided; null: there was no file at the first one. */
  readonly inspection: LockInspection<string> | null;
}

/** How a request ends, before it is an answer or an error. */
type Ending =
  | { readonly kind: "removed" | "vanished"; readonly judgement: Judgement }
  | {
      readonly kind: "kept";
      readonly judgement: Judgement;
      readonly refusal: BreakRefusal;
      readonly guardPath: string | null;
      readonly cause?: unknown;
    };

/**
 * Looks at a lock as {@link breakByHand} does. Touches nothing.
 *
 * @returns null when there is no such file
 */
export async function lookAtLock(
  lockPath: string,
  policy: JudgingPolicy,
  fs: LockFs,
): Promise<Judgement | null> {
  const evidence = freshEvidence(fs);
  const reading = readLock(lockPath, fs, evidence);
  if (reading.kind === "absent") return null;
  const args = new OwnerArgsMemo(undefined, evidence.identity);
  return await judgeFully(reading, { policy, evidence, args });
}

/** @throws LockNotBrokenError (rejection) when the lock was kept */
export async function breakByHand(
  request: BreakRequest,
  policy: JudgingPolicy,
  fs: LockFs,
): Promise<BrokenLock> {
  const { lockPath, reason, force } = request;
  const judgement = await lookAtLock(lockPath, policy, fs);
  if (judgement === null) return { outcome: "vanished", lockPath, inspection: null };
  const ending = await traceAsync(
    traces.reclaim,
    (): ReclaimTrace => ({ lockPath, by: "break", reason, force }),
    () => breakJudged(judgement, request, fs),
    (end): ReclaimTraceResult => ({
      outcome: outcomeOf(end),
      inspection: policy.present(end.judgement.inspection),
      evidence: evidenceOf(end.judgement),
    }),
  );
  const inspection = policy.present(ending.judgement.inspection);
  if (ending.kind !== "kept") {
    const isRemoved = ending.kind === "removed";
    return { outcome: ending.kind, lockPath, inspection: { ...inspection, removed: isRemoved } };
  }
  const { refusal, guardPath, cause } = ending;
  const evidence = evidenceOf(ending.judgement);
  const kept: KeptLock = { lockPath, refusal, inspection, evidence, guardPath };
  throw new LockNotBrokenError(cause === undefined ? kept : { ...kept, cause });
}

function outcomeOf(ending: Ending): ReclaimTraceResult["outcome"] {
  if (ending.kind !== "kept") return ending.kind;
  return ending.refusal === "guard-busy" ? "busy" : ending.refusal;
}

/** Processes are inside a guard for microseconds; a virus scanner has a file for longer. Milliseconds. */
const PATIENCE_MS = 2000;

async function breakJudged(
  judgement: Judgement,
  request: BreakRequest,
  fs: LockFs,
): Promise<Ending> {
  const refusal = isExpected(judgement, request)
    ? refusalOf(judgement, request.force)
    : refusalOfOther(judgement);
  if (refusal !== null) {
    const { reading } = judgement;
    const cause = reading.kind === "unreadable" ? reading.error : undefined;
    return { kind: "kept", judgement, refusal, guardPath: null, cause };
  }
  if (!fs.canLock()) {
    // Without it less is known of living owners, too: Windows' guards alone would do without.
    const { error: cause } = loadNative();
    return { kind: "kept", judgement, refusal: "no-guard", guardPath: null, cause };
  }
  const endsAt = steadyMs() + PATIENCE_MS;
  for (;;) {
    const ending = tryBreak(judgement, request, fs);
    const isBusy = ending.kind === "kept" && ending.refusal === "guard-busy";
    if (!isBusy || steadyMs() >= endsAt) return ending;
    await delay(1 + Math.random() * 4);
  }
}

function tryBreak(judgement: Judgement, { force, lockPath }: BreakRequest, fs: LockFs): Ending {
  let latest = judgement;
  let refusal: BreakRefusal | null = null;
  let attempt: RemovalAttempt;
  try {
    attempt = tryRemove(judgement, fs, null, (inside, file) => {
      const again = judgeAgain(judgement, inside, file);
      latest = again ?? latest;
      refusal = again === null ? "changed" : refusalOf(again, force);
      return refusal === null;
    });
  } catch (cause) {
    return { kind: "kept", judgement: latest, refusal: "error", guardPath: null, cause };
  }
  switch (attempt.kind) {
    case "removed":
      return { kind: "removed", judgement: latest };
    case "busy": {
      const { guardPath, error: cause } = attempt;
      return { kind: "kept", judgement: latest, refusal: "guard-busy", guardPath, cause };
    }
    case "no-guard": {
      const cause = new Error(`${attempt.code}: no kernel lock`);
      return { kind: "kept", judgement: latest, refusal: "no-guard", guardPath: null, cause };
    }
    case "changed":
      if (!fs.exists(lockPath)) return { kind: "vanished", judgement: latest };
      return { kind: "kept", judgement: latest, refusal: refusal ?? "changed", guardPath: null };
  }
}

function isExpected(
  { reading, content }: Judgement,
  { expectedNonce, expectedBytes }: BreakRequest,
): boolean {
  if (reading.kind !== "lock") return false;
  if (expectedBytes !== null && !reading.bytes.equals(expectedBytes)) return false;
  return expectedNonce === null || content?.payload?.nonce === expectedNonce;
}

/** A file that cannot be compared is refused for that. */
function refusalOfOther({ reading }: Judgement): BreakRefusal {
  return reading.kind === "unreadable" ? "unreadable" : "changed";
}

/** Of the lock that was looked at; null: it may go. */
export function refusalOf(
  { reading, content, facts, payload }: Judgement,
  force: boolean,
): BreakRefusal | null {
  if (reading.kind === "unreadable") return "unreadable";
  if (content === null) return "not-a-lock";
  if (facts.heldHere) return "held-here";
  // No guard here keeps a process out that removes it through the holder's own view: that there is none, the caller has
  // to know. A holder that may live would not see in its view that its lock is gone.
  if (facts.kernel === "other-view" && !(force && facts.owner.state === "gone")) {
    return "other-view";
  }
  if (facts.owner.state !== "same") return null;
  if (!force) return "owner-alive";
  // Nor by a guard that is not its own: its file says what another kind of lock does.
  const isOfOtherKind = payload?.nonce != null && payload.guard !== reading.guard;
  const hasNoFence = payload?.nonce != null && payload.kernelLock === null;
  return hasNoFence || isOfOtherKind ? "no-guard" : null;
}
