/** A lock file's content, for callers: what they pass is checked, which the lock's own reader has no need of. */
import type { LeaseClaim } from "../lock/protocol/lease-claim.js";
import {
  formatPayload as format,
  type LockPayload,
  parsePayload as parse,
} from "../lock/protocol/payload.js";
import { outOfRange, wrongType } from "../util/argument-error.js";
import { checkArgument, checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkBigInt,
  checkBuffer,
  checkClockMs,
  checkCount,
  checkName,
  checkPositiveInteger,
  checkString,
  nullable,
} from "../util/check-values.js";

const LEASE_CHECKS: OptionChecks<LeaseClaim> = {
  store: checkName,
  key: checkName,
  epoch: checkBigInt,
};

const CHECKS: OptionChecks<LockPayload> = {
  pid: nullable(checkPositiveInteger),
  createdAt: nullable(checkString),
  maxHoldMs: nullable(checkPositiveInteger),
  starttime: nullable(checkCount),
  owner: nullable(checkString),
  nonce: nullable(checkString),
  kernelLock: nullable(checkString),
  guard: nullable(checkString),
  monotonicMs: nullable(checkClockMs),
  label: nullable(checkString),
  fileSystem: nullable(checkString),
  verified: nullable(checkTrue),
  lease: nullable((field, value) => checkFields<LeaseClaim>(value, LEASE_CHECKS, field)),
};

function checkTrue(field: string, value: unknown): void {
  if (value !== true) throw wrongType(field, "true", value);
}

export function checkPayload(field: string, value: unknown): void {
  checkFields<LockPayload>(value, CHECKS, field);
}

/**
 * Reads a lock file's content, also one that another program wrote.
 *
 * @param length - How many of the bytes are the content. Default: all.
 * @returns null when it is no JSON object; keys that are missing or of the wrong type are null.
 * @throws TypeError or RangeError for what are no bytes, or not so many
 */
export function parsePayload(bytes: Buffer, length?: number): LockPayload | null {
  checkArgument("bytes", bytes, checkBuffer);
  if (length !== undefined) {
    checkCount("length", length);
    if (length > bytes.length) {
      throw outOfRange("length", `at most that of bytes, ${String(bytes.length)}`, length);
    }
  }
  return parse(bytes, length);
}

/**
 * The text of a lock file: keys in the documented order, absent ones left out, final newline.
 *
 * @throws TypeError or RangeError for what the text would not say
 */
export function formatPayload(payload: LockPayload): string {
  checkArgument("payload", payload, checkPayload);
  return format(payload);
}
