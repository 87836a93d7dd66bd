import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  formatToken,
  INITIAL_PID_NAMESPACE,
  isOfOtherBoot,
  isOfSameHost,
  isSameBoot,
  parseToken,
  type ProcessToken,
  type TokenHost,
} from "../../lib/process/token.js";

const BOOT = "c707c71d3a604d30a4b83d7a1d0cb1c7";
const OTHER_BOOT = "0123456789abcdef0123456789abcdef";

const TOKEN: ProcessToken = {
  platform: "linux",
  hostDigest: "256f26e41ea79230",
  hostnameDigest: "409a294e",
  boot: BOOT,
  pidNamespace: INITIAL_PID_NAMESPACE,
  pid: 4711,
  startTime: 132119,
  exactId: "8812345",
};
const TEXT =
  "pi1.linux.256f26e41ea79230.409a294e.c707c71d3a604d30a4b83d7a1d0cb1c7.4026531836.4711.132119.8812345";

const hex = (length: number) =>
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdef")),
    minLength: length,
    maxLength: length,
  });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const tokens: fc.Arbitrary<ProcessToken> = fc.record({
  platform: fc.constantFrom("linux", "darwin", "win32", "android", "freebsd"),
  hostDigest: fc.option(hex(16)),
  hostnameDigest: fc.option(hex(8)),
  boot: fc.option(
    fc.string({
      unit: fc.constantFrom(...Array.from("0123456789abcxyz")),
      minLength: 1,
      maxLength: 40,
    }),
  ),
  pidNamespace: fc.option(uint64),
  pid: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  startTime: fc.option(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
  exactId: fc.option(uint64),
});

describe("the text of a token", () => {
  test("has nine fields in this order, for ever", () => {
    expect(formatToken(TOKEN)).toBe(TEXT);
    expect(parseToken(TEXT)).toEqual(TOKEN);
  });

  test("says - for unknown", () => {
    const unknown: ProcessToken = {
      platform: "win32",
      hostDigest: null,
      hostnameDigest: null,
      boot: null,
      pidNamespace: null,
      pid: 8,
      startTime: null,
      exactId: null,
    };
    expect(formatToken(unknown)).toBe("pi1.win32.-.-.-.-.8.-.-");
    expect(parseToken("pi1.win32.-.-.-.-.8.-.-")).toEqual(unknown);
  });

  test("survives the round trip, short and printable", () => {
    fc.assert(
      fc.property(tokens, (token) => {
        const text = formatToken(token);
        expect(parseToken(text)).toEqual(token);
        expect(text).toMatch(/^[!-~]{1,159}$/u);
      }),
      { numRuns: 500 },
    );
  });

  test("has one spelling only: what parses is what formats", () => {
    const mutated = fc
      .tuple(
        fc.nat({ max: TEXT.length }),
        fc.nat({ max: 2 }),
        fc.string({ unit: "binary", maxLength: 3 }),
      )
      .map(([at, cut, insert]) => TEXT.slice(0, at) + insert + TEXT.slice(at + cut));
    fc.assert(
      fc.property(mutated, (text) => {
        const token = parseToken(text);
        expect(token === null || formatToken(token) === text).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  const fields = TEXT.split(".");
  const withField = (index: number, value: string): string => fields.with(index, value).join(".");
  test.each([
    ["empty", ""],
    ["of a newer version", TEXT.replace("pi1", "pi2")],
    ["of version 01", TEXT.replace("pi1", "pi01")],
    ["in capitals", TEXT.toUpperCase()],
    ["a field short", fields.slice(0, 8).join(".")],
    ["a field long", `${TEXT}.1`],
    ["ended by a dot", `${TEXT}.`],
    ["ended by a newline", `${TEXT}\n`],
    ["padded", ` ${TEXT}`],
    ["without platform", withField(1, "-")],
    ["with an odd platform", withField(1, "lin ux")],
    ["with a short host", withField(2, "256f26e41ea7923")],
    ["with a host in capitals", withField(2, "256F26E41EA79230")],
    ["with a long hostname", withField(3, "409a294e0")],
    ["with dashes in the boot", withField(4, "c707c71d-3a60")],
    ["with an endless boot", withField(4, "a".repeat(41))],
    ["with a hexadecimal namespace", withField(5, "0xff")],
    ["without pid", withField(6, "-")],
    ["with pid 0", withField(6, "0")],
    ["with a negative pid", withField(6, "-4711")],
    ["with a leading zero", withField(6, "04711")],
    ["with a pid beyond 32 bits", withField(6, "4294967296")],
    ["with a fraction", withField(7, "1e3")],
    ["with an unsafe start time", withField(7, "9007199254740993")],
    ["with a huge start time", withField(7, "9".repeat(20))],
    ["with an exact id beyond 64 bits", withField(8, "18446744073709551616")],
    ["with an empty field", withField(8, "")],
    ["with Arabic digits", withField(6, "٤٧١١")],
    ["with a NUL", withField(8, "1\0")],
    ["huge", "pi1.".repeat(1e6)],
  ])("is not %s", (_, text) => {
    expect(parseToken(text)).toBeNull();
  });

  test.each([undefined, null, 1, true, 1n, Symbol("x"), {}, [], [TEXT], { toString: () => TEXT }])(
    "is not the value %s",
    (value) => {
      expect(parseToken(value)).toBeNull();
    },
  );

  test("no input makes the parser throw", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(parseToken(value)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });
});

test("a token's boot is ours only when both are known", () => {
  const host: TokenHost = { ...TOKEN, initialPidNamespace: true, isHostIdPinned: false };
  expect(isSameBoot(TOKEN, host)).toBe(true);
  expect(isSameBoot({ ...TOKEN, boot: OTHER_BOOT }, host)).toBe(false);
  expect(isSameBoot({ ...TOKEN, boot: null }, { ...host, boot: null })).toBe(false);
  expect(isSameBoot({ ...TOKEN, platform: "darwin" }, host)).toBe(false);
});

test("a token is of another boot only when both are known, on one platform", () => {
  const host: TokenHost = { ...TOKEN, initialPidNamespace: true, isHostIdPinned: false };
  expect(isOfOtherBoot({ ...TOKEN, boot: OTHER_BOOT }, host)).toBe(true);
  expect(isOfOtherBoot(TOKEN, host)).toBe(false);
  expect(isOfOtherBoot({ ...TOKEN, boot: null }, host)).toBe(false);
  expect(isOfOtherBoot(TOKEN, { ...host, boot: null })).toBe(false);
  expect(isOfOtherBoot({ ...TOKEN, boot: OTHER_BOOT, platform: "darwin" }, host)).toBe(false);
});

test("two unknown machines are not the same one", () => {
  expect(isOfSameHost({ hostDigest: "a" }, { hostDigest: "a" })).toBe(true);
  expect(isOfSameHost({ hostDigest: "a" }, { hostDigest: "b" })).toBe(false);
  expect(isOfSameHost({ hostDigest: null }, { hostDigest: null })).toBe(false);
});
