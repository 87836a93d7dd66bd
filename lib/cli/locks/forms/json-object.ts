/** The fields of a lock that is a JSON object, as far as they have the shape that is expected. Pure. */
import { decodeText } from "../../../file-lock/decode-text.js";
import type { FoundFile } from "./form.js";

/** What locks are known to say of their holders; all else is left unread. */
export type JsonFields = Readonly<
  Partial<
    Record<
      | "pid"
      | "createdAt"
      | "startedAt"
      | "startTime"
      | "starttime"
      | "hostname"
      | "host"
      | "configPath",
      unknown
    >
  >
>;

/** null: the file is no JSON object, or longer than what was read of it. */
export function jsonObject({ bytes, isWhole }: FoundFile): JsonFields | null {
  if (bytes === null || !isWhole) return null;
  let value: unknown;
  try {
    value = JSON.parse(decodeText(bytes));
  } catch {
    return null;
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonFields) : null;
}

/** A field that is an integer of 1 or more, also one of its digits as text; else null. */
export function positiveInteger(value: unknown): number | null {
  if (typeof value === "string" && /^[1-9]\d{0,15}$/.test(value))
    return positiveInteger(Number(value));
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : null;
}

// Below it a number is seconds, as other languages write them, or no time at all: 2001 in milliseconds.
const FIRST_MS = 1e12;

/** A field that is a time: ISO 8601, or milliseconds since the Unix epoch; else null. */
export function timeMs(value: unknown): number | null {
  if (typeof value === "number") return value >= FIRST_MS && value < 1e15 ? value : null;
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\d[T ]/.test(value)) return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? null : ms;
}

/** A field that is a text with something in it; else null. */
export function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
