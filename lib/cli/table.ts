/** Rows in columns, for people. */
import { cutToWidth, displayWidth } from "./display-width.js";
import type { CliStream } from "./io.js";
import { paint } from "./paint.js";

/** One cell; `color` takes no width. */
export interface Cell {
  /** Already printable: without control characters. */
  readonly text: string;
  readonly color?: "green" | "yellow" | "red";
}

const GAP = "  ";
// Narrower than this a cut column says nothing; then the terminal may wrap it.
const NARROWEST_LAST_COLUMN = 8;

/**
 * A header and rows as text. All columns but the last are as wide as they need; the last is cut to the
 * terminal's width, and never cut where there is no terminal.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  stream: CliStream,
): string {
  const last = header.length - 1;
  const widths = header.map((title, column) =>
    rows.reduce(
      (widest, row) => Math.max(widest, displayWidth(row[column]?.text ?? "")),
      displayWidth(title),
    ),
  );
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + GAP.length, 0);
  const room =
    stream.columns === undefined
      ? Infinity
      : Math.max(stream.columns - before, NARROWEST_LAST_COLUMN);

  const line = (cells: readonly Cell[], paintCell: (cell: Cell, text: string) => string): string =>
    cells
      .map((cell, column) => {
        if (column === last) return paintCell(cell, cutToWidth(cell.text, room));
        const padding = (widths[column] ?? 0) - displayWidth(cell.text);
        return paintCell(cell, cell.text) + " ".repeat(padding);
      })
      .join(GAP)
      .trimEnd();

  const head = line(
    header.map((text) => ({ text })),
    (_, text) => paint(stream, "bold", text),
  );
  const body = rows.map((row) =>
    line(row, ({ color }, text) => (color === undefined ? text : paint(stream, color, text))),
  );
  return `${[head, ...body].join("\n")}\n`;
}
