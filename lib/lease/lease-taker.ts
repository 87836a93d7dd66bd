/** All that faces of the lock engine load of leases before one is wanted. */
import type { Lease } from "./held-lease.js";
import type { LeaseForLock, LeaseHolder, LockLeaseOptions } from "./for-lock.js";

type Taker = (request: LeaseForLock) => Promise<Lease | LeaseHolder>;

/** Takes that lease for a lock; undefined: none stands above it. */
export function leaseTaker(options: LockLeaseOptions | undefined): Taker | undefined {
  if (options === undefined) return undefined;
  return async (request) => {
    const { takeLeaseForLock } = await import("./for-lock.js");
    return await takeLeaseForLock(options, request);
  };
}
