/** Several lines of a message as one. Pure. */

/**
 * The lines that are not blank, with `; ` between them.
 *
 * Not by a pattern around line ends: at each blank of a long row it would look through the rest of the row.
 */
export function oneLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").join("; ");
}
