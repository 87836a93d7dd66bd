/**
 * What a takeover was found by, from what the locks and leases below tell in their errors' fields: whatever their make,
 * nothing is read from a message. Pure.
 */
import { findErrorByCode } from "../util/find-error.js";
import type { SessionTakeoverFinding } from "./errors.js";

/** What was found, and the process that it names. */
export interface TakeoverFacts {
  readonly found: SessionTakeoverFinding;
  /** null: none is named. */
  readonly pid: number | null;
}

/** Codes of errors that say that a lock, or a lease, is not its holder's any more. */
const LOST = ["SESSION_WRITE_LOCK_LOST", "FILE_LOCK_LOST", "LEASE_LOST"] as const;

/** Codes of errors that say that another holder has it. */
const UNAVAILABLE = [
  "SESSION_WRITE_LOCK_TIMEOUT",
  "SESSION_WRITE_LOCK_STALE",
  "FILE_LOCK_TIMEOUT",
  "FILE_LOCK_STALE",
  "LEASE_TIMEOUT",
] as const;

const LOSSES: Readonly<Record<string, SessionTakeoverFinding>> = {
  "taken-over": "lock-taken",
  removed: "lock-removed",
  overdue: "lock-overdue",
  "lease-lost": "lease-lost",
  "given-up": "lock-released",
  "process-ending": "lock-released",
  released: "lock-released",
};

/** null: `error` is none of a lost lock. */
export function lossIn(error: unknown): TakeoverFacts | null {
  const lost = findErrorByCode(error, LOST);
  return lost === null ? null : factsOfLoss(lost.error);
}

/** Of what a lock's `lost` signal has as its reason. */
export function factsOfLoss(error: unknown): TakeoverFacts {
  if (findErrorByCode(error, ["LEASE_LOST"]) !== null) return { found: "lease-lost", pid: null };
  const loss = fieldOf(error, "loss");
  const known = typeof loss === "string" && Object.hasOwn(LOSSES, loss) ? LOSSES[loss] : undefined;
  return { found: known ?? "lock-lost", pid: pidOf(error) };
}

/** null: `error` does not say that another holder has the lock. */
export function unavailabilityIn(error: unknown): TakeoverFacts | null {
  const refused = findErrorByCode(error, UNAVAILABLE);
  if (refused === null) return null;
  const found = refused.code.endsWith("_STALE") ? "lock-stale" : "lock-held";
  return { found, pid: pidOf(refused.error) };
}

function pidOf(error: unknown): number | null {
  const pid = fieldOf(error, "pid");
  return Number.isSafeInteger(pid) ? (pid as number) : null;
}

/** undefined also where it refuses to be looked at. */
function fieldOf(error: unknown, name: "loss" | "pid"): unknown {
  try {
    if (typeof error !== "object" || error === null) return undefined;
    return (error as Partial<Record<typeof name, unknown>>)[name];
  } catch {
    return undefined;
  }
}
