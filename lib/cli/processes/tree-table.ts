/** Processes of a tree as lines: pid, age and command line, with the lines of the tree before the last. */
import type { CliStream } from "../terminal/io.js";
import { type Column, tableLines } from "../terminal/table.js";
import { ageOf, commandOf } from "./describe.js";
import { type Branch, treeLines } from "./family-tree.js";

const COLUMNS: readonly Column[] = [
  { title: "PID" },
  { title: "AGE" },
  { title: "COMMAND", shrinkTo: 8 },
];

/** Each with its end. On a terminal the command line is cut to its width. */
export function treeTable(
  branches: readonly Branch[],
  nowMs: number,
  stream: CliStream,
): Generator<string> {
  const lines = treeLines(branches, stream);
  const rows = branches.map(({ info }, index) => [
    { text: String(info.pid) },
    { text: ageOf(info, nowMs) },
    { text: `${lines[index] ?? ""}${commandOf(info)}` },
  ]);
  return tableLines(COLUMNS, rows, stream);
}
