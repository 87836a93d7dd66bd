/**
 * One holder among several machines: leases on an engine that is already there, with an epoch that only grows.
 *
 * @packageDocumentation
 */
export { acquireLease } from "./acquire-lease.js";
export {
  LeaseError,
  type LeaseErrorCode,
  LeaseLostError,
  type LeaseLossReason,
  type LeaseOperation,
  LeaseStoreError,
  LeaseTimeoutError,
} from "./errors.js";
export type { AssertHeldOptions, Lease } from "./held-lease.js";
export { memoryLeases } from "./memory-leases.js";
export type { AcquireLeaseOptions, WaitingForLease } from "./options.js";
export type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "./store.js";
