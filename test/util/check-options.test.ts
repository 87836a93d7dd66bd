// Which keys an options object may have; what their values must be is in ../inputs.
import { expect, test } from "vitest";

import {
  checkArgument,
  checkFields,
  checkOptions,
  checkRequiredOptions,
} from "../../lib/util/check-options.js";
import { checkBoolean, checkCount, optional } from "../../lib/util/check-values.js";
import { quote } from "../../lib/util/printable.js";

const CHECKS = {
  timeoutMs: optional(checkCount),
  staleMs: optional(checkCount),
  isOwnerArgv: optional(checkBoolean),
  path: checkBoolean,
};

function refusalOf(check: () => void): unknown {
  try {
    check();
  } catch (error) {
    const { name, message, code } = error as Error & { readonly code?: unknown };
    return { name, message, code };
  }
  return null;
}

test.each([
  ["timeoutms", 'did you mean "timeoutMs"?'],
  ["timeout", 'did you mean "timeoutMs"?'],
  ["stale", 'did you mean "staleMs"?'],
  ["StaleMS", 'did you mean "staleMs"?'],
  ["isOwnerArgs", 'did you mean "isOwnerArgv"?'],
  ["retries", "known are timeoutMs, staleMs, isOwnerArgv, path"],
  ["x".repeat(100_000), "known are timeoutMs, staleMs, isOwnerArgv, path"],
  ["toString", "known are timeoutMs, staleMs, isOwnerArgv, path"],
  ["a\nb\u202e", "known are timeoutMs, staleMs, isOwnerArgv, path"],
])("the key %j is refused", (key, remedy) => {
  expect(refusalOf(() => checkOptions({ [key]: undefined }, CHECKS))).toEqual({
    name: "TypeError",
    message: `options has no option ${quote(key)}: ${remedy}`,
    code: "ERR_UNKNOWN_OPTION",
  });
});

test("a key __proto__ of the object itself is refused like any unknown key", () => {
  const options: unknown = JSON.parse('{"path": true, "__proto__": 1}');
  expect(refusalOf(() => checkOptions(options, CHECKS))).toMatchObject({
    code: "ERR_UNKNOWN_OPTION",
  });
});

test("values of known keys are checked, inherited ones too", () => {
  const inherited = Object.create({ path: true, timeoutMs: -1 }) as object;
  expect(refusalOf(() => checkOptions(inherited, CHECKS))).toMatchObject({
    name: "RangeError",
    message: "options.timeoutMs must be an integer of 0 or more, got -1",
    code: "ERR_OUT_OF_RANGE",
  });
  expect(refusalOf(() => checkOptions({ path: true, timeoutMs: 1 }, CHECKS))).toBeNull();
});

test("an object that must be given is missed, and one that may be absent is not", () => {
  expect(refusalOf(() => checkOptions({}, CHECKS))).toMatchObject({
    message: "options.path must be a boolean, got undefined",
  });
  expect(refusalOf(() => checkOptions(undefined, CHECKS))).toBeNull();
  expect(refusalOf(() => checkRequiredOptions(undefined, CHECKS))).toMatchObject({
    message: "options must be an object, got undefined",
    code: "ERR_INVALID_ARG_TYPE",
  });
  expect(refusalOf(() => checkOptions(null, CHECKS))).toMatchObject({
    message: "options must be an object, got null",
  });
});

test("facts may say more than is asked for", () => {
  expect(refusalOf(() => checkFields({ path: true, more: 1 }, CHECKS, "input"))).toBeNull();
  expect(refusalOf(() => checkFields({ path: 1 }, CHECKS, "input"))).toMatchObject({
    message: "input.path must be a boolean, got 1",
  });
});

test.each([
  // A third of its letters may be wrong, and two of a short one.
  ["abcxyf", ["abcdef"], "abcdef"],
  ["abxyzf", ["abcdef"], null],
  ["xyzdefghi", ["abcdefghi"], "abcdefghi"],
  ["wxyzefghi", ["abcdefghi"], null],
  ["ab", ["abcd"], "abcd"],
  ["ab", ["abcde"], null],
  // Of several the nearest, of those the first.
  ["abcdx", ["abcde", "abcdf"], "abcde"],
  ["abcdf", ["abcxf", "abcde"], "abcxf"],
  ["abcdefx", ["abcdyyx", "abcdeyx"], "abcdeyx"],
  // A part of four letters says enough, one of three does not.
  ["ownr", ["isownrargv"], "isownrargv"],
  ["own", ["isownerargv"], null],
])("of a key %j and the options %j the nearest one is %j", (key, known, nearest) => {
  const checks = Object.fromEntries(known.map((name) => [name, optional(checkCount)]));
  const remedy = nearest === null ? `known are ${known.join(", ")}` : `did you mean "${nearest}"?`;
  expect(refusalOf(() => checkOptions({ [key]: 1 }, checks))).toMatchObject({
    message: `options has no option "${key}": ${remedy}`,
  });
});

test("a list is no options object, and what refuses to be looked at is said to do so", () => {
  expect(refusalOf(() => checkOptions([], CHECKS))).toMatchObject({
    message: "options must be an object, got []",
    code: "ERR_INVALID_ARG_TYPE",
  });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(refusalOf(() => checkOptions(proxy, CHECKS, "settings"))).toMatchObject({
    message: expect.stringMatching(/^settings must be readable, got an error from it: /) as string,
    code: "ERR_INVALID_ARG_VALUE",
  });
  const throwing = {
    get path(): boolean {
      throw new Error("not today");
    },
  };
  expect(refusalOf(() => checkFields(throwing, CHECKS, "input"))).toMatchObject({
    message: "input.path must be readable, got an error from it: not today",
  });
  expect(refusalOf(() => checkFields(null, CHECKS, "input"))).toMatchObject({
    message: "input must be an object, got null",
  });
});

test("an argument by itself is checked like a field", () => {
  expect(refusalOf(() => checkArgument("count", 1, checkCount))).toBeNull();
  expect(refusalOf(() => checkArgument("count", -1, checkCount))).toMatchObject({
    message: "count must be an integer of 0 or more, got -1",
  });
  const failing = (): never => {
    throw new Error("not today");
  };
  expect(refusalOf(() => checkArgument("count", 1, failing))).toMatchObject({
    message: "count must be readable, got an error from it: not today",
    code: "ERR_INVALID_ARG_VALUE",
  });
});
