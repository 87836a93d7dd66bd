/** Remarks below the list of locks: what its cells have no room for. Pure. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { wrapToWidth } from "../terminal/display-width.js";
import type { CliStream } from "../terminal/io.js";
import { isUndecided, remedyFor, sessionOf, whyKept } from "./describe.js";

/** Each remark once, with the names of all locks for which it is true. */
export function notesOn(
  locks: readonly SessionLockInspection[],
  noteFor: (lock: SessionLockInspection) => string | null,
  stream: CliStream,
): string[] {
  const sessions = new Map<string, string[]>();
  for (const lock of locks) {
    const note = noteFor(lock);
    if (note === null) continue;
    const others = sessions.get(note);
    if (others === undefined) sessions.set(note, [sessionOf(lock)]);
    else others.push(sessionOf(lock));
  }
  return [...sessions].flatMap(([note, names]) =>
    wrapToWidth(`${listOf(names)}: ${note}`, stream.columns ?? Infinity, "  "),
  );
}

const MOST_NAMES = 3;

/** `a, b and 7 more`. */
function listOf(names: readonly string[]): string {
  // The name of one more takes no more room than "and 1 more".
  if (names.length <= MOST_NAMES + 1) return names.join(", ");
  const rest = String(names.length - MOST_NAMES);
  return `${names.slice(0, MOST_NAMES).join(", ")} and ${rest} more`;
}

/** What a person can do about a lock that cannot be decided from here. null: it can. */
export function remedyOf(lock: SessionLockInspection): string | null {
  return isUndecided(lock) ? remedyFor(lock) : null;
}

/** Why a lock could not be removed or read, or what a person can do about it. null: the cell says it all. */
export function noteOn(lock: SessionLockInspection): string | null {
  const remedy = remedyOf(lock);
  if (remedy !== null) return remedy;
  switch (lock.keptReason) {
    case "no-guard":
    case "guard-busy":
    case "other-view":
    case "changed":
    case "error":
    case "unreadable":
      return whyKept(lock);
    case "owner-alive":
    case "owner-unknown":
    case "in-grace":
    case "dry-run":
    case null:
      return null;
  }
}
