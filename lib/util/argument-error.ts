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
  return Object.assign(new TypeError(message), { code });
}

export function rangeError(code: ArgumentErrorCode, message: string): RangeError {
  return Object.assign(new RangeError(message), { code });
}

function mustBe(field: string, expected: string, value: unknown): string {
  return `${field} must be ${expected}, got ${shown(value)}`;
}

/** A value for people, on one line; never throws, whatever the value does when it is asked for its text. */
export function shown(value: unknown): string {
  return printable(util.inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 100 }));
}
