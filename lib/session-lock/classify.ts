/** The rule by which session locks are judged, for callers that have the facts. Pure. */
import {
  classifyLock,
  type LockClassification,
  type LockFacts,
  type OwnerCommandLine,
} from "../lock/verdict/classify.js";
import type { KernelEvidence } from "../lock/verdict/kernel-evidence.js";
import type { OwnerJudgement, OwnerState } from "../lock/verdict/owner-judgement.js";
import type { LockPayload } from "../lock/protocol/payload.js";
import { checkArgument, checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkAge,
  checkBoolean,
  checkClockMs,
  checkEpochMs,
  checkFunction,
  checkName,
  checkOneOf,
  checkTexts,
  nullable,
} from "../util/check-values.js";
import { checkPayload } from "./payload.js";
import { nameReasons, type StaleReason } from "./reasons.js";

/** Everything the rule looks at beside the payload. Times are milliseconds. */
export interface SessionLockFacts extends LockFacts, OwnerCommandLine {}

export interface SessionLockClassification extends LockClassification<StaleReason> {}

// By the compiler complete: a record of every one of them.
// Stryker disable BooleanLiteral: equivalent, only the names are read.
const STATES: Readonly<Record<OwnerState, true>> = { same: true, gone: true, unknown: true };
const ENDS: Readonly<Record<NonNullable<OwnerJudgement["end"]>, true>> = {
  "dead-pid": true,
  "recycled-pid": true,
  "holder-gone": true,
};
const KERNEL_EVIDENCE: Readonly<Record<KernelEvidence, true>> = {
  held: true,
  free: true,
  "free-unconfirmed": true,
  "other-mount": true,
  "other-view": true,
  silent: true,
};
// Stryker restore BooleanLiteral

const OWNER_CHECKS: OptionChecks<OwnerJudgement> = {
  state: checkOneOf(Object.keys(STATES)),
  reason: checkName,
  end: nullable(checkOneOf(Object.keys(ENDS))),
  undecidable: checkBoolean,
  needsNestedLook: checkBoolean,
};

const FACTS_CHECKS: OptionChecks<SessionLockFacts> = {
  nowMs: checkEpochMs,
  staleMs: checkAge,
  graceMs: checkAge,
  mtimeMs: nullable(checkEpochMs),
  monotonicNowMs: nullable(checkClockMs),
  respectMaxHold: checkBoolean,
  unreadable: checkBoolean,
  owner: (field, value) => checkFields<OwnerJudgement>(value, OWNER_CHECKS, field),
  kernel: checkOneOf(Object.keys(KERNEL_EVIDENCE)),
  pidAlive: checkBoolean,
  heldHere: checkBoolean,
  isSelf: checkBoolean,
  inWorkerThread: checkBoolean,
  atAcquire: checkBoolean,
  ownerArgs: nullable(checkTexts),
  isOwnerArgv: checkFunction,
};

/**
 * Judges one lock. `payload` null: the file holds none.
 *
 * @throws TypeError or RangeError for facts that are none: half of them would be a verdict, and a wrong one
 */
export function classifySessionLock(
  payload: LockPayload | null,
  facts: SessionLockFacts,
): SessionLockClassification {
  checkArgument("payload", payload, nullable(checkPayload));
  checkFields<SessionLockFacts>(facts, FACTS_CHECKS, "facts");
  const classification = classifyLock(payload, facts, facts);
  return { ...classification, staleReasons: nameReasons(classification.staleReasons) };
}
