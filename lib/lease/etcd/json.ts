/**
 * The gateway's JSON (proto3's mapping): 64-bit integers are strings, bytes are base64, and a field that has its
 * default value (0, false, empty) is left out.
 */

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** An object's field that is an object; an empty one where it is left out or something else. */
export function objectIn(json: Json, field: string): Json {
  return asObject(json[field]);
}

/** The objects of a repeated field. */
export function objectsIn(json: Json, field: string): readonly Json[] {
  const value = json[field];
  return Array.isArray(value) ? value.map(asObject) : [];
}

function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

/** A 64-bit integer: 0 where it is left out, or is none. */
export function int64In(json: Json, field: string): bigint {
  const value = json[field];
  if (typeof value === "string" && /^-?\d+$/u.test(value)) return BigInt(value);
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : 0n;
}

/** Bytes, read as UTF-8; empty where they are left out. */
export function textIn(json: Json, field: string): string {
  const value = json[field];
  return typeof value === "string" ? Buffer.from(value, "base64").toString() : "";
}

export function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** @returns null for anything but a JSON object */
export function parseObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Json) : null;
  } catch {
    return null;
  }
}

// Answers here are a few hundred bytes; what is longer is another service's.
const LONGEST_DOCUMENT = 1_048_576;

/**
 * The documents of a body, one on each line.
 *
 * @throws RangeError when one has more than 1 MiB
 */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield line;
    if (rest.length > LONGEST_DOCUMENT) throw new RangeError("an answer of more than 1 MiB");
  }
  if (rest.trim() !== "") yield rest;
}
