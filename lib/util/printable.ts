/**
 * Text that this package has not made (command lines, file names, error messages) on its way to a terminal, a log or an
 * error's message.
 *
 * A process chooses its own command line and any user may name a file: what a terminal would obey
 * (C0 and C1 controls), what would turn the rest of a line around (bidirectional controls) and what
 * would start a new one is shown as an escape instead. Fields keep the raw text. Pure.
 */

// Cc: controls, Cf: invisible formatting, Zl and Zp: line and paragraph separators, Cs: lone surrogates.
// But for U+200D between two pictures, which makes one of them (UTS 51, emoji ZWJ sequences).
const DANGEROUS = String.raw`(?!(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d\p{Extended_Pictographic})[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]`;

let pattern: RegExp | undefined;

/** Not a literal: the engine would look up all these properties when it parses this file, at import. */
function dangerous(): RegExp {
  return (pattern ??= new RegExp(DANGEROUS, "gu"));
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** The text on one line, with nothing in it that a terminal obeys. A backslash stays what it is. */
export function printable(text: string): string {
  return text.replaceAll(
    dangerous(),
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
  return json.replaceAll(dangerous(), (character) =>
    character === "\n" ? "\n" : utf16Escapes(character),
  );
}

/** An error with its stack, for a log: the message on one line, as {@link printable} makes it, and one for each frame. */
export function printableStack(error: Error): string {
  const { stack, message } = error;
  if (stack === undefined) return printable(String(error));
  // The engine's text begins with the message as it was; without that frames cannot be told from its lines.
  const start = stack.indexOf(message);
  if (start === -1 || stack.slice(0, start).includes("\n")) return printable(stack);
  const end = start + message.length;
  const frames = stack.slice(end).split("\n").map(printable);
  return printable(stack.slice(0, end)) + frames.join("\n");
}

/**
 * The lines that are not blank, with `; ` between them.
 *
 * Not by a pattern around line ends: at each blank of a long row it would look through the rest of the row.
 */
export function oneLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").join("; ");
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
