/** How many character cells a text takes on a terminal, and texts cut to a width. Pure. */

// East Asian wide and fullwidth characters, and pictures, take two (Unicode Standard Annex 11).
const DOUBLE_WIDTH =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\u3200-\u33ff\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u;
// A mark without anything to stand on.
const ZERO_WIDTH = /^[\p{Mn}\p{Me}]+$/u;
const ASCII = /^[\x20-\x7e]*$/;

const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });

/** UTF-16 units that the segmenter is given at a time. A grapheme as long as that is none of a language's. */
const WINDOW = 256;

/**
 * What a reader takes for one character each. In windows: V8's segmenter takes time quadratic in the length of its
 * text (a second for 30 000 characters that are not ASCII; Node 20).
 */
function* graphemesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    const window = windowAt(text, start);
    const isLast = start + window.length === text.length;
    let pending: string | null = null;
    for (const { segment } of segmenter.segment(window)) {
      if (pending !== null) yield pending;
      pending = segment;
    }
    // What touches the window's end may go on behind it, unless there is nothing else in it.
    const isDivided = !isLast && pending !== null && pending.length < window.length;
    if (!isDivided && pending !== null) yield pending;
    start += isDivided ? window.length - (pending?.length ?? 0) : window.length;
  }
}

/** Ends between two characters: half of one would look like the end of a grapheme. */
function windowAt(text: string, start: number): string {
  const end = start + WINDOW;
  return text.slice(start, /[\ud800-\udbff]/.test(text[end - 1] ?? "") ? end - 1 : end);
}

/** @param text - Already {@link printable}: without control characters. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemesOf(text)) width += cellsOf(grapheme);
  return width;
}

/** The text when it fits into `columns` cells, else its beginning and an ellipsis. */
export function cutToWidth(text: string, columns: number): string {
  if (fits(text, columns)) return text;
  return `${beginning(charactersOf(text), columns - 1)}…`;
}

/**
 * The text when it fits into `columns` cells, else both ends with an ellipsis between them: names of one
 * family differ at their ends.
 */
export function shortenToWidth(text: string, columns: number): string {
  if (fits(text, columns)) return text;
  const room = Math.max(0, columns - 1);
  const head = beginning(charactersOf(text), Math.ceil(room / 2));
  const tail = ending(charactersOf(text), room - displayWidth(head));
  return `${head}…${tail}`;
}

/** As many characters of the text's beginning as fit into `columns` cells. */
export function beginningOf(text: string, columns: number): string {
  return ASCII.test(text)
    ? text.slice(0, Math.max(0, columns))
    : beginning(charactersOf(text), columns);
}

/** As many characters of the text's end as fit into `columns` cells. */
export function endingOf(text: string, columns: number): string {
  return ASCII.test(text)
    ? text.slice(Math.max(0, text.length - columns))
    : ending(charactersOf(text), columns);
}

/** `text` and as many spaces as it takes to fill `columns` cells. */
export function padToWidth(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - displayWidth(text)));
}

/**
 * Lines of at most `columns` cells, broken between words; a longer word is broken where it must be.
 *
 * @param columns - Infinity never breaks one.
 * @param indent - What lines after the first begin with.
 */
export function wrapToWidth(text: string, columns: number, indent = ""): string[] {
  if (columns === Infinity) return [text];
  const lines: string[] = [];
  let line: string | null = null;
  let width = 0;
  for (const word of text.split(" ")) {
    // Of the word with its space: marks at its beginning may stand on that.
    const more = displayWidth(line === null ? word : ` ${word}`);
    if (width + more <= columns) {
      line = line === null ? word : `${line} ${word}`;
      width += more;
      continue;
    }
    if (line !== null) lines.push(line);
    const parts = breakWord((lines.length === 0 ? "" : indent) + word, columns, indent);
    line = parts.pop() ?? "";
    width = displayWidth(line);
    for (const part of parts) lines.push(part);
  }
  return line === null ? lines : [...lines, line];
}

/** A word in parts of at most `columns` cells, at least one character in each. */
function breakWord(word: string, columns: number, indent: string): string[] {
  const parts: string[] = [];
  const indentWidth = displayWidth(indent);
  let part = "";
  let width = 0;
  let isEmpty = true;
  for (const character of charactersOf(word)) {
    const cells = cellsOf(character);
    if (!isEmpty && width + cells > columns) {
      parts.push(part);
      part = indent;
      width = indentWidth;
      isEmpty = true;
    }
    part += character;
    width += cells;
    if (character !== " ") isEmpty = false;
  }
  return [...parts, part];
}

/** Whether it takes no more cells; looks no further than it must. */
function fits(text: string, columns: number): boolean {
  // Nothing takes more than two cells.
  if (text.length * 2 <= columns) return true;
  let width = 0;
  for (const character of charactersOf(text)) {
    width += cellsOf(character);
    if (width > columns) return false;
  }
  return true;
}

/** Of ASCII each unit is one, and a string gives them without a copy. */
function charactersOf(text: string): Iterable<string> {
  return ASCII.test(text) ? text : graphemesOf(text);
}

function beginning(characters: Iterable<string>, columns: number): string {
  let width = 0;
  let kept = "";
  for (const character of characters) {
    width += cellsOf(character);
    if (width > columns) break;
    kept += character;
  }
  return kept;
}

function ending(characters: Iterable<string>, columns: number): string {
  const all = Array.from(characters);
  let width = 0;
  let first = all.length;
  while (first > 0) {
    width += cellsOf(all[first - 1] ?? "");
    if (width > columns) break;
    first--;
  }
  return all.slice(first).join("");
}

/** A base and its marks share cells; a flag is one picture of two letters. */
function cellsOf(grapheme: string): number {
  if (ZERO_WIDTH.test(grapheme)) return 0;
  return DOUBLE_WIDTH.test(grapheme) ? 2 : 1;
}
