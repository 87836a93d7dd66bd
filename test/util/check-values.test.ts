/** What each check of a value takes and refuses, at its edges. Which parameter has which check: ../inputs. */
import { describe, expect, test } from "vitest";

import * as checks from "../../lib/util/check-values.js";
import { LONGEST_DELAY_MS } from "../../lib/util/timers.js";

const refusalOf = (check: checks.Check, value: unknown): unknown => {
  try {
    check("field", value);
  } catch (error) {
    const { message, code } = error as { readonly message: string; readonly code: string };
    return { message, code };
  }
  return null;
};

interface Row {
  readonly check: checks.Check;
  readonly expected: string;
  readonly takes: readonly unknown[];
  /** Of the right type. */
  readonly outOfRange?: readonly unknown[];
  readonly wrongType: readonly unknown[];
}

const NO_NUMBERS = [undefined, null, "1", 1n, true, {}];
const POLYFILLED_SIGNAL = {
  aborted: false,
  addEventListener: () => {},
  removeEventListener: () => {},
};
const MORE_THAN_SAFE = 2 ** 53;

const ROWS: readonly Row[] = [
  {
    check: checks.checkBoolean,
    expected: "a boolean",
    takes: [true, false],
    wrongType: [undefined, 0, "true"],
  },
  {
    check: checks.checkTimeout,
    expected: "an integer of 0 or more milliseconds, or Infinity",
    takes: [0, 1, MORE_THAN_SAFE, Infinity],
    outOfRange: [-1, 0.5, Number.NaN, -Infinity],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkDuration,
    expected: "an integer of 1 or more milliseconds",
    takes: [1, Number.MAX_SAFE_INTEGER],
    outOfRange: [0, -1, 1.5, Number.NaN, Infinity, MORE_THAN_SAFE],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkDurationOrInfinity,
    expected: "an integer of 1 or more milliseconds, or Infinity",
    takes: [1, Infinity],
    outOfRange: [0, 1.5, Number.NaN, -Infinity],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkSlice,
    expected: "0 or more milliseconds",
    takes: [0, 0.5, Infinity],
    outOfRange: [-0.5, Number.NaN],
    wrongType: [],
  },
  {
    check: checks.checkAge,
    expected: "0 or more milliseconds",
    takes: [0, 0.5, Infinity],
    outOfRange: [-0.5, Number.NaN],
    wrongType: [],
  },
  {
    check: checks.checkEpochMs,
    expected: "milliseconds since the Unix epoch",
    takes: [0, -1.5, 1e12],
    outOfRange: [Infinity, -Infinity, Number.NaN],
    wrongType: [],
  },
  {
    check: checks.checkClockMs,
    expected: "milliseconds",
    takes: [0, -1.5, 1e12],
    outOfRange: [Infinity, -Infinity, Number.NaN],
    wrongType: [],
  },
  {
    check: checks.checkTimerInterval,
    expected: `from 1 to ${String(LONGEST_DELAY_MS)} milliseconds`,
    takes: [1, 1.5, LONGEST_DELAY_MS],
    outOfRange: [0.5, LONGEST_DELAY_MS + 1, Infinity, Number.NaN],
    wrongType: [],
  },
  {
    check: checks.checkNumber,
    expected: "a number",
    takes: [0, -1, Number.NaN, Infinity],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkCount,
    expected: "an integer of 0 or more",
    takes: [0, 1, Number.MAX_SAFE_INTEGER],
    outOfRange: [-1, 0.5, Infinity, MORE_THAN_SAFE],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkBigInt,
    expected: "a bigint",
    takes: [0n, -1n],
    wrongType: [undefined, 0, "0"],
  },
  {
    check: checks.checkPositiveInteger,
    expected: "an integer of 1 or more",
    takes: [1, Number.MAX_SAFE_INTEGER],
    outOfRange: [0, 1.5, Infinity, MORE_THAN_SAFE],
    wrongType: NO_NUMBERS,
  },
  {
    check: checks.checkSignal,
    expected: "an AbortSignal",
    takes: [new AbortController().signal, POLYFILLED_SIGNAL],
    wrongType: [
      undefined,
      null,
      {},
      { ...POLYFILLED_SIGNAL, aborted: undefined },
      { ...POLYFILLED_SIGNAL, addEventListener: undefined },
      { ...POLYFILLED_SIGNAL, removeEventListener: undefined },
    ],
  },
  {
    check: checks.checkIterable,
    expected: "an iterable of numbers",
    takes: [[], new Set([1]), new Uint8Array(1)],
    wrongType: [undefined, null, "12", 12, {}, { length: 1 }],
  },
  {
    check: checks.checkObject,
    expected: "an object",
    takes: [{}, []],
    wrongType: [undefined, null, "", () => {}],
  },
  {
    check: checks.checkName,
    expected: "a string that is not empty",
    takes: ["a", " "],
    wrongType: ["", undefined, 1, ["a"]],
  },
  {
    check: checks.checkString,
    expected: "a string",
    takes: ["", "a"],
    wrongType: [undefined, null, 1, ["a"]],
  },
  {
    check: checks.checkBuffer,
    expected: "a Buffer",
    takes: [Buffer.alloc(0)],
    wrongType: [undefined, new Uint8Array(1), ""],
  },
  {
    check: checks.checkTextOrBytes,
    expected: "a string or a Uint8Array",
    takes: ["", new Uint8Array(1), Buffer.alloc(1)],
    wrongType: [undefined, 1, [1], new ArrayBuffer(1)],
  },
  {
    check: checks.checkFunction,
    expected: "a function",
    takes: [() => {}, Buffer],
    wrongType: [undefined, {}, "f"],
  },
];

describe.each(ROWS.map((row) => [row.check.name, row] as const))("%s", (_, row) => {
  const { check, expected, takes, outOfRange = [], wrongType } = row;

  test("takes what it is for", () => {
    for (const value of takes) expect(refusalOf(check, value), String(value)).toBeNull();
  });

  test("says of everything else what was expected", () => {
    for (const [values, code] of [
      [outOfRange, "ERR_OUT_OF_RANGE"],
      [wrongType, "ERR_INVALID_ARG_TYPE"],
    ] as const) {
      for (const value of values) {
        expect(refusalOf(check, value), String(value)).toEqual({
          message: expect.stringContaining(`field must be ${expected}, got `) as string,
          code,
        });
      }
    }
  });
});

test("numbers in time are refused as numbers where they are none", () => {
  const { checkSlice, checkAge, checkEpochMs, checkClockMs, checkTimerInterval } = checks;
  for (const check of [checkSlice, checkAge, checkEpochMs, checkClockMs, checkTimerInterval]) {
    for (const value of NO_NUMBERS) {
      expect(refusalOf(check, value)).toMatchObject({
        message: expect.stringContaining("field must be a number, got ") as string,
      });
    }
  }
});

test("what may be absent or null is checked where it is there", () => {
  const { optional, nullable, checkBoolean, unchecked } = checks;
  const refused = { code: "ERR_INVALID_ARG_TYPE" };
  expect(refusalOf(optional(checkBoolean), undefined)).toBeNull();
  expect(refusalOf(optional(checkBoolean), null)).toMatchObject(refused);
  expect(refusalOf(optional(checkBoolean), 1)).toMatchObject(refused);
  expect(refusalOf(nullable(checkBoolean), null)).toBeNull();
  expect(refusalOf(nullable(checkBoolean), undefined)).toMatchObject(refused);
  expect(refusalOf(nullable(checkBoolean), 1)).toMatchObject(refused);
  expect(refusalOf(unchecked, 1)).toBeNull();
});

describe("checkLog", () => {
  const callable = Object.assign(() => {}, { warn: () => {} });
  test("takes whatever has a function warn, or none", () => {
    for (const log of [console, callable, { warn: () => {} }, {}, () => {}]) {
      expect(refusalOf(checks.checkLog, log)).toBeNull();
    }
  });

  test("refuses what is no object, and a warn that is no function", () => {
    for (const log of [undefined, null, "console", 1]) {
      expect(refusalOf(checks.checkLog, log)).toMatchObject({
        message: expect.stringContaining(
          "field must be an object with a function warn, such as console, got ",
        ) as string,
      });
    }
    expect(refusalOf(checks.checkLog, { warn: 1 })).toEqual({
      message: "field.warn must be a function, got 1",
      code: "ERR_INVALID_ARG_TYPE",
    });
  });
});

test("a label is short in bytes, not in characters", () => {
  const { checkLabel } = checks;
  expect(refusalOf(checkLabel, "")).toBeNull();
  expect(refusalOf(checkLabel, "x".repeat(1024))).toBeNull();
  expect(refusalOf(checkLabel, "ü".repeat(512))).toBeNull();
  expect(refusalOf(checkLabel, "ü".repeat(513))).toEqual({
    message: expect.stringContaining(
      "field must be at most 1024 bytes long as UTF-8, not 1026, got ",
    ) as string,
    code: "ERR_OUT_OF_RANGE",
  });
  expect(refusalOf(checkLabel, 1)).toMatchObject({ message: "field must be a string, got 1" });
});

test("a list of texts names the one that is none", () => {
  const { checkTexts } = checks;
  expect(refusalOf(checkTexts, [])).toBeNull();
  expect(refusalOf(checkTexts, ["a", ""])).toBeNull();
  expect(refusalOf(checkTexts, "a")).toMatchObject({
    message: "field must be an array of strings, got 'a'",
  });
  expect(refusalOf(checkTexts, ["a", 1])).toMatchObject({
    message: "field[1] must be a string, got 1",
  });
});

describe("a path", () => {
  const { checkPath, checkPathList } = checks;
  const AT_FAULT = "a file path (string or URL) that is not empty and has no NUL bytes";

  test("is a text or a file: URL that names something", () => {
    for (const path of ["a", "/a", new URL("file:///C:/a")]) {
      expect(refusalOf(checkPath, path)).toBeNull();
    }
  });

  test("is refused when it is empty or has a NUL byte, escaped ones included", () => {
    for (const path of ["", "a\0b", new URL("file:///C:/a%00b")]) {
      expect(refusalOf(checkPath, path)).toEqual({
        message: expect.stringContaining(`field must be ${AT_FAULT}, got `) as string,
        code: "ERR_OUT_OF_RANGE",
      });
    }
    expect(refusalOf(checkPath, new URL("file:///C:/a%00b"))).toMatchObject({
      message: expect.stringContaining("got 'file:///C:/a%00b'") as string,
    });
  });

  test("is refused when it is neither", () => {
    for (const path of [undefined, null, 1, {}, Buffer.from("a")]) {
      expect(refusalOf(checkPath, path)).toMatchObject({
        message: expect.stringContaining(
          "field must be a file path (string or URL), got ",
        ) as string,
        code: "ERR_INVALID_ARG_TYPE",
      });
    }
    expect(refusalOf(checkPath, new URL("https://a.example/"))).toMatchObject({
      message: "field must be a file path (string or file: URL), got 'https://a.example/'",
    });
  });

  test("of a list is named by its place", () => {
    expect(refusalOf(checkPathList, [])).toBeNull();
    expect(refusalOf(checkPathList, ["a", "/b"])).toBeNull();
    expect(refusalOf(checkPathList, "a")).toMatchObject({
      message: "field must be an array of file paths, got 'a'",
    });
    expect(refusalOf(checkPathList, ["a", ""])).toMatchObject({
      message: `field[1] must be ${AT_FAULT}, got ''`,
    });
  });
});

test("one of several names is told all of them", () => {
  const check = checks.checkOneOf(["judge", "keep"]);
  expect(refusalOf(check, "judge")).toBeNull();
  expect(refusalOf(check, "keep")).toBeNull();
  expect(refusalOf(check, "other")).toEqual({
    message: "field must be one of judge, keep, got 'other'",
    code: "ERR_INVALID_ARG_TYPE",
  });
});
