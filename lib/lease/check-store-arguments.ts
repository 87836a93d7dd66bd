/** What the functions of a store are given: checked, for a store may be called by other code than `acquireLease`. */
import { checkArgument, checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkBigInt,
  checkDuration,
  checkFunction,
  checkName,
  checkSignal,
} from "../util/check-values.js";
import { checkLeaseText } from "./options.js";
import type { LeaseGrant, LeaseRequest } from "./store.js";

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

/** Of `watch`. */
export function checkWatch(key: unknown, onChange: unknown): void {
  checkLeaseText("key", key);
  checkFunction("onChange", onChange);
}
