/** The report on locks of any form for a terminal: a summary, a table or a few lines each, remarks, hints. */
import { basename } from "node:path";

import { printable } from "../../../util/printable.js";
import { displayWidth, shortenToWidth, wrapToWidth } from "../../terminal/display-width.js";
import { formatDuration } from "../../terminal/duration.js";
import type { CliStream } from "../../terminal/io.js";
import { type Color, paint } from "../../terminal/paint.js";
import { shortenApart } from "../../terminal/shorten-apart.js";
import { type Cell, type Column, layOutTable } from "../../terminal/table.js";
import { canRemove } from "../examine.js";
import {
  actionOn,
  briefVerdict,
  countLocks,
  fullVerdict,
  holderRuns,
  lifeOf,
  notesOnHolder,
  remarkOn,
} from "./describe.js";
import { type AnyLocksReport, type ExaminedLock, isOpen } from "./examined.js";
import { explainForms } from "./explain.js";
import { leaseNote } from "../lease.js";
import { underDirectories } from "../under-directories.js";

/** Cells below which a program's name says nothing. */
const NARROWEST_PROGRAM = 7;

export interface AnyScreenOptions {
  readonly fix: boolean;
  readonly explain: boolean;
  /** So many locks are listed at the most, those with something wrong first. */
  readonly mostRows: number;
}

/** Lines without their ends, none wider than the terminal. */
export function anyLocksScreen(
  report: AnyLocksReport,
  { fix, explain, mostRows }: AnyScreenOptions,
  stream: CliStream,
): string[] {
  const { locks, counts, problems, notices } = report;
  if (counts.total === 0 && problems.length + notices.length > 0) return [];
  const columns = stream.columns ?? Infinity;
  const plain = (text: string): string[] => wrapToWidth(text, columns);
  const summary = summarise(report, fix);
  let lines = plain(summary.text).map((text) => paint(stream, summary.color, text));
  const shown = select(locks, mostRows);
  if (shown.length > 0) lines = [...lines, "", ...list(shown, fix, stream)];
  const rest = locks.length - shown.length;
  if (rest > 0) lines.push(...plain(`… and ${countLocks(rest, "more")}`));
  const remarks = remarksOn(shown, fix, columns);
  if (remarks.length > 0) lines = [...lines, "", ...remarks];
  if (counts.removed > 0) {
    const removed = plain(`Removed ${countLocks(counts.removed, "stale")}.`);
    lines.push("", ...removed.map((text) => paint(stream, "green", text)));
  }
  if (explain) {
    for (const { text, isHeading } of explainForms(locks, columns)) {
      lines.push(isHeading ? paint(stream, "bold", text) : text);
    }
  }
  const hints = hintsFor(locks, { fix, explain, rest }).flatMap(plain);
  if (hints.length > 0) lines.push("", ...hints.map((text) => paint(stream, "dim", text)));
  return lines;
}

function summarise(
  { locks, counts }: AnyLocksReport,
  fix: boolean,
): { readonly text: string; readonly color: Color } {
  const { total, held, free, stale, undecided } = counts;
  const sentences = [`Found ${countLocks(total)}.`];
  const states = [
    held > 0 ? `${String(held)} in use` : "",
    free > 0 ? `${String(free)} not locked` : "",
    stale > 0 ? `${String(stale)} stale` : "",
    undecided > 0 ? `${String(undecided)} not to be decided from here` : "",
  ].filter((text) => text !== "");
  if (states.length > 0) sentences.push(`${states.join(", ")}.`);
  const removable = locks.filter(({ own }) => own?.removable === true).length;
  if (!fix && stale > 0) {
    const count = removable > 0 && canRemove() ? String(removable) : "none";
    const isOwnOnly = locks.some((lock) => lock.own === null && isOpen(lock));
    const why = isOwnOnly ? ": it touches no lock of another program" : "";
    sentences.push(`--fix would remove ${count}${why}.`);
  }
  return { text: sentences.join(" "), color: locks.some(isOpen) ? "yellow" : "green" };
}

function select(locks: readonly ExaminedLock[], most: number): readonly ExaminedLock[] {
  if (locks.length <= most) return locks;
  let openLeft = Math.min(most, locks.filter(isOpen).length);
  let otherLeft = most - openLeft;
  return locks.filter((lock) => (isOpen(lock) ? openLeft-- > 0 : otherLeft-- > 0));
}

function nameOf({ lockPath }: ExaminedLock): string {
  return printable(basename(lockPath));
}

const ALIVE = { yes: "yes", no: "no", unknown: "?" } as const;

/** The widest form that fits. */
function list(locks: readonly ExaminedLock[], fix: boolean, stream: CliStream): string[] {
  const columns: readonly Column[] = [
    { title: "LOCK", shrinkTo: 9, cut: "apart" },
    { title: "KIND", shrinkTo: 8 },
    { title: "PID" },
    { title: "ALIVE" },
    { title: "PROGRAM", shrinkTo: NARROWEST_PROGRAM, cut: "middle" },
    { title: "AGE" },
    { title: "VERDICT", shrinkTo: 17 },
    { title: fix ? "DONE" : "--FIX" },
  ];
  for (const verdictOf of [fullVerdict, briefVerdict]) {
    const titles = columns.map(({ title }): Column => ({ title }));
    const rows = locks.map((lock) => toRow(lock, verdictOf(lock), fix));
    const table = layOutTable(verdictOf === fullVerdict ? titles : columns, rows, stream);
    if (!table.fits) continue;
    const rowOf = (_: ExaminedLock, index: number): string[] => [table.rows[index] ?? ""];
    return [table.header, ...underDirectories(locks, rowOf, stream)];
  }
  const names = shortenApart(locks.map(nameOf), stream.columns ?? Infinity);
  return underDirectories(locks, (lock) => toCard(lock, names, fix, stream), stream);
}

function toRow(lock: ExaminedLock, verdict: string, fix: boolean): Cell[] {
  const { form, pid, process, ageMs } = lock;
  const runs = holderRuns(lock);
  const color = colorOf(lock);
  const action = actionOn(lock, fix);
  const isGreen = action === "removes" || action === "removed";
  return [
    { text: nameOf(lock) },
    { text: form.kind },
    { text: pid === null ? "-" : String(pid) },
    { text: runs === null ? "-" : ALIVE[runs] },
    { text: printable(process?.program ?? "-") },
    { text: ageMs === null ? "-" : formatDuration(ageMs) },
    color === null ? { text: verdict } : { text: verdict, color },
    isGreen ? { text: action, color: "green" } : { text: action ?? "-" },
  ];
}

/** Where no table fits: the name, and the rest below. */
function toCard(
  lock: ExaminedLock,
  names: ReadonlyMap<string, string>,
  fix: boolean,
  stream: CliStream,
): string[] {
  const { form, pid, ageMs, process } = lock;
  const columns = stream.columns ?? Infinity;
  const life = lifeOf(lock);
  const facts = [
    form.kind,
    pid === null ? "no pid" : `pid ${String(pid)}`,
    ...(life === null ? [] : [life]),
    ageMs === null ? "no age" : formatDuration(ageMs),
  ];
  const program = printable(process?.program ?? "");
  const room = columns - displayWidth(`  ${facts.join(", ")}`) - ", ".length;
  if (program !== "" && room >= NARROWEST_PROGRAM) facts.push(shortenToWidth(program, room));
  const action = actionOn(lock, fix);
  const effect = action === null ? "" : `; ${fix ? action : `--fix ${action} it`}`;
  const color = colorOf(lock);
  return [
    paint(stream, "bold", names.get(nameOf(lock)) ?? ""),
    ...wrapToWidth(`  ${facts.join(", ")}`, columns, "  "),
    ...wrapToWidth(`  ${briefVerdict(lock)}${effect}`, columns, "  ").map((text) =>
      color === null ? text : paint(stream, color, text),
    ),
  ];
}

const MOST_NAMES = 3;

/** The leases above locks, and what a person can do about locks that --fix keeps: each remark once, with the names of its locks. */
function remarksOn(locks: readonly ExaminedLock[], fix: boolean, columns: number): string[] {
  const byRemedy = new Map<string, string[]>();
  for (const lock of locks) {
    const lease = lock.own === null ? null : leaseNote(lock.own);
    for (const remark of [lease, ...notesOnHolder(lock), remarkOn(lock, fix)]) {
      if (remark === null) continue;
      const names = byRemedy.get(remark);
      if (names === undefined) byRemedy.set(remark, [nameOf(lock)]);
      else names.push(nameOf(lock));
    }
  }
  return [...byRemedy].flatMap(([remedy, names]) => {
    const rest = names.length - MOST_NAMES;
    const shown = rest > 1 ? [...names.slice(0, MOST_NAMES), `${String(rest)} more`] : names;
    return wrapToWidth(`${shown.join(", ")}: ${remedy}`, columns, "  ");
  });
}

function colorOf(lock: ExaminedLock): Color | null {
  const { verdict, own, error } = lock;
  if (error !== null && own?.keptReason !== "guard-busy") return "red";
  return isOpen(lock) || verdict.state === "stale" ? "yellow" : null;
}

function hintsFor(
  locks: readonly ExaminedLock[],
  {
    fix,
    explain,
    rest,
  }: { readonly fix: boolean; readonly explain: boolean; readonly rest: number },
): string[] {
  const removable = locks.filter(({ own }) => own?.removable === true).length;
  const hints: string[] = [];
  if (!fix && removable > 0 && canRemove()) {
    hints.push(`Run again with --fix to remove ${countLocks(removable, "stale")}.`);
  }
  if (!explain && locks.some(isOpen)) {
    hints.push("Run again with --explain to read what each kind of lock is and what to do.");
  }
  if (rest > 0) hints.push("Send the output through a pipe to read of every lock.");
  return hints;
}
