/** How the engine fails: facts, from which each face makes its own errors. Pure. */
import { oneLine, printable, quote } from "../util/printable.js";
import type { LeaseHolder } from "./lease-above.js";
import type { StaleReason } from "./verdict/classify.js";
import type { KeptReason, LockInspection } from "./verdict/inspection.js";

/** What is in the way of an acquisition. */
export type LockHolder =
  | {
      readonly kind: "process";
      readonly pid: number;
      readonly alive: boolean;
      /** Milliseconds; null: not known. */
      readonly ageMs: number | null;
    }
  | OwnHolder
  | { readonly kind: "unknown"; readonly ageMs: number | null }
  | LeaseHolder
  /** Another process is inside that guard; with an `error` (Windows) it has the lock or its guard open. */
  | { readonly kind: "guard"; readonly guardPath: string; readonly error?: Error | undefined };

/** This very process: another caller of it, or one of its threads. */
export interface OwnHolder {
  readonly kind: "own";
  readonly pid: number;
  /** Milliseconds; null: not known. */
  readonly ageMs: number | null;
  /** When the lock was taken, ISO 8601; null: it is not known, or the other caller waits for it as well. */
  readonly takenAt: string | null;
}

export const UNKNOWN_HOLDER: LockHolder = { kind: "unknown", ageMs: null };

/** What lies at a lock's path and is no lock of a kind that names its owner. */
export type LockObstacle = "directory";

/**
 * - `timeout`: the budget is used up; the lock is, as far as is known, rightly held
 * - `stale`: the lock is stale, and removing it is not safe or not for a contender to decide
 * - `lost`: the holder's lock is no longer its own
 * - `file`: the file system refused
 */
export type LockFailure =
  | {
      readonly kind: "timeout";
      readonly lockPath: string;
      readonly timeoutMs: number;
      readonly holder: LockHolder;
      readonly obstacle: LockObstacle | null;
    }
  | {
      readonly kind: "stale";
      readonly lockPath: string;
      readonly holder: LockHolder;
      readonly staleReasons: readonly StaleReason[];
      readonly keptReason: KeptReason | null;
    }
  | LostFailure
  | FileFailure;

/**
 * How a holder's lock was lost.
 *
 * - `taken-over`: another lock is in its place
 * - `removed`: its file is gone, and none is in its place
 * - `overdue`: the watchdog has released it, past its `maxHoldMs`
 * - `lease-lost`: the lease above it is lost
 * - `given-up`: `releaseAllLocks` has released it
 * - `process-ending`: a signal ends the process
 * - `released`: its holder has released it
 */
export type LockLoss =
  | "taken-over"
  | "removed"
  | "overdue"
  | "lease-lost"
  | "given-up"
  | "process-ending"
  | "released";

export interface LostFailure {
  readonly kind: "lost";
  readonly lockPath: string;
  readonly loss: LockLoss;
  /** Of `taken-over`: the pid in the lock that is in its place; null: it names none, or there is none. */
  readonly pid: number | null;
  /** For people, e.g. `taken over by pid 4711`. */
  readonly why: string;
  /** Of a lease above the lock: how that was lost. */
  readonly cause?: unknown;
}

export interface FileFailure {
  readonly kind: "file";
  readonly lockPath: string;
  readonly cause: unknown;
}

/** Makes an error of a failure. */
export type ToError = (failure: LockFailure) => Error;

/** An error's options where there is a cause. */
export function causedBy(cause: unknown): ErrorOptions | undefined {
  return cause === undefined ? undefined : { cause };
}

/** Runs one step of file work; what it throws becomes the error of a `file` failure. */
export function orFileError<T>(lockPath: string, toError: ToError, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw toError({ kind: "file", lockPath, cause });
  }
}

export function holderOf({ pid, pidAlive, ageMs }: HolderFacts): LockHolder {
  if (pid === null) return { kind: "unknown", ageMs };
  return { kind: "process", pid, alive: pidAlive, ageMs };
}

type HolderFacts = Pick<LockInspection, "pid" | "pidAlive" | "ageMs">;

/** The pid that the lock names; null: it names none. */
export function pidOf(holder: LockHolder): number | null {
  return holder.kind === "process" || holder.kind === "own" ? holder.pid : null;
}

/** This process itself: it waits for nothing that another one does. */
export function isOwn(holder: LockHolder): boolean {
  return holder.kind === "own";
}

/** For people; nothing reads it back. */
export function describeHolder(holder: LockHolder): string {
  switch (holder.kind) {
    case "guard":
      return guardBusy(holder.guardPath, holder.error);
    case "unknown":
      return `owner=unknown${describeAge(holder.ageMs)}`;
    case "lease":
      return describeLeaseHolder(holder);
    case "own":
      return describeOwnHolder(holder);
    case "process":
      return `pid=${String(holder.pid)} alive=${String(holder.alive)}${describeAge(holder.ageMs)}`;
  }
}

function describeOwnHolder({ pid, ageMs, takenAt }: OwnHolder): string {
  const facts = `pid=${String(pid)} alive=true${describeAge(ageMs)}`;
  return takenAt === null
    ? `${facts} (this process, another call of which waits for it)`
    : `${facts} (held by this process, taken at ${takenAt})`;
}

function describeLeaseHolder({ holder, epoch }: LeaseHolder): string {
  return `lease=${holder === null ? "held" : quote(holder)} epoch=${String(epoch)}`;
}

function describeAge(ageMs: number | null): string {
  return ageMs === null ? "" : ` ageMs=${String(Math.round(ageMs))}`;
}

/** @param error - What the file system said, where it is not only that another process is inside. */
export function guardBusy(guardPath: string, error?: Error): string {
  const why = error === undefined ? "" : ` (${oneLine(error.message)})`;
  return printable(`guard busy: ${guardPath}${why}`);
}

/** null: no system call failed. */
export function syscallOf(error: unknown): string | null {
  if (typeof error !== "object" || error === null || !("syscall" in error)) return null;
  return typeof error.syscall === "string" ? error.syscall : null;
}

/** The end of a timeout's message. */
export function describeObstacle(obstacle: LockObstacle | null): string {
  return obstacle === null ? "" : " (a directory: another library's lock, held or left)";
}

/** The end of a stale lock's message: why it was kept, and what to do. */
export function describeKept(keptReason: KeptReason | null): string {
  if (keptReason === null) return "";
  const remedy = KEPT_REMEDIES[keptReason];
  return ` (kept, ${keptReason}${remedy === undefined ? "" : `: ${remedy}`})`;
}

/** Those that an acquisition fails with; while another reason counts it waits. */
const KEPT_REMEDIES: Readonly<Partial<Record<KeptReason, string>>> = {
  "owner-alive": "its owner runs; end that if it hangs",
  "owner-unknown":
    "nothing here proves that its owner is gone; look from where it ran, or remove it by breakLock or pidentity break",
  "other-view":
    "its holder saw it on another device; acquire it there, or, once no process uses it through another mount, remove it by breakLock or pidentity break with force",
  "no-guard":
    "no kernel locks keep its removal safe here; nativeStatus() says whether the addon is missing",
};
