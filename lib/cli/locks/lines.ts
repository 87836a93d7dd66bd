/** The report of `pidentity locks` for pipes and files: one line or two for each lock, the same in every version. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { canRemove, type LocksReport } from "./examine.js";
import { explainLocks } from "./explain.js";
import {
  countLocks,
  describeLock,
  heldFromNote,
  isUndecided,
  remedyFor,
  whyKept,
  whyRemoved,
} from "./describe.js";
import { leaseNote } from "./lease.js";
import { stoppedNote } from "./stopped.js";

/** One line or a few at a time, each with its end. */
export function* locksLines(
  { locks, counts, problems }: LocksReport,
  { fix, explain }: { readonly fix: boolean; readonly explain: boolean },
): Generator<string> {
  // "Found 0" would be wrong where no directory could be read.
  if (counts.total === 0 && problems.length > 0) return;
  yield `Found ${countLocks(counts.total)}.\n`;
  let removable = 0;
  for (const lock of locks) {
    const { path, pid, age, stale } = describeLock(lock);
    yield `${path} ${pid} ${age} ${stale}${lock.removed ? " [removed]" : ""}\n`;
    const lease = leaseNote(lock);
    if (lease !== null) yield `  ${lease}\n`;
    for (const note of [heldFromNote(lock), stoppedNote(lock)]) {
      if (note !== null) yield `  ${note}\n`;
    }
    const remark = remarkOn(lock, fix);
    if (remark !== null) yield `  ${remark}\n`;
    if (lock.removable) removable++;
  }
  if (counts.removed > 0) yield `Removed ${countLocks(counts.removed, "stale session")}.\n`;
  if (!fix && removable > 0 && canRemove()) {
    yield `Run again with --fix to remove ${countLocks(removable, "stale session")}.\n`;
  }
  if (explain) for (const line of explainLocks(locks, Infinity)) yield `${line.text}\n`;
}

/** What was done about a lock, or would be. null: the line says it all. */
function remarkOn(lock: SessionLockInspection, fix: boolean): string | null {
  const { removed, removable, keptReason } = lock;
  if (removed) return null;
  if (removable && !fix) {
    return canRemove()
      ? `--fix would remove it: ${whyRemoved(lock)}`
      : `--fix would keep it: there is no safe way to remove it without the native addon`;
  }
  const remedy = isUndecided(lock) ? remedyFor(lock) : null;
  if (keptReason === null && remedy === null) return null;
  const kept = `${fix ? "kept" : "--fix would keep it"}: ${whyKept(lock)}`;
  return remedy === null ? kept : `${kept}; ${remedy}`;
}
