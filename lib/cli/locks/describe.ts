/** What was found out about one lock, as text for people. Pure. */
import { basename } from "node:path";

import {
  isProof,
  type SessionLockInspection,
  type StaleReason,
} from "../../session-lock/reasons.js";
import type { OwnerReason } from "../../lock/verdict/owner-judgement.js";
import { SESSION_LOCK_SUFFIX } from "../../session-lock/sweep/list-locks.js";
import { printable } from "../../util/printable.js";
import { formatDuration } from "../terminal/duration.js";
import { KEPT_REASONS, STALE_REASONS } from "./explanations.js";
import { leaseRemedy } from "./lease.js";

/** `1 session lock file`, `2 session lock files`. */
export function countLocks(
  count: number,
  kind: "session" | "stale session" | "more session" = "session",
): string {
  return `${String(count)} ${kind} lock file${count === 1 ? "" : "s"}`;
}

/** The session's name, from the lock's path. */
export function sessionOf({ lockPath }: SessionLockInspection): string {
  return printable(basename(lockPath, SESSION_LOCK_SUFFIX));
}

/** The facts of one lock on one line: path, pid, age, verdict. */
export function describeLock(lock: SessionLockInspection): {
  readonly path: string;
  readonly pid: string;
  readonly age: string;
  readonly stale: string;
} {
  const { lockPath, pid, ageMs } = lock;
  return {
    path: printable(lockPath),
    pid: pid === null ? "pid=unknown" : `pid=${String(pid)} (${lifeOf(lock)})`,
    age: `age=${formatDuration(ageMs)}`,
    stale: `stale=${staleness(lock)}`,
  };
}

function staleness(lock: SessionLockInspection): string {
  const { stale, staleReasons, keptReason, ownerReason } = lock;
  if (stale) return `yes (${staleReasons.join(", ")})`;
  if (keptReason === "unreadable") return "unknown (unreadable)";
  return isUndecided(lock) ? `unknown (${ownerReason})` : "no";
}

/** Stale, or not to be judged at all. */
export function isWrong(lock: SessionLockInspection): boolean {
  return lock.stale || lock.keptReason === "unreadable" || isUndecided(lock);
}

/** Whether it stays because neither its owner's life nor its end can be proven from here. */
export function isUndecided(lock: SessionLockInspection): boolean {
  return !lock.removed && lock.ownerState === "unknown" && isOwnerUnknown(lock);
}

/** What a person can do about an undecided lock. */
export function remedyFor(lock: SessionLockInspection): string | null {
  const remedy = UNKNOWN_OWNERS[lock.ownerReason]?.remedy ?? null;
  const byLease = leaseRemedy(lock);
  return remedy === null || byLease === null ? remedy : `${byLease}; or ${remedy}`;
}

/**
 * What became of the process that a lock's pid names. It agrees with the verdict: the process that has that pid here
 * now need not be the lock's owner.
 */
export type Life =
  | "alive"
  | "dead"
  | "this process"
  | "now another process"
  | "another program"
  | "in use"
  | "not in use here"
  | "out of sight";

/** Of a lock that names a pid. */
export function lifeOf(lock: SessionLockInspection): Life {
  const { pidAlive, ownerState, ownerReason, staleReasons } = lock;
  const isFor = (...reasons: readonly StaleReason[]): boolean =>
    reasons.some((reason) => staleReasons.includes(reason));
  if (OUT_OF_SIGHT.has(ownerReason) || isHeldElsewhere(lock)) return "out of sight";
  if (lock.heldFrom === "heir") return pidAlive ? "now another process" : "dead";
  if (isFor("orphan-self-pid")) return "this process";
  if (isFor("non-openclaw-owner")) return "another program";
  if (ownerState === "same") return "alive";
  // What the pid says counts for nothing there: the owner may be a process that cannot be seen from here.
  if (isOwnerUnknown(lock)) return pidAlive ? "in use" : "not in use here";
  if (!pidAlive) return "dead";
  if (ownerState === "unknown") return "alive";
  // The kernel lock alone does not say whether the pid's process is the one that let go of it.
  return isFor("dead-pid", "recycled-pid") ? "now another process" : "in use";
}

/** Whether the lock's owner runs, as far as can be told from here; null: the lock names no pid. */
export function ownerRuns(lock: SessionLockInspection): "yes" | "no" | "unknown" | null {
  if (lock.pid === null) return null;
  switch (lifeOf(lock)) {
    case "alive":
      return "yes";
    case "in use":
      return lock.ownerState === "gone" ? "no" : "unknown";
    case "out of sight":
      return isHeldElsewhere(lock) ? "yes" : "unknown";
    case "not in use here":
      return "unknown";
    case "dead":
    case "this process":
    case "now another process":
    case "another program":
      return "no";
  }
}

/** Why a removable lock is (to be) removed: the reason that proves it abandoned. */
export function whyRemoved(lock: SessionLockInspection): string {
  const reason = mainReason(lock);
  return reason === null ? "nothing speaks for it" : STALE_REASONS[reason].clause;
}

/** Why a lock is kept although something is wrong with it. */
export function whyKept(lock: SessionLockInspection): string {
  const { ownerReason, error } = lock;
  const keptReason = lock.keptReason ?? (isUndecided(lock) ? "owner-unknown" : null);
  if (keptReason === null) return "nothing is wrong with it";
  const because = KEPT_REASONS[keptReason].clause;
  const detail = keptReason === "owner-unknown" ? ownerReason : error?.message;
  return detail === undefined ? because : `${because} (${printable(detail)})`;
}

/** The verdict in short, for a cell. */
export function briefVerdict(lock: SessionLockInspection): string {
  const { keptReason, ownerReason } = lock;
  if (keptReason === "unreadable" || keptReason === "in-grace")
    return KEPT_REASONS[keptReason].brief;
  const reason = mainReason(lock);
  const unknown = UNKNOWN_OWNERS[ownerReason]?.brief;
  if (unknown !== undefined)
    return reason === null ? unknown : `${STALE_REASONS[reason].brief}, ${unknown}`;
  if (reason === null) return lock.ownerState === "same" ? "in use" : "nothing wrong";
  const { brief } = STALE_REASONS[reason];
  return keptReason === "owner-alive" ? `${brief}, ${KEPT_REASONS[keptReason].brief}` : brief;
}

/** The verdict as a sentence, with the reasons by their names. */
export function fullVerdict(lock: SessionLockInspection): string {
  const { keptReason, ownerReason, staleReasons } = lock;
  if (keptReason === "unreadable") return whyKept(lock);
  const reason = mainReason(lock);
  if (reason === null) return UNKNOWN_OWNERS[ownerReason]?.brief ?? briefVerdict(lock);
  const verdict = `${STALE_REASONS[reason].clause} (${staleReasons.join(", ")})`;
  const isKept = keptReason !== null && keptReason !== "dry-run";
  return isKept ? `${verdict}, but ${whyKept(lock)}` : verdict;
}

/** Whether nothing can be known of the owner from here, whatever its pid looks like. */
export function isOwnerUnknown({ ownerReason }: SessionLockInspection): boolean {
  return UNKNOWN_OWNERS[ownerReason] !== undefined;
}

/** Whether the process that has the lock's pid here, if any, has nothing to do with it. */
export function isPidOfAnother(lock: SessionLockInspection): boolean {
  return isOwnerUnknown(lock) || lock.heldFrom !== undefined;
}

function isHeldElsewhere({ heldFrom }: SessionLockInspection): boolean {
  return heldFrom === "other-host" || heldFrom === "other-pid-namespace";
}

/** Whose the pid of a lock is that is held, where it is not its holder's here. null: it is, as far as is known. */
export function heldFromNote({ heldFrom, pid }: SessionLockInspection): string | null {
  if (heldFrom === undefined) return null;
  const number = pid === null ? "its pid" : `pid ${String(pid)}`;
  switch (heldFrom) {
    case "other-host":
      return `it is held on another host: ${number} is a number of there`;
    case "other-pid-namespace":
      return `it is held in another pid namespace (a container): ${number} is a number of there`;
    case "heir":
      return "its owner has ended, and a process that it started holds the lock";
  }
}

/** Owners whose pid, if they have one, means nothing here. */
const OUT_OF_SIGHT: ReadonlySet<OwnerReason> = new Set([
  "other-host",
  "other-pid-namespace",
  "malformed",
  "pid-mismatch",
]);

/** The reason that proves a lock abandoned; without one, the first. */
function mainReason({ staleReasons }: SessionLockInspection): StaleReason | null {
  return staleReasons.find(isProof) ?? staleReasons[0] ?? null;
}

interface UnknownOwner {
  /** In short, for a table's cell. */
  readonly brief: string;
  readonly remedy: string;
}

/** Owners of whom neither life nor death can be proven. */
const UNKNOWN_OWNERS: Readonly<Partial<Record<OwnerReason, UnknownOwner>>> = {
  "other-host": {
    brief: "on another host",
    remedy: "run this on the host that wrote it; if that host is gone: pidentity break",
  },
  "other-pid-namespace": {
    brief: "in a container",
    remedy: "run this on the containers' host, as root; or in the container that wrote it",
  },
  "access-denied": {
    brief: "owner is hidden",
    remedy: "run this as root, or as the user who owns that process",
  },
  unsupported: {
    brief: "owner not provable",
    remedy: "run this where the native addon loads (pidentity native says why it does not)",
  },
  malformed: {
    brief: "unknown owner token",
    remedy: "run a version of this command as new as the program that wrote it",
  },
  "pid-mismatch": {
    brief: "contradicts itself",
    remedy: "find out what changed the file; when its owner is gone: pidentity break",
  },
  "no-token": {
    brief: "owner not named",
    remedy: "let its writer read /proc and the boot id, or, once it has ended: pidentity break",
  },
  "plain-lock": {
    brief: "plain lock",
    remedy: "run this without --keep-plain where no other container shares the directory",
  },
};
