/** How many character cells a text takes on a terminal, and texts cut to a width. Pure. */

// East Asian wide and fullwidth characters, and pictures, take two (Unicode Standard Annex 11).
const DOUBLE_WIDTH =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\u3200-\u33ff\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u;
// A mark without anything to stand on.
const ZERO_WIDTH = /^[\p{Mn}\p{Me}]+$/u;
const ASCII = /^[\x20-\x7e]*$/;

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

/** @param text - Already {@link printable}: without control characters. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += cellsOf(segment);
  return width;
}

/** The text when it fits into `columns` cells, else its beginning and an ellipsis. */
export function cutToWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  return `${beginning(charactersOf(text), columns - 1)}…`;
}

/**
 * The text when it fits into `columns` cells, else both ends with an ellipsis between them: names of one
 * family differ at their ends.
 */
export function shortenToWidth(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const characters = charactersOf(text);
  const room = Math.max(0, columns - 1);
  const head = beginning(characters, Math.ceil(room / 2));
  const tail = ending(characters, room - displayWidth(head));
  return `${head}…${tail}`;
}

/** `text` and as many spaces as it takes to fill `columns` cells. */
export function padToWidth(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - displayWidth(text)));
}

/**
 * Lines of at most `columns` cells, broken between words; a longer word is broken where it must be.
 *
 * @param indent - What lines after the first begin with.
 */
export function wrapToWidth(text: string, columns: number, indent = ""): string[] {
  const lines: string[] = [];
  let line: string | null = null;
  for (const word of text.split(" ")) {
    const joined: string = line === null ? word : `${line} ${word}`;
    if (displayWidth(joined) <= columns) {
      line = joined;
      continue;
    }
    if (line !== null) lines.push(line);
    const parts = breakWord((lines.length === 0 ? "" : indent) + word, columns, indent);
    line = parts.pop() ?? "";
    lines.push(...parts);
  }
  return line === null ? lines : [...lines, line];
}

/** A word in parts of at most `columns` cells, at least one character in each. */
function breakWord(word: string, columns: number, indent: string): string[] {
  const parts: string[] = [];
  let part = "";
  let isEmpty = true;
  for (const character of charactersOf(word)) {
    if (!isEmpty && displayWidth(part + character) > columns) {
      parts.push(part);
      part = indent;
      isEmpty = true;
    }
    part += character;
    if (character !== " ") isEmpty = false;
  }
  return [...parts, part];
}

function charactersOf(text: string): string[] {
  return ASCII.test(text)
    ? text.split("")
    : Array.from(graphemes.segment(text), ({ segment }) => segment);
}

function beginning(characters: readonly string[], columns: number): string {
  let width = 0;
  let kept = "";
  for (const character of characters) {
    width += cellsOf(character);
    if (width > columns) break;
    kept += character;
  }
  return kept;
}

function ending(characters: readonly string[], columns: number): string {
  let width = 0;
  let first = characters.length;
  while (first > 0) {
    width += cellsOf(characters[first - 1] ?? "");
    if (width > columns) break;
    first--;
  }
  return characters.slice(first).join("");
}

/** A base and its marks share cells; a flag is one picture of two letters. */
function cellsOf(grapheme: string): number {
  if (ZERO_WIDTH.test(grapheme)) return 0;
  return DOUBLE_WIDTH.test(grapheme) ? 2 : 1;
}
