/** Checks of single values that callers pass. Each throws a TypeError or RangeError of argument-error.ts. */
import { outOfRange, wrongType } from "./argument-error.js";
import { fileURLToPath, isAbsolute } from "./node-modules.js";
import { LONGEST_DELAY_MS } from "./timers.js";

/** Throws when `value` is not what `field` must be; undefined is not. */
export type Check = (field: string, value: unknown) => void;

/** The same check of what may be absent. */
export function optional(check: Check): Check {
  return (field, value) => {
    if (value !== undefined) check(field, value);
  };
}

/** The same check of what may be null. */
export function nullable(check: Check): Check {
  return (field, value) => {
    if (value !== null) check(field, value);
  };
}

/** Anything: what is looked at leniently. */
export const unchecked: Check = () => {};

export function checkBoolean(field: string, value: unknown): void {
  if (typeof value !== "boolean") throw wrongType(field, "a boolean", value);
}

/** How long to wait: whole milliseconds, 0 or more; Infinity is "no limit". */
export function checkTimeout(field: string, value: unknown): void {
  checkWholeNumber(field, value, 0, "an integer of 0 or more milliseconds, or Infinity", true);
}

/** How long something lasts: whole milliseconds, more than 0. */
export function checkDuration(field: string, value: unknown): void {
  checkWholeNumber(field, value, 1, "an integer of 1 or more milliseconds", false);
}

/** As {@link checkDuration}; Infinity is "no limit". */
export function checkDurationOrInfinity(field: string, value: unknown): void {
  checkWholeNumber(field, value, 1, "an integer of 1 or more milliseconds, or Infinity", true);
}

/** A share of work between two turns of the event loop: milliseconds, fractions too. */
export function checkSlice(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!((value as number) >= 0)) {
    throw outOfRange(field, "0 or more milliseconds", value);
  }
}

/** How old something is or may be: milliseconds, fractions and Infinity too. */
export function checkAge(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!((value as number) >= 0)) throw outOfRange(field, "0 or more milliseconds", value);
}

/** A point in time: milliseconds since the Unix epoch, fractions too. */
export function checkEpochMs(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!Number.isFinite(value)) {
    throw outOfRange(field, "milliseconds since the Unix epoch", value);
  }
}

/** A point in time on a clock that begins anywhere: milliseconds, fractions too. */
export function checkClockMs(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!Number.isFinite(value)) throw outOfRange(field, "milliseconds", value);
}

/** What an interval timer can count: a longer one would fire at once, again and again. */
export function checkTimerInterval(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!((value as number) >= 1 && (value as number) <= LONGEST_DELAY_MS)) {
    throw outOfRange(field, `from 1 to ${String(LONGEST_DELAY_MS)} milliseconds`, value);
  }
}

/** Any number, NaN and Infinity included: measured ones may be anything. */
export function checkNumber(field: string, value: unknown): void {
  if (typeof value !== "number") throw wrongType(field, "a number", value);
}

/** A number of things: an integer, 0 or more. */
export function checkCount(field: string, value: unknown): void {
  checkWholeNumber(field, value, 0, "an integer of 0 or more", false);
}

export function checkBigInt(field: string, value: unknown): void {
  if (typeof value !== "bigint") throw wrongType(field, "a bigint", value);
}

export function checkPositiveInteger(field: string, value: unknown): void {
  checkWholeNumber(field, value, 1, "an integer of 1 or more", false);
}

function checkWholeNumber(
  field: string,
  value: unknown,
  least: number,
  expected: string,
  allowsInfinity: boolean,
): void {
  if (typeof value !== "number") throw wrongType(field, expected, value);
  const isUsable = allowsInfinity
    ? Number.isInteger(value) || value === Infinity
    : Number.isSafeInteger(value);
  if (!isUsable || value < least) throw outOfRange(field, expected, value);
}

/** By shape, so that signals of other realms and polyfills count. */
export function checkSignal(field: string, value: unknown): void {
  const signal = (value ?? {}) as Partial<AbortSignal>;
  if (
    typeof signal.aborted !== "boolean" ||
    typeof signal.addEventListener !== "function" ||
    typeof signal.removeEventListener !== "function"
  ) {
    throw wrongType(field, "an AbortSignal", value);
  }
}

/** Iterable, and not a string: its characters are not pids. */
export function checkIterable(field: string, value: unknown): void {
  const iterable = (value ?? {}) as Partial<Iterable<unknown>>;
  if (typeof value === "string" || typeof iterable[Symbol.iterator] !== "function") {
    throw wrongType(field, "an iterable of numbers", value);
  }
}

export function checkObject(field: string, value: unknown): void {
  if (typeof value !== "object" || value === null) {
    throw wrongType(field, "an object", value);
  }
}

/** Where lines are told: `console` fits, as does anything with a `warn`. */
export function checkLog(field: string, value: unknown): void {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) {
    throw wrongType(field, "an object with a function warn, such as console", value);
  }
  const { warn } = value as { readonly warn?: unknown };
  if (warn !== undefined) checkFunction(`${field}.warn`, warn);
}

/** Text that is not empty. */
export function checkName(field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") {
    throw wrongType(field, "a string that is not empty", value);
  }
}

export function checkString(field: string, value: unknown): void {
  if (typeof value !== "string") throw wrongType(field, "a string", value);
}

const MOST_LABEL_BYTES = 1024;

/** Text that is written into a lock file, which readers take up to a size only. */
export function checkLabel(field: string, value: unknown): void {
  checkString(field, value);
  if (typeof value !== "string") return;
  const bytes = Buffer.byteLength(value);
  if (bytes > MOST_LABEL_BYTES) {
    const expected = `at most ${String(MOST_LABEL_BYTES)} bytes long as UTF-8, not ${String(bytes)}`;
    throw outOfRange(field, expected, value);
  }
}

/** Bytes in a Buffer, which alone is read as text. */
export function checkBuffer(field: string, value: unknown): void {
  if (!Buffer.isBuffer(value)) throw wrongType(field, "a Buffer", value);
}

export function checkTexts(field: string, value: unknown): void {
  const expected = "an array of strings";
  if (!Array.isArray(value)) throw wrongType(field, expected, value);
  for (const [index, text] of value.entries()) checkString(`${field}[${String(index)}]`, text);
}

export function checkTextOrBytes(field: string, value: unknown): void {
  if (typeof value !== "string" && !(value instanceof Uint8Array)) {
    throw wrongType(field, "a string or a Uint8Array", value);
  }
}

export function checkFunction(field: string, value: unknown): void {
  if (typeof value !== "function") {
    throw wrongType(field, "a function", value);
  }
}

const A_PATH = "a file path (string or URL)";

/** A path that names something, without a NUL byte; a relative one only where there is a current directory. */
export function checkPath(field: string, value: unknown): void {
  const path = typeof value === "string" ? value : pathOf(field, value);
  // An escaped one in a URL, too: the system ends a path there.
  if (path === "" || path.includes("\0")) {
    const expected = `${A_PATH} that is not empty and has no NUL bytes`;
    throw outOfRange(field, expected, value instanceof URL ? value.href : value);
  }
  if (!hasCurrentDirectory() && !isAbsolute(path)) {
    throw outOfRange(field, "absolute, for the current directory is not there any more", value);
  }
}

function hasCurrentDirectory(): boolean {
  try {
    process.cwd();
    return true;
  } catch {
    return false;
  }
}

function pathOf(field: string, value: unknown): string {
  if (!(value instanceof URL)) throw wrongType(field, A_PATH, value);
  try {
    return fileURLToPath(value);
  } catch {
    throw wrongType(field, "a file path (string or file: URL)", value.href);
  }
}

export function checkPathList(field: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrongType(field, "an array of file paths", value);
  for (const [index, path] of value.entries()) checkPath(`${field}[${String(index)}]`, path);
}

export function checkOneOf(choices: readonly string[]): Check {
  return (field, value) => {
    if (choices.includes(value as string)) return;
    throw wrongType(field, `one of ${choices.join(", ")}`, value);
  };
}
