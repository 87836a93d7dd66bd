/** Checks of what callers pass as options: the field, what was expected, the value last. */
import { inspect } from "node:util";

/** The options object itself: absent or an object. */
export function checkOptions(options: unknown): void {
  if (options !== undefined && (typeof options !== "object" || options === null)) {
    throw new TypeError(`options must be an object: ${quote(options)}`);
  }
}

/** An options object that must be there. */
export function checkRequiredOptions(options: unknown): void {
  checkOptions(options ?? null);
}

export function checkBoolean(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") {
    throw new TypeError(`${field} must be a boolean: ${quote(value)}`);
  }
}

/** Milliseconds: a number, not negative, not NaN; Infinity is "no limit". */
export function checkMilliseconds(field: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== "number") {
    throw new TypeError(`${field} must be a number of milliseconds: ${quote(value)}`);
  }
  if (!(value >= 0)) {
    throw new RangeError(`${field} must be 0 or more milliseconds: ${quote(value)}`);
  }
}

/** Milliseconds of something that lasts: more than 0; Infinity is "no limit". */
export function checkPositiveMilliseconds(field: string, value: unknown): void {
  checkMilliseconds(field, value);
  if (value === 0) throw new RangeError(`${field} must be more than 0 milliseconds: 0`);
}

/** By shape, so that signals of other realms and polyfills count. */
export function checkSignal(field: string, value: unknown): void {
  if (value === undefined) return;
  const signal = (value ?? {}) as Partial<AbortSignal>;
  if (typeof signal.aborted !== "boolean" || typeof signal.addEventListener !== "function") {
    throw new TypeError(`${field} must be an AbortSignal: ${quote(value)}`);
  }
}

/** Iterable, and not a string: its characters are not pids. */
export function checkIterable(field: string, value: unknown): void {
  const iterable = (value ?? {}) as Partial<Iterable<unknown>>;
  if (typeof value === "string" || typeof iterable[Symbol.iterator] !== "function") {
    throw new TypeError(`${field} must be an iterable of numbers: ${quote(value)}`);
  }
}

/** Any number, NaN and Infinity included: those mean "the default" where a limit is asked for. */
export function checkNumber(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "number") {
    throw new TypeError(`${field} must be a number: ${quote(value)}`);
  }
}

/** A number that must be given. */
export function checkRequiredNumber(field: string, value: unknown): void {
  if (typeof value !== "number") throw new TypeError(`${field} must be a number: ${quote(value)}`);
}

/** What an interval timer can count: more than 2^31 − 1 ms would fire at once, again and again. */
export function checkTimerInterval(field: string, value: unknown): void {
  checkNumber(field, value);
  if (value !== undefined && !((value as number) >= 1 && (value as number) <= 2_147_483_647)) {
    throw new RangeError(`${field} must be from 1 to 2147483647 milliseconds: ${quote(value)}`);
  }
}

/** A number of things: an integer, 0 or more. */
export function checkCount(field: string, value: unknown): void {
  checkNumber(field, value);
  if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 0)) {
    throw new RangeError(`${field} must be an integer of 0 or more: ${quote(value)}`);
  }
}

/** An object that must be there. */
export function checkObject(field: string, value: unknown): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${field} must be an object: ${quote(value)}`);
  }
}

/** A name that must be given: text that is not empty. */
export function checkName(field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") {
    throw new TypeError(`${field} must be a text that is not empty: ${quote(value)}`);
  }
}

export function checkString(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string") {
    throw new TypeError(`${field} must be a string: ${quote(value)}`);
  }
}

const MOST_LABEL_BYTES = 1024;

/** Text that is written into a lock file, which readers take up to a size only. */
export function checkLabel(field: string, value: unknown): void {
  checkString(field, value);
  if (typeof value !== "string") return;
  const bytes = Buffer.byteLength(value);
  if (bytes > MOST_LABEL_BYTES) {
    throw new RangeError(
      `${field} must have at most ${String(MOST_LABEL_BYTES)} bytes as UTF-8, not ${String(bytes)}: ${quote(value)}`,
    );
  }
}

export function checkTextOrBytes(field: string, value: unknown): void {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    throw new TypeError(`${field} must be a string or a Uint8Array: ${quote(value)}`);
  }
}

export function checkPositiveInteger(field: string, value: unknown): void {
  checkNumber(field, value);
  if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 1)) {
    throw new RangeError(`${field} must be an integer of 1 or more: ${quote(value)}`);
  }
}

export function checkFunction(field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(`${field} must be a function: ${quote(value)}`);
  }
}

/** A path that must be given: a string that names something, without a NUL byte. */
export function checkPath(field: string, value: unknown): void {
  if (typeof value !== "string") throw new TypeError(`${field} must be a path: ${quote(value)}`);
  if (value === "" || value.includes("\0")) {
    throw new RangeError(`${field} must be a path without NUL bytes: ${quote(value)}`);
  }
}

export function checkOneOf(field: string, value: unknown, choices: readonly string[]): void {
  if (value !== undefined && !choices.includes(value as string)) {
    throw new TypeError(`${field} must be one of ${choices.join(", ")}: ${quote(value)}`);
  }
}

export function checkStringList(field: string, value: unknown): void {
  if (value === undefined) return;
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string" && item !== "")) {
    throw new TypeError(`${field} must be a list of paths: ${quote(value)}`);
  }
}

function quote(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 100 });
}
