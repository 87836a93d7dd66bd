/**
 * What the engine tells `node:diagnostics_channel`: one tracing channel per operation, with plain objects. Nothing is
 * gathered while a channel has no subscriber.
 */
import type { TracingChannel } from "node:diagnostics_channel";

import { diagnosticsChannel } from "../util/node-modules.js";
import { type Routine, runAtOnce, runInTurns, type Wait } from "../util/routine.js";
import type { BreakRefusal } from "./break-refusal.js";
import type { LockInspection } from "./verdict/inspection.js";
import type { KernelEvidence } from "./verdict/kernel-evidence.js";
import type { OwnerReason, OwnerState } from "./verdict/owner-judgement.js";

/** Messages of `pidentity:acquire`; `error` is on those of `error` and what follows it. */
export interface AcquireTrace {
  readonly lockPath: string;
  readonly label: string | null;
  /** The limits in force, milliseconds. */
  readonly timeoutMs: number;
  readonly staleMs: number;
  readonly maxHoldMs: number;
  readonly result?: AcquireTraceResult;
  readonly error?: unknown;
}

export interface AcquireTraceResult {
  /** The published lock's nonce; null when a lock that this process held already is shared. */
  readonly nonce: string | null;
  /** Milliseconds from the call to the lock. */
  readonly waitedMs: number;
  /** Stale locks that this acquisition removed. */
  readonly reclaimed: number;
}

/**
 * Why a lock ends: its last handle's release, releaseAllLocks, its own limit, the thread's end (a signal's,
 * too), a contender took it, or the lease above it is lost.
 */
export type ReleaseCause =
  | "released"
  | "drained"
  | "watchdog"
  | "exit"
  | "displaced"
  | "lease-lost";

/** Messages of `pidentity:release`. */
export interface ReleaseTrace {
  readonly lockPath: string;
  readonly nonce: string;
  readonly cause: ReleaseCause;
  /** Milliseconds on the monotonic clock. */
  readonly heldMs: number;
  readonly maxHoldMs: number;
  readonly result?: ReleaseTraceResult;
  readonly error?: unknown;
}

/** `left`: the file is still there, unlocked, for others to remove. */
export type ReleaseOutcome = "removed" | "not-ours" | "left";

export interface ReleaseTraceResult {
  readonly outcome: ReleaseOutcome;
}

/** Messages of `pidentity:reclaim`: every attempt to remove another holder's lock. */
export interface ReclaimTrace {
  readonly lockPath: string;
  /** `break`: by hand, with {@link reason}. */
  readonly by: "acquire" | "sweep" | "break";
  /** What was given to breakLock; absent otherwise. */
  readonly reason?: string;
  /** The same. */
  readonly force?: boolean;
  readonly result?: ReclaimTraceResult;
  readonly error?: unknown;
}

export interface ReclaimTraceResult {
  /**
   * `changed`: the look inside the guard did not bear out the first one; nothing was touched. `vanished` and the
   * refusals: of breakLock only.
   */
  readonly outcome:
    | "removed"
    | "changed"
    | "busy"
    | "no-guard"
    | "vanished"
    | Exclude<BreakRefusal, "guard-busy">;
  /** The judgement that decided: the one inside the guard, if it came to that. */
  readonly inspection: LockInspection<string>;
  readonly evidence: ReclaimEvidence;
}

/** What the judgement rests on: answers "why was my lock taken?". */
export interface ReclaimEvidence {
  /** What the kernel says of the holder's lock; `silent` where that is no evidence. */
  readonly kernelLock: KernelEvidence;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
  readonly pidAlive: boolean;
  /** How long it was held by the clock that decides, and the holder's own limit; milliseconds. */
  readonly heldMs: number | null;
  readonly maxHoldMs: number | null;
  /** The command line of the pid's present process, where that was asked for and readable. */
  readonly ownerArgs: readonly string[] | null;
}

/** The channels, by the names that subscribers use; each made when it is first needed. */
export const traces = {
  get acquire() {
    return (acquire ??= tracingChannel<AcquireTrace>("pidentity:acquire"));
  },
  get release() {
    return (release ??= tracingChannel<ReleaseTrace>("pidentity:release"));
  },
  get reclaim() {
    return (reclaim ??= tracingChannel<ReclaimTrace>("pidentity:reclaim"));
  },
};

let acquire: TracingChannel<AcquireTrace, AcquireTrace> | undefined;
let release: TracingChannel<ReleaseTrace, ReleaseTrace> | undefined;
let reclaim: TracingChannel<ReclaimTrace, ReclaimTrace> | undefined;

export function tracingChannel<Message extends object>(
  name: string,
): TracingChannel<Message, Message> {
  return diagnosticsChannel().tracingChannel<Message, Message>(name);
}

/**
 * Runs an asynchronous operation as one trace of `channel`.
 *
 * @param context - Makes the message; only called when the channel has a subscriber.
 * @param resultOf - The message's `result`, from what the operation gave.
 */
export function traceAsync<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  operation: () => Promise<T>,
  resultOf: (value: T) => NoInfer<Context>["result"],
): Promise<T> {
  return channel.hasSubscribers
    ? traceSubscribed(channel, context(), operation, resultOf)
    : operation();
}

/** A routine as one trace, in either form. */
export function traced<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  routine: () => Routine<T>,
  resultOf: (value: T) => NoInfer<Context>["result"],
): Wait<T> {
  return {
    inTurns: () => traceAsync(channel, context, () => runInTurns(routine()), resultOf),
    atOnce: () => traceSync(channel, context, () => runAtOnce(routine()), resultOf),
  };
}

async function traceSubscribed<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: Context,
  operation: () => Promise<T>,
  resultOf: (value: T) => Context["result"],
): Promise<T> {
  const values: T[] = [];
  await channel.tracePromise(async () => {
    const value = await operation();
    values.push(value);
    return resultOf(value);
  }, context);
  return values[0] as T;
}

/** {@link traceAsync} for a synchronous operation. */
export function traceSync<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  operation: () => T,
  resultOf: (value: T) => NoInfer<Context>["result"],
): T {
  if (!channel.hasSubscribers) return operation();
  const values: T[] = [];
  channel.traceSync(() => {
    const value = operation();
    values.push(value);
    return resultOf(value);
  }, context());
  return values[0] as T;
}
