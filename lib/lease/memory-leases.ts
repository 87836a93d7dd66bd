/** Leases in this process's memory, for tests: the contract of the real stores without an engine. */
import { continuousMs } from "../process/machine-clock.js";
import { crypto, queueMicrotask } from "../util/node-modules.js";
import { checkGrant, checkRenewal, checkRequest, checkWatch } from "./check-store.js";
import type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "./store.js";
import { throwIfAborted } from "../util/on-abort.js";

interface Row {
  readonly holder: string;
  readonly nonce: string;
  readonly epoch: bigint;
  expiresMs: number;
}

/** A store of its own: contenders must be given the same one. */
export function memoryLeases(): LeaseStore {
  return new MemoryLeases();
}

class MemoryLeases implements LeaseStore {
  readonly name = "memory";
  readonly #storeId = crypto().randomUUID();
  readonly #rows = new Map<string, Row>();
  readonly #watchers = new Map<string, Set<() => void>>();
  #epoch = 0n;

  // oxlint-disable-next-line typescript/require-await -- a throw must be a rejection
  async tryAcquire(request: LeaseRequest): Promise<LeaseAttempt> {
    checkRequest(request);
    const { key, holder, nonce, ttlMs, signal } = request;
    throwIfAborted(signal);
    const row = this.#living(key);
    const expiresMs = continuousMs() + ttlMs;
    if (row === null) {
      const epoch = ++this.#epoch;
      this.#rows.set(key, { holder, nonce, epoch, expiresMs });
      return { kind: "acquired", grant: { key, holder, epoch, storeId: this.#storeId } };
    }
    const { epoch } = row;
    if (row.nonce === nonce) {
      row.expiresMs = expiresMs;
      return { kind: "acquired", grant: { key, holder, epoch, storeId: this.#storeId } };
    }
    const leftMs = Math.ceil(row.expiresMs - continuousMs());
    return { kind: "held", holder: row.holder, epoch, leftMs };
  }

  // oxlint-disable-next-line typescript/require-await -- a throw must be a rejection
  async renew(grant: LeaseGrant, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    checkRenewal(grant, ttlMs, signal);
    const { key, epoch } = grant;
    const row = this.#living(key);
    if (row?.epoch !== epoch) return false;
    row.expiresMs = continuousMs() + ttlMs;
    return true;
  }

  // oxlint-disable-next-line typescript/require-await -- a throw must be a rejection
  async release(grant: LeaseGrant, signal: AbortSignal): Promise<void> {
    checkGrant(grant, signal);
    const { key, epoch } = grant;
    if (this.#rows.get(key)?.epoch !== epoch) return;
    this.#rows.delete(key);
    for (const tell of this.#watchers.get(key) ?? []) queueMicrotask(tell);
  }

  watch(key: string, onChange: () => void): { close(): void } {
    checkWatch(key, onChange);
    const tell = (): void => {
      if (watchers.has(tell)) onChange();
    };
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers.add(tell));
    return {
      close: () => {
        watchers.delete(tell);
        if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
      },
    };
  }

  /** The hold that has not run out; one that has is removed, so that it cannot come back. */
  #living(key: string): Row | null {
    const row = this.#rows.get(key) ?? null;
    if (row === null || row.expiresMs > continuousMs()) return row;
    this.#rows.delete(key);
    return null;
  }
}
