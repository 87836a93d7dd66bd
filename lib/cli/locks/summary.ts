/** One sentence about all locks of a report, for a terminal. Pure but for {@link canRemove}. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import type { Color } from "../terminal/paint.js";
import { countLocks, isUndecided, isWrong } from "./describe.js";
import { canRemove } from "./examine.js";

export function summarise(
  locks: readonly SessionLockInspection[],
  fix: boolean,
): { readonly text: string; readonly color: Color } {
  const count = (is: (lock: SessionLockInspection) => boolean): number => locks.filter(is).length;
  const stale = count((lock) => lock.stale);
  const unreadable = count((lock) => lock.keptReason === "unreadable");
  const sentences = [`Found ${countLocks(locks.length)}.`];
  if (stale > 0) {
    const gone = fix ? count((lock) => lock.removed) : canRemove() ? count((l) => l.removable) : 0;
    sentences.push(fix ? staleBefore(stale, gone) : staleNow(stale, gone));
  } else if (locks.length > 0) {
    sentences.push(locks.length === 1 ? "It is not stale." : "None is stale.");
  }
  if (unreadable > 0) sentences.push(`${String(unreadable)} cannot be read.`);
  const undecided = locks.filter((lock) => isUndecided(lock) && !lock.stale).length;
  if (undecided > 0) sentences.push(`${String(undecided)} cannot be decided from here.`);
  const remain = locks.some((lock) => isWrong(lock) && !lock.removed);
  return { text: sentences.join(" "), color: remain ? "yellow" : "green" };
}

/** Of stale locks, `gone` would be removed. */
function staleNow(stale: number, gone: number): string {
  const [verb, all] = stale === 1 ? ["is", "it"] : ["are", "them"];
  const found = `${String(stale)} ${verb} stale: --fix would`;
  if (gone === stale) return `${found} remove ${all}.`;
  if (gone === 0) return `${found} keep ${all}.`;
  return `${found} remove ${String(gone)} and keep ${String(stale - gone)}.`;
}

/** Of what were stale locks, `gone` were removed. */
function staleBefore(stale: number, gone: number): string {
  const found = `${String(stale)} ${stale === 1 ? "was" : "were"} stale`;
  if (gone === stale) return `${found} and removed.`;
  if (gone === 0) return `${found} and kept.`;
  return `${found}: ${String(gone)} removed, ${String(stale - gone)} kept.`;
}
