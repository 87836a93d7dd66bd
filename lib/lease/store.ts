/** What a lease needs of an engine: four functions. A public type, so that users can write a store of their own. */

/** What one attempt to take a key brought. */
export type LeaseAttempt =
  | { readonly kind: "acquired"; readonly grant: LeaseGrant }
  | {
      readonly kind: "held";
      /** null: the store cannot tell. */
      readonly holder: string | null;
      readonly epoch: bigint;
      /** How long the hold still lasts if it is not renewed, milliseconds by the store's clock; null: it cannot tell. */
      readonly leftMs: number | null;
    };

/** One holder's hold on one key: what the store needs to know it again. */
export interface LeaseGrant {
  readonly key: string;
  readonly holder: string;
  /** Grows with every change of holder within this store, over its restarts: the fencing token. */
  readonly epoch: bigint;
  /** Random id of the store, not of the client: epochs of different stores never compare. */
  readonly storeId: string;
  /** The store's own, e.g. etcd's lease id. */
  readonly handle?: unknown;
}

export interface LeaseRequest {
  readonly key: string;
  readonly holder: string;
  /**
   * Random, of one acquisition. An attempt that is repeated because its answer was lost is known again by it: the answer
   * is "acquired" with the same epoch, and another ttl from now.
   */
  readonly nonce: string;
  /** Of one acquisition always the same, for renewals, too: an engine's leases may have a fixed length. */
  readonly ttlMs: number;
  /** Aborts the request to the engine. A store may ignore it: the caller goes on without the answer. */
  readonly signal: AbortSignal;
}

export interface LeaseStore {
  /** What messages call it, e.g. `postgres`. */
  readonly name: string;
  /** @throws LeaseStoreError (rejection): `operation` is `acquire` */
  tryAcquire(request: LeaseRequest): Promise<LeaseAttempt>;
  /**
   * Another ttl from now, by the engine's clock; the ttl is that of the acquisition.
   *
   * @returns false: it is proven that this grant holds no more, and it never will again.
   * @throws LeaseStoreError (rejection): `operation` is `renew`; nothing is known then
   */
  renew(grant: LeaseGrant, ttlMs: number, signal: AbortSignal): Promise<boolean>;
  /**
   * Ends the hold if it is still this grant's, and tells waiters; otherwise changes nothing.
   *
   * @throws LeaseStoreError (rejection): `operation` is `release`
   */
  release(grant: LeaseGrant, signal: AbortSignal): Promise<void>;
  /**
   * Calls `onChange` when the key may have become free, and once when watching has begun, if it does not begin at once:
   * what happened before it is not told.
   *
   * @returns `close` ends it. null: the store cannot; waiters poll
   */
  watch(key: string, onChange: () => void): { close(): void } | null;
}
