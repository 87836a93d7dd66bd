/** Errors for what callers pass: the field, what was expected, the value; with a code. */
import { util } from "./node-modules.js";
import { printable } from "./printable.js";

/** Node's own codes, and `ERR_UNKNOWN_OPTION` for a key that no option has. */
export type ArgumentErrorCode =
  | "ERR_INVALID_ARG_TYPE"
  | "ERR_INVALID_ARG_VALUE"
  | "ERR_INVALID_RETURN_VALUE"
  | "ERR_OUT_OF_RANGE"
  | "ERR_UNKNOWN_OPTION";

/** `<field> must be <expected>, got <value>` */
export function wrongType(field: string, expected: string, value: unknown): TypeError {
  return typeError("ERR_INVALID_ARG_TYPE", mustBe(field, expected, value));
}

/** A value of the right type that is not accepted. */
export function outOfRange(field: string, expected: string, value: unknown): RangeError {
  return rangeError("ERR_OUT_OF_RANGE", mustBe(field, expected, value));
}

export function typeError(code: ArgumentErrorCode, message: string): TypeError {
  return made(Object.assign(new TypeError(message), { code }));
}

export function rangeError(code: ArgumentErrorCode, message: string): RangeError {
  return made(Object.assign(new RangeError(message), { code }));
}

/** What a value threw when it was looked at: a getter, the trap of a Proxy, a Proxy that was revoked. */
export function unreadable(field: string, cause: unknown): TypeError {
  const error = typeError(
    "ERR_INVALID_ARG_VALUE",
    `${field} must be readable, got an error from it: ${messageOf(cause)}`,
  );
  return Object.assign(error, { cause });
}

// By identity: a value that is looked at can throw a look-alike.
const own = new WeakSet();

function made<E extends Error>(error: E): E {
  own.add(error);
  return error;
}

/** What a check of a field has thrown: one of these errors as it is, or what the value threw when it was looked at. */
export function asArgumentError(field: string, thrown: unknown): unknown {
  const isOwn = typeof thrown === "object" && thrown !== null && own.has(thrown);
  return isOwn ? thrown : unreadable(field, thrown);
}

function mustBe(field: string, expected: string, value: unknown): string {
  return `${field} must be ${expected}, got ${shown(value)}`;
}

/** A value for people, on one line; never throws, whatever the value does when it is asked for its text. */
export function shown(value: unknown): string {
  // Throws where there is no such module (an old Node), which is no fault of the value.
  util.inspect(undefined);
  const options = { depth: 0, breakLength: Infinity, maxStringLength: 100 };
  try {
    return printable(util.inspect(value, options));
  } catch {
    return typeof value === "function"
      ? "a function that cannot be shown"
      : "an object that cannot be shown";
  }
}

/** The message of an error, or the text of anything else that was thrown; never throws. */
export function messageOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    if (thrown instanceof Error && typeof thrown.message === "string") return thrown.message;
  } catch {
    // Shown as what it is.
  }
  return shown(thrown);
}
