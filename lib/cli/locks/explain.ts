/** `--explain`: every reason that occurs in a report, with what it means and what to do. Pure. */
import type { KeptReason } from "../../lock/verdict/inspection.js";
import type { SessionLockInspection, StaleReason } from "../../session-lock/reasons.js";
import { wrapToWidth } from "../terminal/display-width.js";
import { type Explanation, KEPT_REASONS, STALE_REASONS } from "./explanations.js";
import { isOwnerUnknown } from "./describe.js";

export type Reason = StaleReason | KeptReason;

/** The reasons that occur, in the order of their lists, each with the number of its locks. */
export function reasonsIn(locks: readonly SessionLockInspection[]): Map<Reason, number> {
  const counts = new Map<Reason, number>();
  const count = (reason: Reason): void => void counts.set(reason, (counts.get(reason) ?? 0) + 1);
  for (const lock of locks) {
    for (const reason of lock.staleReasons) count(reason);
    const kept = lock.keptReason ?? (isOwnerUnknown(lock) ? "owner-unknown" : null);
    // A dry run is what the user asked for: it needs no explanation.
    if (kept !== null && kept !== "dry-run") count(kept);
  }
  const all = Object.keys(ALL_REASONS) as Reason[];
  return new Map(
    all.flatMap((reason) => {
      const number = counts.get(reason);
      return number === undefined ? [] : [[reason, number]];
    }),
  );
}

export function explanationOf(reason: Reason): Explanation {
  return ALL_REASONS[reason];
}

const ALL_REASONS: Readonly<Record<Reason, Explanation>> = { ...STALE_REASONS, ...KEPT_REASONS };

/** A line of the explanation; headings are for emphasis. */
export interface ExplainedLine {
  readonly text: string;
  readonly isHeading: boolean;
}

/** @param columns - Cells that a line may take; Infinity never breaks one. */
export function explainLocks(
  locks: readonly SessionLockInspection[],
  columns: number,
): ExplainedLine[] {
  const reasons = [...reasonsIn(locks)];
  return reasons.flatMap(([reason, count]) => {
    const { meaning, remedy } = explanationOf(reason);
    const heading = `${reason} (${String(count)} ${count === 1 ? "lock" : "locks"})`;
    return [
      { text: "", isHeading: false },
      ...wrapToWidth(heading, columns, "  ").map((text) => ({ text, isHeading: true })),
      ...[`  ${meaning}`, `  What to do: ${remedy}`].flatMap((sentence) =>
        wrapToWidth(sentence, columns, "  ").map((text) => ({ text, isHeading: false })),
      ),
    ];
  });
}
