/** Takes a lease that is to stand above a lock, in the lock's own terms: all that faces of the lock engine need of leases. */
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import { optional } from "../util/check-values.js";
import { acquireLease } from "./acquire-lease.js";
import { LeaseTimeoutError } from "./errors.js";
import type { Lease } from "./held-lease.js";
import { type AcquireLeaseOptions, LEASE_CHECKS, leaseTerms } from "./options.js";

/** The lease above a lock. */
export interface LockLeaseOptions extends Pick<
  AcquireLeaseOptions,
  "store" | "ttlMs" | "marginMs" | "holder"
> {
  /**
   * What is leased. Default: the lock's absolute path. Machines that see the lock under different paths need one key
   * for all.
   */
  readonly key?: string | undefined;
}

/**
 * The options of an acquisition that gives a lock with a lease. A reentrant one may share a lock that was taken without.
 */
export interface WithLease {
  readonly lease: LockLeaseOptions;
  readonly allowReentrant?: false | undefined;
}

const { store, key: checkKey, ttlMs, marginMs, holder } = LEASE_CHECKS;
const CHECKS: OptionChecks<LockLeaseOptions> = {
  store,
  key: optional(checkKey),
  ttlMs,
  marginMs,
  holder,
};

/** Who holds the lease. */
export interface LeaseHolder {
  readonly kind: "lease";
  readonly holder: string | null;
  readonly epoch: bigint;
}

/** What the acquisition of the lock says. */
export interface LeaseForLock {
  readonly lockPath: string;
  /** How long to wait for a holder, milliseconds. */
  readonly budgetMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once a second while waiting; null: the store has not answered yet. */
  readonly tellWaiting: (holder: LeaseHolder | null) => void;
}

type Taker = (request: LeaseForLock) => Promise<Lease | LeaseHolder>;

/** Takes that lease for a lock; undefined: none stands above it. */
export function leaseTaker(options: LockLeaseOptions | undefined): Taker | undefined {
  if (options === undefined) return undefined;
  return async (request) => await takeLeaseForLock(options, request);
}

/**
 * @returns the lease, or who holds it when the budget is used up
 * @throws (rejection) LeaseStoreError; the signal's reason; TypeError or RangeError for bad options
 */
async function takeLeaseForLock(
  options: LockLeaseOptions,
  { lockPath, budgetMs, signal, tellWaiting }: LeaseForLock,
): Promise<Lease | LeaseHolder> {
  checkRequiredOptions(options, CHECKS, "options.lease");
  leaseTerms(options, "options.lease");
  try {
    return await acquireLease({
      ...options,
      key: options.key ?? lockPath,
      timeoutMs: Number.isFinite(budgetMs) ? Math.floor(budgetMs) : Infinity,
      signal,
      onWait: ({ holder: held, epoch }) => {
        tellWaiting(epoch === null ? null : { kind: "lease", holder: held, epoch });
      },
    });
  } catch (error) {
    if (!(error instanceof LeaseTimeoutError)) throw error;
    return { kind: "lease", holder: error.holder, epoch: error.epoch };
  }
}
