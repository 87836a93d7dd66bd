/** The doctor's report for a terminal: a summary, a table as wide as the terminal, hints. */
import { basename, dirname } from "node:path";

import type { SessionLockInspection } from "../session-lock/inspection.js";
import { printable } from "../util/printable.js";
import { canRemove } from "./can-remove.js";
import { displayWidth, shortenToWidth, wrapToWidth } from "./display-width.js";
import { formatDuration } from "./duration.js";
import type { LocksReport } from "./examine-locks.js";
import { explainLocks } from "./explain-locks.js";
import type { CliStream } from "./io.js";
import {
  briefVerdict,
  countLocks,
  fullVerdict,
  isUndecided,
  isWrong,
  ownerRuns,
  remedyFor,
  whyKept,
} from "./lock-words.js";
import { type OwnerPrograms, programOf } from "./owner-programs.js";
import { type Color, paint } from "./paint.js";
import { type Cell, type Column, layOutTable } from "./table.js";

/** Cells below which a program's name says nothing. */
const NARROWEST_PROGRAM = 7;

export interface ScreenOptions {
  readonly fix: boolean;
  readonly explain: boolean;
  /** The locks to list, of those in the report; see {@link selectLocks}. */
  readonly shown: readonly SessionLockInspection[];
  /** What runs under the pids of {@link shown}. */
  readonly programs: OwnerPrograms;
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
  // "Found 0" is a finding only where somebody could look.
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
    lines.push(...plain(`… and ${countLocks(rest)} more, ${String(wrong)} of them stale`));
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

function summarise(
  locks: readonly SessionLockInspection[],
  fix: boolean,
): { readonly text: string; readonly color: Color } {
  const count = (is: (lock: SessionLockInspection) => boolean): number => locks.filter(is).length;
  const stale = count((lock) => lock.stale);
  const unreadable = count((lock) => lock.keptReason === "unreadable");
  const sentences = [`Found ${countLocks(locks.length)}.`];
  if (stale > 0) {
    const gone = fix ? count((lock) => lock.removed) : canRemove() ? count((l) => l.removable) : 0;
    const effect = [
      gone > 0 ? `${fix ? "" : "remove "}${String(gone)}${fix ? " removed" : ""}` : "",
      stale > gone ? `${fix ? "" : "keep "}${String(stale - gone)}${fix ? " kept" : ""}` : "",
    ].filter((part) => part !== "");
    const verb = fix ? (stale === 1 ? "was" : "were") : stale === 1 ? "is" : "are";
    sentences.push(
      `${String(stale)} ${verb} stale: ${fix ? "" : "--fix would "}${effect.join(fix ? ", " : " and ")}.`,
    );
  } else if (locks.length > 0) {
    sentences.push(locks.length === 1 ? "It is not stale." : "None is stale.");
  }
  if (unreadable > 0) sentences.push(`${String(unreadable)} cannot be read.`);
  const undecided = locks.filter((lock) => isUndecided(lock) && !lock.stale).length;
  if (undecided > 0) sentences.push(`${String(undecided)} cannot be decided from here.`);
  const remain = locks.some((lock) => isWrong(lock) && !lock.removed);
  return { text: sentences.join(" "), color: remain ? "yellow" : "green" };
}

interface ListOptions {
  readonly fix: boolean;
  readonly programs: OwnerPrograms;
}

/** The widest form that fits: a table with sentences, one with a few words, or a few lines per lock. */
function listLocks(
  locks: readonly SessionLockInspection[],
  options: ListOptions,
  stream: CliStream,
): string[] {
  const notes = locks.flatMap((lock) => noteOn(lock, stream));
  const columns = columnsFor(options.fix);
  for (const verdictOf of [fullVerdict, briefVerdict]) {
    const isFull = verdictOf === fullVerdict;
    const rows = locks.map((lock) => toRow(lock, verdictOf(lock), options));
    const [tight, loose] = [columns, columns.map(({ title }): Column => ({ title }))];
    const table = layOutTable(isFull ? loose : tight, rows, stream);
    if (!table.fits) continue;
    const lines = [
      table.header,
      ...underDirectories(locks, (_, index) => [table.rows[index] ?? ""], stream),
    ];
    return isFull ? lines : withNotes(lines, notes);
  }
  const cards = underDirectories(locks, (lock) => toCard(lock, options, stream), stream);
  return withNotes(cards, notes);
}

function withNotes(lines: readonly string[], notes: readonly string[]): string[] {
  return notes.length === 0 ? [...lines] : [...lines, "", ...notes];
}

/** Each directory's name once above its locks; no name when there is but one. */
function underDirectories(
  locks: readonly SessionLockInspection[],
  linesOf: (lock: SessionLockInspection, index: number) => readonly string[],
  stream: CliStream,
): string[] {
  const directories = new Set(locks.map(({ lockPath }) => dirname(lockPath)));
  let current: string | null = null;
  return locks.flatMap((lock, index) => {
    const directory = dirname(lock.lockPath);
    const isNew = directories.size > 1 && directory !== current;
    current = directory;
    const lines = linesOf(lock, index);
    if (!isNew) return lines;
    const name = shortenToWidth(printable(directory), stream.columns ?? Infinity);
    return [...(index === 0 ? [] : [""]), paint(stream, "dim", name), ...lines];
  });
}

function columnsFor(fix: boolean): readonly Column[] {
  return [
    { title: "SESSION", shrinkTo: 9, cut: "middle" },
    { title: "PID" },
    { title: "ALIVE" },
    { title: "PROGRAM", shrinkTo: NARROWEST_PROGRAM, cut: "middle" },
    { title: "AGE" },
    { title: "VERDICT", shrinkTo: 24 },
    { title: fix ? "DONE" : "--FIX" },
  ];
}

const ALIVE = { yes: "yes", no: "no", unknown: "?" } as const;

function toRow(
  lock: SessionLockInspection,
  verdict: string,
  { fix, programs }: ListOptions,
): Cell[] {
  const { pid, ageMs } = lock;
  const color = colorOf(lock);
  const action = actionOn(lock, fix);
  return [
    { text: sessionOf(lock) },
    { text: pid === null ? "-" : String(pid) },
    { text: pid === null ? "-" : ALIVE[ownerRuns(lock)] },
    { text: printable(programOf(lock, programs) ?? "-") },
    { text: ageMs === null ? "-" : formatDuration(ageMs) },
    color === null ? { text: verdict } : { text: verdict, color },
    action.color === null ? { text: action.text } : { text: action.text, color: action.color },
  ];
}

/** Where no table fits: the name, and the rest below. */
function toCard(
  lock: SessionLockInspection,
  { fix, programs }: ListOptions,
  stream: CliStream,
): string[] {
  const { pid, ageMs } = lock;
  const columns = stream.columns ?? Infinity;
  const facts = [
    pid === null ? "no pid" : `pid ${String(pid)}`,
    ...(pid === null ? [] : [LIFE[ownerRuns(lock)]]),
    ageMs === null ? "no age" : formatDuration(ageMs),
  ];
  const line = `  ${facts.join(", ")}`;
  const program = printable(programOf(lock, programs) ?? "");
  const room = columns - displayWidth(line) - ", ".length;
  if (program !== "" && room >= NARROWEST_PROGRAM) facts.push(shortenToWidth(program, room));
  const action = actionOn(lock, fix).text;
  const effect = action === "-" ? "" : `; ${fix ? action : `--fix ${action} it`}`;
  const color = colorOf(lock);
  return [
    paint(stream, "bold", shortenToWidth(sessionOf(lock), columns)),
    ...wrapToWidth(`  ${facts.join(", ")}`, columns, "  "),
    ...wrapToWidth(`  ${briefVerdict(lock)}${effect}`, columns, "  ").map((text) =>
      color === null ? text : paint(stream, color, text),
    ),
  ];
}

const LIFE = { yes: "alive", no: "dead", unknown: "out of sight" } as const;

/** What a cell of a few words has no room for: why a lock could not be removed or read. */
function noteOn(lock: SessionLockInspection, stream: CliStream): string[] {
  const remedy = isUndecided(lock) ? remedyFor(lock) : null;
  if (remedy !== null) {
    return wrapToWidth(`${sessionOf(lock)}: ${remedy}`, stream.columns ?? Infinity, "  ");
  }
  switch (lock.keptReason) {
    case "no-guard":
    case "guard-busy":
    case "other-view":
    case "changed":
    case "error":
    case "unreadable": {
      const text = `${sessionOf(lock)}: ${whyKept(lock)}`;
      return wrapToWidth(text, stream.columns ?? Infinity, "  ");
    }
    case "owner-alive":
    case "owner-unknown":
    case "in-grace":
    case "dry-run":
    case null:
      return [];
  }
}

/** What --fix does with a lock, or did. */
function actionOn(
  lock: SessionLockInspection,
  fix: boolean,
): { readonly text: string; readonly color: Color | null } {
  if (lock.removed) return { text: "removed", color: "green" };
  if (!isWrong(lock)) return { text: "-", color: null };
  if (lock.keptReason === "error") return { text: "failed", color: "red" };
  if (fix) return { text: "kept", color: null };
  return lock.removable && canRemove()
    ? { text: "removes", color: "green" }
    : { text: "keeps", color: null };
}

function colorOf(lock: SessionLockInspection): Color | null {
  if (lock.keptReason === "unreadable" || lock.keptReason === "error") return "red";
  return lock.stale || isUndecided(lock) ? "yellow" : null;
}

function sessionOf({ lockPath }: SessionLockInspection): string {
  return printable(basename(lockPath, ".jsonl.lock"));
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
