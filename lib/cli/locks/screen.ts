/** The doctor's report for a terminal: a summary, a table as wide as the terminal, hints. */
import { basename, dirname } from "node:path";

import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { printable } from "../../util/printable.js";
import { canRemove } from "./can-remove.js";
import { displayWidth, shortenToWidth, wrapToWidth } from "../terminal/display-width.js";
import { formatDuration } from "../terminal/duration.js";
import type { LocksReport } from "./examine.js";
import { explainLocks } from "./explain.js";
import type { CliStream } from "../terminal/io.js";
import {
  briefVerdict,
  countLocks,
  fullVerdict,
  isUndecided,
  isWrong,
  lifeOf,
  ownerRuns,
  remedyFor,
  whyKept,
} from "./describe.js";
import { type OwnerPrograms, programOf } from "./owner-programs.js";
import { type Color, paint } from "../terminal/paint.js";
import { shortenApart } from "../terminal/shorten-apart.js";
import { type Cell, type Column, layOutTable } from "../terminal/table.js";

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
    // A sentence says why a lock is kept, and not what a person can do about it.
    return withNotes(lines, notesOn(locks, isFull ? remedyOf : noteOn, stream));
  }
  const names = shortenApart(locks.map(sessionOf), stream.columns ?? Infinity);
  const cards = underDirectories(locks, (lock) => toCard(lock, names, options, stream), stream);
  return withNotes(cards, notesOn(locks, noteOn, stream));
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
  const names = shortenApart([...directories].map(printable), stream.columns ?? Infinity);
  let current: string | null = null;
  return locks.flatMap((lock, index) => {
    const directory = dirname(lock.lockPath);
    const isNew = directories.size > 1 && directory !== current;
    current = directory;
    const lines = linesOf(lock, index);
    if (!isNew) return lines;
    const name = names.get(printable(directory)) ?? "";
    return [...(index === 0 ? [] : [""]), paint(stream, "dim", name), ...lines];
  });
}

function columnsFor(fix: boolean): readonly Column[] {
  return [
    { title: "SESSION", shrinkTo: 9, cut: "apart" },
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
  const runs = ownerRuns(lock);
  const color = colorOf(lock);
  const action = actionOn(lock, fix);
  return [
    { text: sessionOf(lock) },
    { text: pid === null ? "-" : String(pid) },
    { text: runs === null ? "-" : ALIVE[runs] },
    { text: printable(programOf(lock, programs) ?? "-") },
    { text: ageMs === null ? "-" : formatDuration(ageMs) },
    color === null ? { text: verdict } : { text: verdict, color },
    action.color === null ? { text: action.text } : { text: action.text, color: action.color },
  ];
}

/** Where no table fits: the name, and the rest below. */
function toCard(
  lock: SessionLockInspection,
  names: ReadonlyMap<string, string>,
  { fix, programs }: ListOptions,
  stream: CliStream,
): string[] {
  const { pid, ageMs } = lock;
  const columns = stream.columns ?? Infinity;
  const facts = [
    pid === null ? "no pid" : `pid ${String(pid)}`,
    ...(pid === null ? [] : [lifeOf(lock)]),
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
    paint(stream, "bold", names.get(sessionOf(lock)) ?? ""),
    ...wrapToWidth(`  ${facts.join(", ")}`, columns, "  "),
    ...wrapToWidth(`  ${briefVerdict(lock)}${effect}`, columns, "  ").map((text) =>
      color === null ? text : paint(stream, color, text),
    ),
  ];
}

/** What the table has no room for, once for all locks of which it is true. */
function notesOn(
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
  // One more takes no more room than the words that count it.
  if (names.length <= MOST_NAMES + 1) return names.join(", ");
  const rest = String(names.length - MOST_NAMES);
  return `${names.slice(0, MOST_NAMES).join(", ")} and ${rest} more`;
}

function remedyOf(lock: SessionLockInspection): string | null {
  return isUndecided(lock) ? remedyFor(lock) : null;
}

/** Why a lock could not be removed or read, or what a person can do about it. null: the cell says it all. */
function noteOn(lock: SessionLockInspection): string | null {
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
