/** The rule by which session locks are judged, for callers that have the facts. Pure. */
import {
  classifyLock,
  type ClassifiedKeptReason,
  type LockFacts,
  type OwnerCommandLine,
} from "../lock/verdict/classify.js";
import type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
import type { LockPayload } from "../lock/protocol/payload.js";
import { nameReasons, type StaleReason } from "./reasons.js";

/** Everything the rule looks at beside the payload. Times are milliseconds. */
export interface SessionLockFacts extends LockFacts, OwnerCommandLine {}

export interface SessionLockClassification {
  readonly ageMs: number | null;
  readonly stale: boolean;
  readonly staleReasons: readonly StaleReason[];
  readonly removable: boolean;
  readonly keptReason: ClassifiedKeptReason;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
}

/** Judges one lock. `payload` null: the file holds none. */
export function classifySessionLock(
  payload: LockPayload | null,
  facts: SessionLockFacts,
): SessionLockClassification {
  const classification = classifyLock(payload, facts, facts);
  return { ...classification, staleReasons: nameReasons(classification.staleReasons) };
}
