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
export { type CertificateAuthority, etcdLeases, type EtcdLeasesOptions } from "./etcd.js";
export type { LockLeaseOptions } from "./for-lock.js";
export type { AssertHeldOptions, Lease } from "./held-lease.js";
export { memoryLeases } from "./memory-leases.js";
export type { AcquireLeaseOptions, WaitingForLease } from "./options.js";
export {
  postgresLeases,
  type PostgresLeases,
  type PostgresLeasesOptions,
  type PostgresQuery,
  type PostgresResult,
} from "./postgres.js";
export { type PgClient, pgListen, type PgNotification } from "./postgres/pg-listen.js";
export { postgresLeaseTable } from "./postgres/table.js";
export type { PostgresListen, StopListening } from "./postgres/watches.js";
export type { LeaseTrace, LeaseTraceOutcome, LeaseTraceResult } from "./trace.js";
export type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "./store.js";
