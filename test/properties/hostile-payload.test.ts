/** Lock files made up at random, valid JSON or nearly so: what is read is what the format allows, no more. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { tokenOf } from "../../lib/lock/verdict/owner-token.js";
import { formatPayload, parsePayload, type LockPayload } from "../../lib/lock/protocol/payload.js";
import { runs } from "./runs.js";

const KEYS = [
  "pid",
  "createdAt",
  "maxHoldMs",
  "starttime",
  "owner",
  "nonce",
  "kernelLock",
  "guard",
  "monotonicMs",
  "label",
  "fileSystem",
  "verified",
  "lease",
] as const satisfies readonly (keyof LockPayload)[];
const PROTOTYPE_KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "toJSON",
  "hasOwnProperty",
];

/** JSON texts of one value: every literal is one that some reader has got wrong. */
const values = fc.oneof(
  fc.constantFrom(
    ..."0 -0 1 -1 7 1.5 1e400 -1e400 1E3 9007199254740991 9007199254740992 4294967296 true null {} []".split(
      " ",
    ),
    `{"pid":7}`,
    `[7]`,
    `"7"`,
    `"pi1.linux.-.-.-.-.7.-.-"`,
    `"1:2"`,
    `{"store":"s","key":"k","epoch":"7"}`,
    `{"store":"s","key":"\\ud800","epoch":"${"9".repeat(40)}"}`,
    `{"store":"s","key":"k","epoch":"${"9".repeat(41)}"}`,
    `{"store":"s","key":{},"epoch":"7"}`,
    `"ext"`,
    `"\\ud800"`,
    `"\\u0000"`,
    `"2026-06-01T12:00:00.000Z"`,
    `"${"x".repeat(30_000)}"`,
    "9".repeat(400),
    `${"[".repeat(5000)}${"]".repeat(5000)}`,
    `${'{"a":'.repeat(3000)}1${"}".repeat(3000)}`,
  ),
  fc.json(),
);
const members = fc
  .tuple(fc.constantFrom(...KEYS, ...PROTOTYPE_KEYS), values)
  .map(([key, value]) => `${JSON.stringify(key)}:${value}`);
/** Objects with keys given twice, in any order. */
const objects = fc.array(members, { maxLength: 12 }).map((some) => `{${some.join(",")}}`);
/** Those, damaged: cut short, or with bytes of another kind in between. */
const damaged = fc
  .tuple(
    objects.map((text) => Buffer.from(text)),
    fc.nat(),
    fc.uint8Array({ maxLength: 4 }),
    fc.constantFrom("cut", "insert", "mark", "utf16"),
  )
  .map(([bytes, position, other, how]) => {
    const at = position % (bytes.length + 1);
    if (how === "cut") return bytes.subarray(0, at);
    if (how === "mark") return Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]);
    if (how === "utf16") return Buffer.from(bytes.toString(), "utf16le");
    return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at)]);
  });

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isClaim(value: unknown): boolean {
  const { store, key, epoch } = value as Readonly<Record<string, unknown>>;
  return typeof store === "string" && typeof key === "string" && typeof epoch === "bigint";
}

const SHAPES: Readonly<Record<(typeof KEYS)[number], (value: unknown) => boolean>> = {
  pid: isPositive,
  createdAt: (value) => typeof value === "string",
  maxHoldMs: isPositive,
  starttime: (value) => isPositive(value) || value === 0,
  owner: (value) => typeof value === "string",
  nonce: (value) => typeof value === "string" && value !== "",
  kernelLock: (value) => typeof value === "string" && /^\d+:\d+$/u.test(value),
  monotonicMs: (value) => Number.isFinite(value),
  label: (value) => typeof value === "string",
  fileSystem: (value) => typeof value === "string" && /^[a-z0-9-]{1,32}$/u.test(value),
  guard: (value) => typeof value === "string",
  verified: (value) => value === true,
  lease: isClaim,
};

function isWellFormed(payload: LockPayload | null): boolean {
  if (payload === null) return true;
  return (
    Object.keys(payload).join() === KEYS.join() &&
    Object.getPrototypeOf(payload) === Object.prototype &&
    KEYS.every((key) => payload[key] === null || SHAPES[key](payload[key])) &&
    // What follows from it is total as well.
    ["string", "object"].includes(typeof tokenOf(payload))
  );
}

test("no object, however odd, gives a payload of another shape, and none changes a prototype", () => {
  const before = Object.getOwnPropertyNames(Object.prototype).join();
  fc.assert(
    fc.property(objects, (text) => {
      expect(isWellFormed(parsePayload(Buffer.from(text)))).toBe(true);
    }),
    runs(1000),
  );
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
});

test("no damage to the bytes gives a payload of another shape, and none changes a prototype", () => {
  fc.assert(
    fc.property(damaged, (bytes) => {
      expect(isWellFormed(parsePayload(bytes))).toBe(true);
    }),
    runs(1000),
  );
});

test("only own keys count: a payload means the same with any prototype keys added", () => {
  const extra = fc.array(
    fc
      .tuple(fc.constantFrom(...PROTOTYPE_KEYS), values)
      .map(([key, value]) => `"${key}":${value},`),
  );
  fc.assert(
    fc.property(extra, (keys) => {
      const plain = parsePayload(Buffer.from('{"pid":7,"nonce":"n"}'));
      expect(parsePayload(Buffer.from(`{${keys.join("")}"pid":7,"nonce":"n"}`))).toEqual(plain);
    }),
    runs(300),
  );
});

test("a payload that was understood survives being written and read again", () => {
  fc.assert(
    fc.property(objects, (text) => {
      const payload = parsePayload(Buffer.from(text));
      // A payload that says nothing at all is never written.
      fc.pre(payload !== null && KEYS.some((key) => payload[key] !== null));
      const again = parsePayload(Buffer.from(formatPayload(payload)));
      // A lone half of a surrogate pair has no UTF-8; JSON writes it as an escape, which survives.
      expect(again).toEqual({
        ...payload,
        // -0 is written as 0.
        monotonicMs: payload.monotonicMs === 0 ? 0 : payload.monotonicMs,
        starttime: payload.starttime === 0 ? 0 : payload.starttime,
      });
    }),
    runs(1000),
  );
});

test("an owner nested deeper than the stack makes the owner unknown, and nothing else", () => {
  const nested = `${"[".repeat(30_000)}${"]".repeat(30_000)}`;
  const payload = parsePayload(Buffer.from(`{"pid":7,"owner":${nested}}`));
  expect(payload?.pid).toBe(7);
  expect(payload === null ? null : tokenOf(payload)).toBe("malformed");
});
