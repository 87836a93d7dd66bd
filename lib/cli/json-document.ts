/** JSON as commands print it: one document with a version, without a character that a terminal obeys. Pure. */
import { escapeInJson } from "../util/printable.js";

/** Grows when a key changes its meaning or goes; new keys come without a new version. */
const SCHEMA_VERSION = 1;

/** One document with `schemaVersion` first, and a final newline. */
export function jsonDocument(body: object): string {
  return `${format(withVersion(body))}\n`;
}

/**
 * {@link jsonDocument} whose last key is a long list, in parts: a million locks as one string would be longer than
 * a string can be (V8: 2^29 - 24 units).
 *
 * @param list - Its items may be made while they are asked for.
 */
export function* jsonDocumentParts(
  body: object,
  key: string,
  list: Iterable<object>,
): Generator<string> {
  const head = format(withVersion(body)).slice(0, -"\n}".length);
  yield `${head},\n  ${format(key)}: [`;
  let separator = "\n";
  for (const item of list) {
    yield `${separator}    ${format(item).replaceAll("\n", "\n    ")}`;
    separator = ",\n";
  }
  yield separator === "\n" ? "]\n}\n" : "\n  ]\n}\n";
}

function withVersion(body: object): object {
  return { schemaVersion: SCHEMA_VERSION, ...body };
}

function format(value: unknown): string {
  return escapeInJson(JSON.stringify(value, null, 2));
}
