/** The locks of a report as a table that fits the terminal, or as a few lines each where no table fits. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { printable } from "../../util/printable.js";
import { displayWidth, shortenToWidth, wrapToWidth } from "../terminal/display-width.js";
import { formatDuration } from "../terminal/duration.js";
import type { CliStream } from "../terminal/io.js";
import { type Color, paint } from "../terminal/paint.js";
import { shortenApart } from "../terminal/shorten-apart.js";
import { type Cell, type Column, layOutTable } from "../terminal/table.js";
import {
  briefVerdict,
  fullVerdict,
  heldFromNote,
  isUndecided,
  isWrong,
  lifeOf,
  ownerRuns,
  sessionOf,
} from "./describe.js";
import { canRemove } from "./examine.js";
import { leaseNote } from "./lease.js";
import { noteOn, notesOn, remedyOf } from "./notes.js";
import { type OwnerPrograms, programOf } from "./owner-programs.js";
import { stoppedNote } from "./stopped.js";
import { underDirectories } from "./under-directories.js";

/** Cells below which a program's name says nothing. */
const NARROWEST_PROGRAM = 7;

export interface ListOptions {
  readonly fix: boolean;
  /** What runs under the pids of the listed locks. */
  readonly programs: OwnerPrograms;
}

/** The widest form that fits: a table with sentences, one with short verdicts, or a few lines per lock. */
export function listLocks(
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
    return withNotes(lines, allNotesOn(locks, isFull ? remedyOf : noteOn, stream));
  }
  const names = shortenApart(locks.map(sessionOf), stream.columns ?? Infinity);
  const cards = underDirectories(locks, (lock) => toCard(lock, names, options, stream), stream);
  return withNotes(cards, allNotesOn(locks, noteOn, stream));
}

function allNotesOn(
  locks: readonly SessionLockInspection[],
  noteFor: (lock: SessionLockInspection) => string | null,
  stream: CliStream,
): string[] {
  return [leaseNote, heldFromNote, stoppedNote, noteFor].flatMap((note) =>
    notesOn(locks, note, stream),
  );
}

function withNotes(lines: readonly string[], notes: readonly string[]): string[] {
  return notes.length === 0 ? [...lines] : [...lines, "", ...notes];
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
