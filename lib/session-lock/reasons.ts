/** The engine's reasons by the names that session locks have always had for them. Pure. */
import {
  PROOF_OF_ABANDONMENT,
  type StaleReason as EngineReason,
} from "../lock/verdict/classify.js";
import type { LockInspection } from "../lock/verdict/inspection.js";

/** Why a lock is stale. Every entry that shows reasons has these names for them. */
export type StaleReason = Exclude<EngineReason, "foreign-owner"> | "non-openclaw-owner";

/** What is known and decided about one lock file. */
export interface SessionLockInspection extends LockInspection<StaleReason> {}

export function nameReasons(reasons: readonly EngineReason[]): readonly StaleReason[] {
  return hasOnlySharedNames(reasons) ? reasons : reasons.map(nameReason);
}

/** Whether this reason alone shows that the owner has given the lock up. */
export function isProof(reason: StaleReason): boolean {
  return PROOF_OF_ABANDONMENT.has(reason === "non-openclaw-owner" ? "foreign-owner" : reason);
}

function hasOnlySharedNames(
  reasons: readonly EngineReason[],
): reasons is readonly Exclude<EngineReason, "foreign-owner">[] {
  return !reasons.includes("foreign-owner");
}

function nameReason(reason: EngineReason): StaleReason {
  return reason === "foreign-owner" ? "non-openclaw-owner" : reason;
}

/** An inspection of the engine by those names: the same object wherever that says the same. */
export function presentInspection(inspection: LockInspection): SessionLockInspection {
  return hasSharedNames(inspection)
    ? inspection
    : { ...inspection, staleReasons: nameReasons(inspection.staleReasons) };
}

function hasSharedNames(
  inspection: LockInspection,
): inspection is LockInspection & SessionLockInspection {
  return hasOnlySharedNames(inspection.staleReasons);
}
