/** The errors of leases. */
import { messageOf } from "../util/argument-error.js";
import { checkFields, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkName,
  checkOneOf,
  checkString,
  nullable,
  optional,
  unchecked,
} from "../util/check-values.js";
import { printable, quote } from "../util/printable.js";

export type LeaseErrorCode = "LEASE_TIMEOUT" | "LEASE_LOST" | "LEASE_STORE";

/** What all errors of leases have in common. What a terminal would obey is escaped in messages, not in fields. */
export abstract class LeaseError extends Error {
  abstract readonly code: LeaseErrorCode;
  /** null: it was about no single key. */
  readonly key: string | null;

  constructor(message: string, key: string | null, options?: ErrorOptions) {
    super(printable(message), options);
    this.key = key;
  }
}

interface TimeoutFacts {
  readonly key: string;
  readonly timeoutMs: number;
  readonly holder: string | null;
  readonly epoch: bigint;
}

/** The budget is used up; another holds the key. Trying again later is reasonable. */
export class LeaseTimeoutError extends LeaseError {
  override readonly name = "LeaseTimeoutError";
  readonly code = "LEASE_TIMEOUT";
  /** How long was waited for the holder, as asked for, milliseconds. */
  readonly timeoutMs: number;
  /** Who held the key when it was last seen; null when the store cannot tell. */
  readonly holder: string | null;
  /** The holder's epoch. */
  readonly epoch: bigint;

  constructor({ key, timeoutMs, holder, epoch }: TimeoutFacts) {
    const who = holder === null ? "unknown" : quote(holder);
    super(
      `lease held (timeout ${String(timeoutMs)}ms): holder=${who} epoch=${String(epoch)} ${quote(key)}`,
      key,
    );
    this.timeoutMs = timeoutMs;
    this.holder = holder;
    this.epoch = epoch;
  }
}

/**
 * Why a holder may not go on.
 *
 * - `deadline`: its own deadline has passed without a renewal
 * - `taken`: the store says that the hold has ended
 * - `released`: it has been released
 * - `margin`: it holds still, but for less time than `assertHeld` was asked for
 */
export type LeaseLossReason = "deadline" | "taken" | "released" | "margin";

const LOSSES: Readonly<Record<LeaseLossReason, string>> = {
  deadline: "its deadline has passed",
  taken: "the store says that it has ended",
  released: "it is released",
  margin: "its deadline is too near",
};

interface LossFacts {
  readonly key: string;
  readonly epoch: bigint;
  readonly reason: LeaseLossReason;
  readonly cause?: unknown;
}

/** The lease is not the holder's any more. `cause` has the last error of the store, where a renewal failed. */
export class LeaseLostError extends LeaseError {
  override readonly name = "LeaseLostError";
  readonly code = "LEASE_LOST";
  readonly epoch: bigint;
  readonly reason: LeaseLossReason;

  constructor({ key, epoch, reason, cause }: LossFacts) {
    super(
      `lease lost (${LOSSES[reason]}): epoch=${String(epoch)} ${quote(key)}`,
      key,
      cause === undefined ? undefined : { cause },
    );
    this.epoch = epoch;
    this.reason = reason;
  }
}

/** What was asked of a store. */
export type LeaseOperation = "acquire" | "renew" | "release" | "watch" | "setup";

interface StoreFacts {
  /** The store's name, e.g. `postgres`. */
  readonly store: string;
  readonly operation: LeaseOperation;
  readonly key?: string | null;
  /** Whether the same may succeed later without anybody's doing. */
  readonly retryable: boolean;
  readonly cause: unknown;
}

// By the compiler complete: a record of every one of them.
const OPERATIONS: Readonly<Record<LeaseOperation, true>> = {
  acquire: true,
  renew: true,
  release: true,
  watch: true,
  setup: true,
};

// Users' stores make these errors, too: one without `retryable` would end an acquisition that may succeed.
const STORE_CHECKS: OptionChecks<StoreFacts> = {
  store: checkName,
  operation: checkOneOf(Object.keys(OPERATIONS)),
  key: optional(nullable(checkString)),
  retryable: checkBoolean,
  cause: unchecked,
};

/** The store did not answer, or refused. Whether it has done what was asked is not known. */
export class LeaseStoreError extends LeaseError {
  override readonly name = "LeaseStoreError";
  readonly code = "LEASE_STORE";
  readonly store: string;
  readonly operation: LeaseOperation;
  /** false: it takes a change of the store or of what is asked, e.g. a table, a password, a right. */
  readonly retryable: boolean;

  constructor(facts: StoreFacts) {
    checkFields<StoreFacts>(facts, STORE_CHECKS, "facts");
    const { store, operation, key = null, retryable, cause } = facts;
    const message = messageOf(cause);
    const about = key === null ? "" : `: ${quote(key)}`;
    super(`the lease store ${store} failed to ${operation} (${message})${about}`, key, { cause });
    this.store = store;
    this.operation = operation;
    this.retryable = retryable;
  }
}
