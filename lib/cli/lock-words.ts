/** What was found out about locks, in sentences for people. Pure. */
import type { StaleReason } from "../session-lock/classify.js";
import type { KeptReason, SessionLockInspection } from "../session-lock/inspection.js";
import { formatDuration } from "./duration.js";
import { printable } from "./printable.js";

/** `1 session lock file`, `2 session lock files`. */
export function countLocks(count: number, kind: "session" | "stale session" = "session"): string {
  return `${String(count)} ${kind} lock file${count === 1 ? "" : "s"}`;
}

/** The facts of one lock on one line: path, pid, age, verdict. */
export function describeLock(lock: SessionLockInspection): {
  readonly path: string;
  readonly pid: string;
  readonly age: string;
  readonly stale: string;
} {
  const { lockPath, pid, pidAlive, ageMs } = lock;
  return {
    path: printable(lockPath),
    pid: pid === null ? "pid=unknown" : `pid=${String(pid)} (${pidAlive ? "alive" : "dead"})`,
    age: `age=${formatDuration(ageMs)}`,
    stale: `stale=${staleness(lock)}`,
  };
}

function staleness({ stale, staleReasons, keptReason }: SessionLockInspection): string {
  if (stale) return `yes (${staleReasons.join(", ")})`;
  return keptReason === "unreadable" ? "unknown (unreadable)" : "no";
}

/** Why a removable lock is (to be) removed: the reason that proves it abandoned. */
export function whyRemoved({ staleReasons }: SessionLockInspection): string {
  const [first] = staleReasons;
  const proof = staleReasons.find((reason) => PROOFS.has(reason)) ?? first;
  return proof === undefined ? "nothing speaks for it" : REASONS[proof];
}

/** Why a lock is kept although something is wrong with it. */
export function whyKept(lock: SessionLockInspection): string {
  const { keptReason, ownerReason, error } = lock;
  if (keptReason === null) return "nothing is wrong with it";
  const because = KEPT[keptReason];
  const detail = keptReason === "owner-unknown" ? ownerReason : error?.message;
  return detail === undefined ? because : `${because} (${printable(detail)})`;
}

const PROOFS: ReadonlySet<StaleReason> = new Set([
  "missing-pid",
  "dead-pid",
  "recycled-pid",
  "holder-gone",
  "orphan-self-pid",
  "non-openclaw-owner",
]);

const REASONS: Readonly<Record<StaleReason, string>> = {
  "missing-pid": "it names no process",
  "dead-pid": "its process has ended",
  "recycled-pid": "its pid belongs to another process now",
  "holder-gone": "the process that held it has let go of it",
  "invalid-createdAt": "it does not say when it was made",
  "too-old": "it is older than the limit",
  "hold-exceeded": "it is held longer than its owner meant to",
  "orphan-self-pid": "an earlier life of this very process left it",
  "non-openclaw-owner": "its pid belongs to a program that does not write such locks",
};

const KEPT: Readonly<Record<KeptReason, string>> = {
  "owner-alive": "its owner still runs",
  "owner-unknown": "nothing proves that its owner is gone",
  unreadable: "it cannot be read",
  "in-grace": "it is so young that its writer may still be writing it",
  "no-guard": "there is no safe way to remove it here",
  "guard-busy": "another process is changing it",
  "other-view": "its holder sees it on another device: this may be a copy of it",
  changed: "it changed hands, or its owner was found to run, at the last moment",
  "dry-run": "nothing was to be removed",
  error: "removing it failed",
};
