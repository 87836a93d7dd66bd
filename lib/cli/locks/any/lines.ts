/** The report on locks of any form for pipes and files: the facts of each on a line, the evidence below. */
import { printable } from "../../../util/printable.js";
import { formatDuration } from "../../terminal/duration.js";
import { shortenToWidth } from "../../terminal/display-width.js";
import { describeLock } from "../describe.js";
import { canRemove } from "../examine.js";
import { leaseNote } from "../lease.js";
import { countLocks, fullVerdict, lifeOf, notesOnHolder, remedyOf } from "./describe.js";
import type { AnyLocksReport, ExaminedLock } from "./examined.js";
import { explainForms } from "./explain.js";

/** A command line may be megabytes long. */
const LONGEST_COMMAND = 160;

/** One line or a few at a time, each with its end. */
export function* anyLocksLines(
  { locks, counts, problems, notices }: AnyLocksReport,
  { fix, explain }: { readonly fix: boolean; readonly explain: boolean },
): Generator<string> {
  // "Found 0" would be wrong where nothing could be looked at.
  if (counts.total === 0 && problems.length + notices.length > 0) return;
  yield `Found ${countLocks(counts.total)}.\n`;
  let removable = 0;
  for (const lock of locks) {
    yield `${factsOf(lock)}\n`;
    yield `  ${fullVerdict(lock)}\n`;
    const command = lock.process?.commandLine ?? "";
    if (command !== "") yield `  command: ${shortenToWidth(printable(command), LONGEST_COMMAND)}\n`;
    const lease = lock.own === null ? null : leaseNote(lock.own);
    if (lease !== null) yield `  ${lease}\n`;
    for (const note of notesOnHolder(lock)) yield `  ${note}\n`;
    const remedy = remedyOf(lock, fix);
    if (remedy !== null) yield `  ${remedy}\n`;
    if (lock.own?.removable === true) removable++;
  }
  if (counts.removed > 0) yield `Removed ${countLocks(counts.removed, "stale")}.\n`;
  if (!fix && removable > 0 && canRemove()) {
    yield `Run again with --fix to remove ${countLocks(removable, "stale")}.\n`;
  }
  if (explain) for (const { text } of explainForms(locks, Infinity)) yield `${text}\n`;
}

function factsOf(lock: ExaminedLock): string {
  const { lockPath, form, pid, ageMs, own } = lock;
  const life = lifeOf(lock);
  const facts = [
    printable(lockPath),
    `kind=${form.kind}`,
    pid === null ? "pid=unknown" : `pid=${String(pid)}${life === null ? "" : ` (${life})`}`,
    `age=${formatDuration(ageMs)}`,
    own === null ? `stale=${stalenessOf(lock)}` : describeLock(own).stale,
  ];
  return `${facts.join(" ")}${own?.removed === true ? " [removed]" : ""}`;
}

function stalenessOf({ verdict: { state, reason } }: ExaminedLock): string {
  switch (state) {
    case "held":
    case "free":
      return "no";
    case "stale":
      return `yes (${reason})`;
    case "undecided":
      return `unknown (${reason})`;
  }
}
