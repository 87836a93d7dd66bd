/** Judges one lock, with everything that has to be waited for: a command line, a look at containers. */
import { lookForNestedProcesses } from "../../process/nested-processes.js";
import { TimeSlice } from "../../util/time-slice.js";
import { dependsOnNestedLook } from "./classify.js";
import { type EvidenceSource, withNestedLook } from "./evidence.js";
import type { SessionLockInspection } from "./inspection.js";
import { closeCase, type JudgingPolicy, type LockCase, openCase } from "./judge.js";
import type { OwnerArgs, OwnerArgsMemo } from "./owner-args.js";
import type { LockReading } from "../protocol/read-lock.js";

export interface JudgedLock {
  readonly lockCase: LockCase;
  readonly inspection: SessionLockInspection;
  readonly ownerArgs: OwnerArgs | null;
  /** What a removal has to be judged by: with the look that was made. */
  readonly evidence: EvidenceSource;
}

/** @param reading - From before this call: a look at nested namespaces counts only for what was read before it. */
export async function judgeLock(
  lockPath: string,
  reading: Exclude<LockReading, { readonly kind: "absent" }>,
  policy: JudgingPolicy,
  evidence: EvidenceSource,
  args: OwnerArgsMemo,
): Promise<JudgedLock> {
  const judge = async (by: EvidenceSource): Promise<JudgedLock> => {
    const lockCase = openCase(lockPath, reading, policy, by);
    const { argsWanted } = lockCase;
    const ownerArgs = argsWanted === null ? null : await args.read(argsWanted);
    const inspection = closeCase(lockCase, ownerArgs?.args ?? null, policy);
    return { lockCase, inspection, ownerArgs, evidence: by };
  };
  const judged = await judge(evidence);
  if (!dependsOnNestedLook(judged.inspection, judged.lockCase.facts.owner)) return judged;
  const nested = await lookForNestedProcesses(evidence.identity, new TimeSlice());
  return await judge(withNestedLook(evidence, nested));
}
