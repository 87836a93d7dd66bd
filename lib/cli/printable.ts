/**
 * Text of other people's making (command lines, file names, error messages) on its way to a terminal.
 *
 * A process chooses its own command line and anybody may name a file: what a terminal would obey
 * (C0 and C1 controls), what would turn the rest of a line around (bidirectional controls) and what
 * would start a new one is shown as an escape instead. Pure.
 */

// Cc: controls, Cf: invisible formatting, Zl and Zp: line and paragraph separators, Cs: lone surrogates.
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** The text on one line, with nothing in it that a terminal obeys. A backslash stays what it is. */
export function printable(text: string): string {
  return text.replaceAll(
    DANGEROUS,
    (character) => SHORT_ESCAPES[character] ?? escapeCodePoint(character.codePointAt(0) ?? 0),
  );
}

/** {@link printable} between quotation marks, for error messages. */
export function quote(text: string): string {
  return `"${printable(text)}"`;
}

/**
 * The same JSON with every dangerous character as an escape. JSON.stringify escapes C0 controls only; the
 * others can only stand inside strings, where an escape means the same.
 */
export function escapeInJson(json: string): string {
  return json.replaceAll(DANGEROUS, (character) =>
    character === "\n" ? "\n" : utf16Escapes(character),
  );
}

function escapeCodePoint(codePoint: number): string {
  const digits = codePoint.toString(16);
  if (codePoint <= 0xff) return `\\x${digits.padStart(2, "0")}`;
  return codePoint <= 0xffff ? `\\u${digits.padStart(4, "0")}` : `\\u{${digits}}`;
}

function utf16Escapes(character: string): string {
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
