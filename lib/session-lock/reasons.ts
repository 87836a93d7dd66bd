/** The engine's reasons by the names that session locks have always had for them. Pure. */
import {
  PROOF_OF_ABANDONMENT,
  type StaleReason as EngineReason,
} from "../lock/verdict/classify.js";
import type { KeptReason, LockInspection } from "../lock/verdict/inspection.js";
import type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";

/** Why a lock is stale, in the order in which reasons are listed. */
export type StaleReason =
  | "missing-pid"
  | "dead-pid"
  | "recycled-pid"
  | "holder-gone"
  | "invalid-createdAt"
  | "too-old"
  | "hold-exceeded"
  | "orphan-self-pid"
  | "non-openclaw-owner";

/** What is known and decided about one lock file. */
export interface SessionLockInspection {
  readonly lockPath: string;
  readonly pid: number | null;
  /** A process with that pid runs here; whether it is the lock's owner is {@link ownerState}. */
  readonly pidAlive: boolean;
  readonly createdAt: string | null;
  /** Milliseconds since createdAt by the wall clock, never negative; null when createdAt is invalid. */
  readonly ageMs: number | null;
  readonly stale: boolean;
  readonly staleReasons: readonly StaleReason[];
  /** The verdict; {@link removed} says whether it was carried out. */
  readonly removable: boolean;
  readonly keptReason: KeptReason | null;
  readonly removed: boolean;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
  /** The I/O error behind the kept reasons `unreadable`, `no-guard` and `error`; for `guard-busy` it names the guard. */
  readonly error?: Error;
}

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

/** An inspection of the engine as this entry shows it: the same object wherever that says the same. */
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
