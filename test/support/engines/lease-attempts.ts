/** Attempts at leases, as tests make them of a store itself. */
import { randomBytes } from "node:crypto";

import type { LeaseAttempt, LeaseGrant, LeaseStore } from "../../../lib/lease/store.js";

export const NEVER = new AbortController().signal;

export interface Wanted {
  readonly key?: string;
  readonly holder?: string;
  readonly nonce?: string;
  readonly ttlMs?: number;
  readonly signal?: AbortSignal;
}

export async function attempt(store: LeaseStore, wanted: Wanted = {}): Promise<LeaseAttempt> {
  return await store.tryAcquire({
    key: "key",
    holder: "holder",
    nonce: randomBytes(16).toString("hex"),
    ttlMs: 60_000,
    signal: NEVER,
    ...wanted,
  });
}

/** The grant of an attempt that must succeed. */
export async function acquired(store: LeaseStore, wanted: Wanted = {}): Promise<LeaseGrant> {
  const brought = await attempt(store, wanted);
  if (brought.kind !== "acquired") throw new Error(`held by ${String(brought.holder)}`);
  return brought.grant;
}
