/** The rule by which session locks are judged, for callers that have the facts. Pure. */
import {
  classifyLock,
  type LockClassification,
  type LockFacts,
  type OwnerCommandLine,
} from "../lock/verdict/classify.js";
import type { LockPayload } from "../lock/protocol/payload.js";
import { nameReasons, type StaleReason } from "./reasons.js";

/** Everything the rule looks at beside the payload. Times are milliseconds. */
export interface SessionLockFacts extends LockFacts, OwnerCommandLine {}

export interface SessionLockClassification extends LockClassification<StaleReason> {}

/** Judges one lock. `payload` null: the file holds none. */
export function classifySessionLock(
  payload: LockPayload | null,
  facts: SessionLockFacts,
): SessionLockClassification {
  const classification = classifyLock(payload, facts, facts);
  return { ...classification, staleReasons: nameReasons(classification.staleReasons) };
}
