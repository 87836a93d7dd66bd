/** The report of `pidentity locks` for a terminal: a summary, the list of locks, hints. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { wrapToWidth } from "../terminal/display-width.js";
import type { CliStream } from "../terminal/io.js";
import { paint } from "../terminal/paint.js";
import { countLocks, isWrong } from "./describe.js";
import { canRemove, type LocksReport } from "./examine.js";
import { explainLocks } from "./explain.js";
import { listLocks, type ListOptions } from "./list.js";
import { summarise } from "./summary.js";

export interface ScreenOptions extends ListOptions {
  readonly explain: boolean;
  /** The locks to list, of those in the report; see {@link selectLocks}. */
  readonly shown: readonly SessionLockInspection[];
  /** Whether hints what to do next are of use. */
  readonly hints: boolean;
}

/** Up to `limit` locks in their order; those with something wrong before the others. */
export function selectLocks(
  locks: readonly SessionLockInspection[],
  limit: number,
): readonly SessionLockInspection[] {
  if (locks.length <= limit) return locks;
  const wrong = Math.min(limit, locks.filter(isWrong).length);
  let [wrongLeft, fineLeft] = [wrong, limit - wrong];
  return locks.filter((lock) => (isWrong(lock) ? wrongLeft-- > 0 : fineLeft-- > 0));
}

/** Lines without their ends, none wider than the terminal. */
export function locksScreen(
  { locks, counts, problems }: LocksReport,
  { fix, explain, shown, programs, hints }: ScreenOptions,
  stream: CliStream,
): string[] {
  // "Found 0" would be wrong where no directory could be read.
  if (counts.total === 0 && problems.length > 0) return [];
  const columns = stream.columns ?? Infinity;
  const plain = (text: string): string[] => wrapToWidth(text, columns);
  const summary = summarise(locks, fix);
  let lines = plain(summary.text).map((text) => paint(stream, summary.color, text));

  // Not `push(...)`: on a terminal of a few columns a thousand locks have more lines than a call has arguments.
  if (shown.length > 0) lines = [...lines, "", ...listLocks(shown, { fix, programs }, stream)];
  const rest = counts.total - shown.length;
  if (rest > 0) {
    const wrong = counts.stale - shown.filter(({ stale }) => stale).length;
    const stale = wrong === 0 ? "none" : String(wrong);
    lines.push(...plain(`… and ${countLocks(rest, "more session")}, ${stale} of them stale`));
  }
  if (counts.removed > 0) {
    const removed = `Removed ${countLocks(counts.removed, "stale session")}.`;
    lines.push("", ...plain(removed).map((text) => paint(stream, "green", text)));
  }
  if (explain) {
    for (const { text, isHeading } of explainLocks(locks, columns)) {
      lines.push(isHeading ? paint(stream, "bold", text) : text);
    }
  }
  if (hints) {
    const told = hintsFor(locks, { fix, explain, rest }).flatMap(plain);
    if (told.length > 0) lines.push("", ...told.map((text) => paint(stream, "dim", text)));
  }
  return lines;
}

function hintsFor(
  locks: readonly SessionLockInspection[],
  {
    fix,
    explain,
    rest,
  }: { readonly fix: boolean; readonly explain: boolean; readonly rest: number },
): string[] {
  const removable = locks.filter((lock) => lock.removable).length;
  const hints: string[] = [];
  if (!fix && removable > 0 && canRemove()) {
    hints.push(`Run again with --fix to remove ${countLocks(removable, "stale session")}.`);
  }
  if (!explain && locks.some(isWrong)) {
    hints.push("Run again with --explain to read what each verdict means and what to do.");
  }
  if (rest > 0) hints.push("Send the output through a pipe to read of every lock.");
  return hints;
}
