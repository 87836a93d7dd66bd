/**
 * What the functions of a store are given and what they answer: checked, for a store may be called by other code than
 * `acquireLease`, and may be a user's own.
 */
import { checkArgument, checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkBigInt,
  checkDuration,
  checkFunction,
  checkName,
  checkNumber,
  checkOneOf,
  checkSignal,
  checkString,
  nullable,
} from "../util/check-values.js";
import { checkLeaseText } from "./options.js";
import type { LeaseAttempt, LeaseGrant, LeaseRequest } from "./store.js";

const REQUEST_CHECKS: OptionChecks<LeaseRequest> = {
  key: checkLeaseText,
  holder: checkLeaseText,
  nonce: checkName,
  ttlMs: checkDuration,
  signal: checkSignal,
};

const GRANT_CHECKS: OptionChecks<Omit<LeaseGrant, "handle">> = {
  key: checkLeaseText,
  holder: checkLeaseText,
  epoch: checkBigInt,
  storeId: checkName,
};

/** Of `tryAcquire`. */
export function checkRequest(request: unknown): void {
  checkFields<LeaseRequest>(request, REQUEST_CHECKS, "request");
}

/** Of `renew`. */
export function checkRenewal(grant: unknown, ttlMs: unknown, signal: unknown): void {
  checkGrant(grant, signal);
  checkDuration("ttlMs", ttlMs);
}

/** Of `release`. */
export function checkGrant(grant: unknown, signal: unknown): void {
  checkFields<Omit<LeaseGrant, "handle">>(grant, GRANT_CHECKS, "grant");
  checkArgument("signal", signal, checkSignal);
}

const ATTEMPT_CHECKS: OptionChecks<Pick<LeaseAttempt, "kind">> = {
  kind: checkOneOf(["acquired", "held"]),
};

type Held = Extract<LeaseAttempt, { readonly kind: "held" }>;

const HELD_CHECKS: OptionChecks<Omit<Held, "kind">> = {
  holder: nullable(checkString),
  epoch: checkBigInt,
  leftMs: nullable(checkNumber),
};

/** What `tryAcquire` has answered. */
export function checkAttempt(attempt: LeaseAttempt): LeaseAttempt {
  checkFields(attempt, ATTEMPT_CHECKS, "the store's answer");
  if (attempt.kind === "held") checkFields(attempt, HELD_CHECKS, "the store's answer");
  else checkFields(attempt.grant, GRANT_CHECKS, "the store's answer.grant");
  return attempt;
}

/** Of `watch`. */
export function checkWatch(key: unknown, onChange: unknown): void {
  checkLeaseText("key", key);
  checkFunction("onChange", onChange);
}
