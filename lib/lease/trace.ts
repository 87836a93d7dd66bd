/** What leases tell `node:diagnostics_channel`: one tracing channel, `pidentity:lease`; see util/tracing.ts. */
import type { TracingChannel } from "node:diagnostics_channel";

import { traceAsync, traceSync, tracingChannel } from "../util/tracing.js";
import type { LeaseTerms } from "./deadline.js";
import type { LeaseGrant, LeaseStore } from "./store.js";

/** Messages of `pidentity:lease`; `error` is on those of `error` and what follows it. Times are milliseconds. */
export interface LeaseTrace {
  /** `lost` is told when its holder notices, with the start and the end of one synchronous trace. */
  readonly action: "acquire" | "renew" | "release" | "lost";
  /** The store's name, e.g. `postgres`. */
  readonly store: string;
  /** What the epoch belongs to. null: not known yet; of `acquire` it is known when it has succeeded. */
  readonly storeId: string | null;
  readonly key: string;
  /** Who asks. Another that holds the lease is named by the error of `acquire`. */
  readonly holder: string;
  /** Decimal digits, for logs in JSON; null as `storeId`. */
  readonly epoch: string | null;
  readonly ttlMs: number;
  readonly marginMs: number;
  readonly result?: LeaseTraceResult;
  readonly error?: unknown;
}

/**
 * How it ended.
 *
 * - of `acquire`: `acquired`
 * - of `renew`: `renewed`; `taken`: the store says that the hold has ended; `ended`: it was lost or released meanwhile, and
 *   the answer changes nothing
 * - of `release`: `released`; `lost`: it was lost before; `unused`: a grant that its acquisition had no use for any more
 * - of `lost`: `deadline` or `taken`, as the reason of the LeaseLostError
 */
export type LeaseTraceOutcome =
  | "acquired"
  | "renewed"
  | "taken"
  | "ended"
  | "released"
  | "lost"
  | "unused"
  | "deadline";

export interface LeaseTraceResult {
  readonly outcome: LeaseTraceOutcome;
  /** How long its holder may believe in it from now on; 0: not any more. */
  readonly leftMs: number;
  /** From the beginning of the operation to its end. Of `lost`: since the holder got the lease. */
  readonly tookMs: number;
}

type Message = { -readonly [Field in keyof LeaseTrace]: LeaseTrace[Field] };

/** Of whom it is told. */
interface Facts {
  readonly store: LeaseStore;
  readonly key: string;
  readonly holder: string;
  readonly terms: LeaseTerms;
  readonly grant: LeaseGrant | null;
}

let channel: TracingChannel<LeaseTrace, LeaseTrace> | undefined;

function leaseTrace(): TracingChannel<LeaseTrace, LeaseTrace> {
  return (channel ??= tracingChannel<LeaseTrace>("pidentity:lease"));
}

function messageOf(
  action: LeaseTrace["action"],
  { store, key, holder, terms: { ttlMs, marginMs }, grant }: Facts,
): Message {
  const storeId = grant?.storeId ?? null;
  const epoch = grant === null ? null : String(grant.epoch);
  return { action, store: store.name, storeId, key, holder, epoch, ttlMs, marginMs };
}

/** An acquisition as one trace. `operation` gives what its message has from then on. */
export function traceAcquire<T extends Pick<LeaseGrant, "storeId" | "epoch">>(
  facts: Omit<Facts, "grant">,
  operation: () => Promise<T>,
  resultOf: (acquired: T) => LeaseTraceResult,
): Promise<T> {
  let message: Message;
  return traceAsync(
    leaseTrace(),
    () => (message = messageOf("acquire", { ...facts, grant: null })),
    operation,
    (acquired) => {
      message.storeId = acquired.storeId;
      message.epoch = String(acquired.epoch);
      return resultOf(acquired);
    },
  );
}

/** A renewal or a release as one trace. */
export function traceAsked<T>(
  action: "renew" | "release",
  facts: () => Facts,
  operation: () => Promise<T>,
  resultOf: (value: T) => LeaseTraceResult,
): Promise<T> {
  return traceAsync(leaseTrace(), () => messageOf(action, facts()), operation, resultOf);
}

/** A loss: `tell` is what follows from it. */
export function traceLost(
  facts: () => Facts,
  tell: () => void,
  resultOf: () => LeaseTraceResult,
): void {
  traceSync(leaseTrace(), () => messageOf("lost", facts()), tell, resultOf);
}
