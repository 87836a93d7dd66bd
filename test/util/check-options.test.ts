/** A wrong option is refused by name, with what was expected and the value last; a right one passes. */
import { describe, expect, test } from "vitest";

import * as checks from "../../lib/util/check-options.js";

type Check = (value: unknown) => void;

/** Every check, with values that it lets pass. */
const PASSES: readonly (readonly [string, Check, readonly unknown[]])[] = [
  ["options", (value) => checks.checkOptions(value), [undefined, {}, []]],
  ["required options", (value) => checks.checkRequiredOptions(value), [{}]],
  ["boolean", (value) => checks.checkBoolean("x", value), [undefined, true, false]],
  ["milliseconds", (value) => checks.checkMilliseconds("x", value), [undefined, 0, 0.5, Infinity]],
  [
    "positive milliseconds",
    (value) => checks.checkPositiveMilliseconds("x", value),
    [undefined, 0.5, Infinity],
  ],
  [
    "signal",
    (value) => checks.checkSignal("x", value),
    [undefined, AbortSignal.abort(), { aborted: false, addEventListener: () => {} }],
  ],
  ["iterable", (value) => checks.checkIterable("x", value), [[], new Set(), new Uint8Array(1)]],
  ["number", (value) => checks.checkNumber("x", value), [undefined, 0, NaN, -Infinity]],
  ["required number", (value) => checks.checkRequiredNumber("x", value), [0, NaN]],
  ["interval", (value) => checks.checkTimerInterval("x", value), [undefined, 1, 2 ** 31 - 1]],
  ["count", (value) => checks.checkCount("x", value), [undefined, 0, 7]],
  ["object", (value) => checks.checkObject("x", value), [{}, []]],
  ["name", (value) => checks.checkName("x", value), ["a"]],
  ["string", (value) => checks.checkString("x", value), [undefined, ""]],
  [
    "label",
    (value) => checks.checkLabel("x", value),
    [undefined, "", "x".repeat(1024), "é".repeat(512)],
  ],
  ["text or bytes", (value) => checks.checkTextOrBytes("x", value), ["", Buffer.alloc(1)]],
  ["positive integer", (value) => checks.checkPositiveInteger("x", value), [undefined, 1]],
  ["function", (value) => checks.checkFunction("x", value), [undefined, () => {}]],
  ["path", (value) => checks.checkPath("x", value), ["a/b", " "]],
  ["one of", (value) => checks.checkOneOf("x", value, ["a", "b"]), [undefined, "a", "b"]],
  ["list of paths", (value) => checks.checkStringList("x", value), [undefined, [], ["a"]]],
];

test.each(PASSES)("%s: what is right passes", (_, check, values) => {
  for (const value of values) expect(() => check(value)).not.toThrow();
});

const REFUSALS: readonly (readonly [string, Check, unknown, string])[] = [
  [
    "options",
    (value) => checks.checkOptions(value),
    null,
    "TypeError: options must be an object: null",
  ],
  [
    "options",
    (value) => checks.checkOptions(value),
    "x",
    "TypeError: options must be an object: 'x'",
  ],
  [
    "required options",
    (value) => checks.checkRequiredOptions(value),
    undefined,
    "TypeError: options must be an object: null",
  ],
  ["boolean", (value) => checks.checkBoolean("x", value), 1, "TypeError: x must be a boolean: 1"],
  [
    "milliseconds",
    (value) => checks.checkMilliseconds("x", value),
    "5",
    "TypeError: x must be a number of milliseconds: '5'",
  ],
  [
    "milliseconds",
    (value) => checks.checkMilliseconds("x", value),
    NaN,
    "RangeError: x must be 0 or more milliseconds: NaN",
  ],
  [
    "positive milliseconds",
    (value) => checks.checkPositiveMilliseconds("x", value),
    0,
    "RangeError: x must be more than 0 milliseconds: 0",
  ],
  [
    "signal",
    (value) => checks.checkSignal("x", value),
    null,
    "TypeError: x must be an AbortSignal: null",
  ],
  [
    "signal",
    (value) => checks.checkSignal("x", value),
    { aborted: false },
    "TypeError: x must be an AbortSignal: { aborted: false }",
  ],
  [
    "iterable",
    (value) => checks.checkIterable("x", value),
    "12",
    "TypeError: x must be an iterable of numbers: '12'",
  ],
  [
    "iterable",
    (value) => checks.checkIterable("x", value),
    null,
    "TypeError: x must be an iterable of numbers: null",
  ],
  ["number", (value) => checks.checkNumber("x", value), 1n, "TypeError: x must be a number: 1n"],
  [
    "required number",
    (value) => checks.checkRequiredNumber("x", value),
    undefined,
    "TypeError: x must be a number: undefined",
  ],
  [
    "interval",
    (value) => checks.checkTimerInterval("x", value),
    2 ** 31,
    "RangeError: x must be from 1 to 2147483647 milliseconds: 2147483648",
  ],
  [
    "interval",
    (value) => checks.checkTimerInterval("x", value),
    NaN,
    "RangeError: x must be from 1 to 2147483647 milliseconds: NaN",
  ],
  [
    "count",
    (value) => checks.checkCount("x", value),
    -1,
    "RangeError: x must be an integer of 0 or more: -1",
  ],
  [
    "count",
    (value) => checks.checkCount("x", value),
    0.5,
    "RangeError: x must be an integer of 0 or more: 0.5",
  ],
  [
    "object",
    (value) => checks.checkObject("x", value),
    null,
    "TypeError: x must be an object: null",
  ],
  ["object", (value) => checks.checkObject("x", value), 1, "TypeError: x must be an object: 1"],
  [
    "name",
    (value) => checks.checkName("x", value),
    "",
    "TypeError: x must be a text that is not empty: ''",
  ],
  ["string", (value) => checks.checkString("x", value), 1, "TypeError: x must be a string: 1"],
  ["label", (value) => checks.checkLabel("x", value), 1, "TypeError: x must be a string: 1"],
  [
    "label",
    (value) => checks.checkLabel("x", value),
    "é".repeat(513),
    `RangeError: x must have at most 1024 bytes as UTF-8, not 1026: '${"é".repeat(100)}'... 413 more characters`,
  ],
  [
    "text or bytes",
    (value) => checks.checkTextOrBytes("x", value),
    [1],
    "TypeError: x must be a string or a Uint8Array: [ 1 ]",
  ],
  [
    "positive integer",
    (value) => checks.checkPositiveInteger("x", value),
    0,
    "RangeError: x must be an integer of 1 or more: 0",
  ],
  [
    "function",
    (value) => checks.checkFunction("x", value),
    {},
    "TypeError: x must be a function: {}",
  ],
  ["path", (value) => checks.checkPath("x", value), 1, "TypeError: x must be a path: 1"],
  [
    "path",
    (value) => checks.checkPath("x", value),
    "a\0b",
    String.raw`RangeError: x must be a path without NUL bytes: 'a\x00b'`,
  ],
  [
    "path",
    (value) => checks.checkPath("x", value),
    "",
    "RangeError: x must be a path without NUL bytes: ''",
  ],
  [
    "one of",
    (value) => checks.checkOneOf("x", value, ["a", "b"]),
    "c",
    "TypeError: x must be one of a, b: 'c'",
  ],
  [
    "list of paths",
    (value) => checks.checkStringList("x", value),
    ["a", ""],
    "TypeError: x must be a list of paths: [ 'a', '' ]",
  ],
  [
    "list of paths",
    (value) => checks.checkStringList("x", value),
    "a",
    "TypeError: x must be a list of paths: 'a'",
  ],
];

describe("what is wrong is refused in so many words", () => {
  test.each(REFUSALS)("%s %#", (_, check, value, message) => {
    let refusal: unknown;
    try {
      check(value);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toBe(message);
  });
});

test("a huge value is not shown whole", () => {
  let message = "";
  try {
    checks.checkNumber("x", "y".repeat(1e6));
  } catch (error) {
    message = String(error);
  }
  expect(message).toMatch(/^TypeError: x must be a number: 'y{100}'\.\.\. /u);
  expect(message.length).toBeLessThan(200);
});
