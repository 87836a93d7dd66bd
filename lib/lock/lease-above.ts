/**
 * What the engine knows of a lease that stands above a lock: one holder among several machines, on an engine of the
 * user's. It is taken before the lock is, so that a lock is never published without its epoch, and given back after it.
 */
import { asTexts, type LeaseClaim, type LeaseOfLock } from "./protocol/lease-claim.js";

/** A lease as the handle of a lock shows it. */
export interface LockLease {
  readonly key: string;
  /** The fencing token: for resources that can refuse an older one. */
  readonly epoch: bigint;
  readonly storeId: string;
  /** How long it lasts if no renewal succeeds, milliseconds; 0 when it is lost or released. */
  readonly deadline: () => number;
}

/** The lease, as it is handed to the engine. */
export interface LeaseAbove extends LockLease {
  /** Aborts when the lease is lost, with the error that says how. */
  readonly lost: AbortSignal;
  readonly release: () => Promise<void>;
}

/** Who holds the lease, as far as its store tells. */
export interface LeaseHolder {
  readonly kind: "lease";
  readonly holder: string | null;
  readonly epoch: bigint;
}

/** What the acquisition of a lock says to what takes its lease. */
export interface LeaseRequestOfLock {
  readonly lockPath: string;
  /** How long it may wait for a holder, milliseconds. */
  readonly budgetMs: number;
  readonly signal: AbortSignal | undefined;
  /** To be called now and then while it waits. */
  readonly tellWaiting: (holder: LeaseHolder | null) => void;
}

/**
 * Takes the lease, or says who holds it when the budget is used up.
 *
 * @throws (rejection) what the acquisition of the lock rejects with
 */
export type TakeLease = (request: LeaseRequestOfLock) => Promise<LeaseAbove | LeaseHolder>;

export function claimOf({ storeId, key, epoch }: LockLease): LeaseClaim {
  return { store: storeId, key, epoch };
}

/** For what is told of a lock. */
export function leaseTexts(lease: LockLease | null): LeaseOfLock | null {
  return lease === null ? null : asTexts(claimOf(lease));
}
