/** Rows in columns, for people. */
import { cutToWidth, displayWidth, padToWidth, shortenToWidth } from "./display-width.js";
import type { CliStream } from "./io.js";
import { paint, type Color } from "./paint.js";
import { shortenApart } from "./shorten-apart.js";

export interface Column {
  readonly title: string;
  /** Cells below which the column is not cut; absent: it is as wide as it needs to be. */
  readonly shrinkTo?: number;
  /** Where a text that is too wide loses its cells; `apart`: where the column's texts are alike. Default `end`. */
  readonly cut?: "end" | "middle" | "apart";
}

/** One cell; `color` takes no width. */
export interface Cell {
  /** Already printable: without control characters. */
  readonly text: string;
  readonly color?: Color;
}

/** A laid out table; `rows` stand in the order of the rows given. */
export interface TableLines {
  readonly header: string;
  readonly rows: readonly string[];
  /** false: some lines are wider than the stream, and a terminal wraps them. */
  readonly fits: boolean;
}

const GAP = "  ";

/**
 * Columns stand under each other and are as wide as their texts; on a terminal that is narrower, the widest
 * ones that may be cut are, down to what they need at least. Without a terminal nothing is cut.
 */
export function layOutTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  stream: CliStream,
): TableLines {
  const room = (stream.columns ?? Infinity) - GAP.length * (columns.length - 1);
  const widths = fitWidths(columns, naturalWidths(columns, rows), room);
  const apart = columns.map(({ cut }, index) =>
    cut === "apart"
      ? shortenApart(
          rows.map((row) => row[index]?.text ?? ""),
          widths[index] ?? 0,
        )
      : null,
  );
  const toLine = (cells: readonly Cell[]): string =>
    columns
      .map(({ cut }, index) => {
        const { text, color } = cells[index] ?? { text: "" };
        const width = widths[index] ?? 0;
        const shown =
          apart[index]?.get(text) ??
          (cut === "middle" ? shortenToWidth(text, width) : cutToWidth(text, width));
        // Spaces behind a line's end would make a terminal wrap it.
        const padding =
          index === columns.length - 1 ? "" : padToWidth("", width - displayWidth(shown));
        return (color === undefined ? shown : paint(stream, color, shown)) + padding;
      })
      .join(GAP)
      .trimEnd();
  return {
    header: toLine(columns.map(({ title }) => ({ text: title, color: "bold" }))),
    rows: rows.map(toLine),
    fits: sumOf(widths) <= room,
  };
}

/** {@link layOutTable} as one text. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  stream: CliStream,
): string {
  return Array.from(tableLines(columns, rows, stream)).join("");
}

/** {@link layOutTable} line by line, each with its end: as one text it may be longer than a string can be. */
export function* tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  stream: CliStream,
): Generator<string> {
  const table = layOutTable(columns, rows, stream);
  yield `${table.header}\n`;
  for (const row of table.rows) yield `${row}\n`;
}

function naturalWidths(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): readonly number[] {
  return columns.map(({ title }, index) =>
    rows.reduce(
      (widest, row) => Math.max(widest, displayWidth(row[index]?.text ?? "")),
      displayWidth(title),
    ),
  );
}

function fitWidths(
  columns: readonly Column[],
  natural: readonly number[],
  room: number,
): readonly number[] {
  const smallest = natural.map((width, index) =>
    Math.min(width, columns[index]?.shrinkTo ?? width),
  );
  // No column can have more than all the room: a command line may be megabytes long.
  const widths = natural.map((width, index) =>
    Math.max(Math.min(width, room), smallest[index] ?? 0),
  );
  for (let excess = sumOf(widths) - room; excess > 0; excess--) {
    const widest = widestAbove(widths, smallest);
    if (widest === null) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Index of the widest column that may become narrower. */
function widestAbove(widths: readonly number[], smallest: readonly number[]): number | null {
  let found: number | null = null;
  for (const [index, width] of widths.entries()) {
    if (width <= (smallest[index] ?? 0)) continue;
    if (found === null || width > (widths[found] ?? 0)) found = index;
  }
  return found;
}

function sumOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0);
}
