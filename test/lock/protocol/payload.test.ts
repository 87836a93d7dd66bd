import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  checkPayloadSize,
  formatPayload,
  formatPublished,
  MAX_LOCK_BYTES,
  parsePayload,
  plainPayload,
  type LockPayload,
} from "../../../lib/lock/protocol/payload.js";
import { runs } from "../../properties/runs.js";

const EMPTY: LockPayload = {
  pid: null,
  createdAt: null,
  maxHoldMs: null,
  starttime: null,
  owner: null,
  nonce: null,
  kernelLock: null,
  monotonicMs: null,
  label: null,
  fileSystem: null,
  guard: null,
  verified: null,
  lease: null,
};

function parse(text: string): LockPayload | null {
  return parsePayload(Buffer.from(text));
}

describe("bytes without a payload", () => {
  test.each([
    ["empty file", ""],
    ["white space", " \n"],
    ["JSON null", "null"],
    ["half an object", '{"pid": 12'],
    ["a file of zeros, as after a power cut", "\0".repeat(300)],
    ["an array", "[1]"],
    ["a number", "42"],
    ["a string", '"pid"'],
    ["brackets 60 000 deep", "[".repeat(60_000)],
  ])("bytes without a payload give null: %s", (_name, text) => {
    expect(parse(text)).toBeNull();
  });
});

describe("fields of the wrong shape count as absent", () => {
  test.each([
    ["pid", "0"],
    ["pid", "-1"],
    ["pid", "1.5"],
    ["pid", '"12"'],
    ["pid", "1e400"],
    ["pid", "9007199254740993"],
    ["pid", "true"],
    ["pid", "[12]"],
    ["createdAt", "12"],
    ["createdAt", "null"],
    ["maxHoldMs", "0"],
    ["maxHoldMs", "-5"],
    ["maxHoldMs", "1.5"],
    ["starttime", "-1"],
    ["starttime", "0.5"],
    ["starttime", '"7"'],
    ["nonce", "7"],
    ["nonce", '""'],
    ["kernelLock", '"12"'],
    ["kernelLock", '"12:"'],
    ["kernelLock", '"a:b"'],
    ["kernelLock", '"1:2:3"'],
    ["kernelLock", '["1:2"]'],
    ["monotonicMs", '"7"'],
    ["monotonicMs", "1e999"],
    ["label", "{}"],
    ["fileSystem", "7"],
    ["fileSystem", '""'],
    ["fileSystem", '"Ext"'],
    ["fileSystem", '"a b"'],
    ["fileSystem", `"${"x".repeat(33)}"`],
    ["fileSystem", '"ext\\n"'],
    ["lease", "null"],
    ["lease", '"x"'],
    ["lease", "[]"],
    ["lease", '{"store":"s","key":"k"}'],
    ["lease", '{"store":"s","key":"k","epoch":7}'],
    ["lease", '{"store":"s","key":"k","epoch":"07"}'],
    ["lease", '{"store":"s","key":"k","epoch":"-7"}'],
    ["lease", '{"store":7,"key":"k","epoch":"7"}'],
    ["lease", '{"store":"s","key":7,"epoch":"7"}'],
    ["lease", '{"store":"","key":"k","epoch":"7"}'],
    ["lease", '{"store":"s","key":"","epoch":"7"}'],
    ["verified", "false"],
    ["verified", "1"],
    ["verified", '"true"'],
    ["verified", "null"],
  ])("a field of the wrong shape counts as absent: %s: %s", (key, value) => {
    expect(parse(`{"${key}": ${value}}`)).toEqual(EMPTY);
  });
});

test("a start time of 0 is a start time", () => {
  expect(parse('{"starttime": 0}')?.starttime).toBe(0);
});

test.each([["5"], ["null"], ["{}"], ['""'], ['"pi1.nonsense"']])(
  "an owner of any shape is present: %s",
  (value) => {
    expect(parse(`{"owner": ${value}}`)?.owner).not.toBeNull();
  },
);

test("an owner that is no text stands for no token, not for an empty one", () => {
  expect(parse('{"owner": 5}')?.owner).toMatch(/./u);
});

test("of duplicate keys the last counts, as for every JSON reader", () => {
  expect(parse('{"pid": 1, "pid": 2}')?.pid).toBe(2);
});

test("keys of a prototype name no process", () => {
  expect(parse('{"__proto__": {"pid": 1}, "constructor": {"pid": 2}}')).toEqual(EMPTY);
});

test("a byte order mark hides no owner", () => {
  expect(parse('\uFEFF{"pid": 12}')?.pid).toBe(12);
});

test.each<[bytes: readonly number[], pid: number | undefined]>([
  [[0xef, 0xbb, 0xbf], 12],
  [[0xef, 0xbb, 0x20], undefined],
  [[0xef, 0x20, 0xbf], undefined],
  [[0x20, 0xbb, 0xbf], undefined],
])("only a whole byte order mark is one: %j before an object", (bytes, pid) => {
  const text = Buffer.from('{"pid": 12}');
  expect(parsePayload(Buffer.concat([Buffer.from(bytes), text]))?.pid).toBe(pid);
});

test("bytes of a byte order mark within an object are its own", () => {
  expect(parsePayload(Buffer.from('{"\xBF": 1, "pid": 12}', "latin1"))?.pid).toBe(12);
});

test("a plain lock of another writer is read", () => {
  const text = '{"pid":12,"createdAt":"2026-01-02T03:04:05.678Z","maxHoldMs":5,"starttime":9}';
  expect(parse(text)).toEqual({
    ...EMPTY,
    pid: 12,
    createdAt: "2026-01-02T03:04:05.678Z",
    maxHoldMs: 5,
    starttime: 9,
  });
});

test("a plain lock says a pid, perhaps when it was taken and when its owner started, and nothing else", () => {
  expect(plainPayload(12, {})).toEqual({ ...EMPTY, pid: 12 });
  const facts = { createdAt: "2026-01-02T03:04:05.678Z", starttime: 9 };
  expect(plainPayload(12, facts)).toEqual({ ...EMPTY, pid: 12, ...facts });
});

test("without any key an object is written all the same", () => {
  expect(formatPayload(EMPTY)).toBe("{}\n");
});

test("what the publisher adds is what the publisher says, and all else what the holder says", () => {
  const added = {
    nonce: "n",
    kernelLock: "1:2",
    guard: "inode",
    fileSystem: "ext",
    verified: null,
  };
  const said: LockPayload = { ...EMPTY, pid: 12, nonce: "another", label: "run 7" };
  const text = formatPublished(said, added);
  expect(parse(text)).toEqual({ ...EMPTY, pid: 12, label: "run 7", ...added });
});

test("a payload's keys are written in the documented order, two-space indented, absent ones left out", () => {
  const text = formatPayload({
    ...EMPTY,
    verified: true,
    fileSystem: "9p",
    label: "run 7",
    pid: 12,
    nonce: "n",
    createdAt: "2026-01-02T03:04:05.678Z",
    maxHoldMs: 300_000,
  });
  expect(text).toBe(
    [
      "{",
      '  "pid": 12,',
      '  "createdAt": "2026-01-02T03:04:05.678Z",',
      '  "maxHoldMs": 300000,',
      '  "nonce": "n",',
      '  "label": "run 7",',
      '  "fileSystem": "9p",',
      '  "verified": true',
      "}",
      "",
    ].join("\n"),
  );
});

test("every key of a payload has its place", () => {
  const whole: LockPayload = {
    pid: 12,
    createdAt: "2026-01-02T03:04:05.678Z",
    maxHoldMs: 5,
    starttime: 9,
    owner: "pi1.x",
    nonce: "n",
    kernelLock: "1:2",
    monotonicMs: 7,
    label: "run 7",
    fileSystem: "ext",
    guard: "inode",
    verified: true,
    lease: { store: "9f", key: "/data/s.jsonl", epoch: 2n ** 70n },
  };
  const written = { ...whole, lease: { ...whole.lease, epoch: String(2n ** 70n) } };
  expect(formatPayload(whole)).toBe(`${JSON.stringify(written, null, 2)}\n`);
});

const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary);

test("a payload that was written is read back", () => {
  const payloads = fc.record({
    pid: maybe(positive),
    createdAt: maybe(fc.string({ unit: "binary" })),
    maxHoldMs: maybe(positive),
    starttime: maybe(fc.nat()),
    owner: maybe(fc.string()),
    nonce: maybe(fc.string({ minLength: 1 })),
    kernelLock: maybe(fc.tuple(fc.nat(), fc.nat()).map(([dev, ino]) => `${dev}:${ino}`)),
    monotonicMs: maybe(fc.double({ noNaN: true, noDefaultInfinity: true })),
    label: maybe(fc.string({ unit: "grapheme" })),
    fileSystem: maybe(fc.constantFrom("ext", "9p", "ntfs3", "x".repeat(32))),
    guard: maybe(fc.string()),
    verified: maybe(fc.constant(true as const)),
    lease: maybe(
      fc.record({
        store: fc.string({ minLength: 1 }),
        key: fc.string({ minLength: 1 }),
        epoch: fc.bigInt(0n, 2n ** 64n),
      }),
    ),
  });
  fc.assert(
    fc.property(payloads, (payload) => {
      // -0 is written as 0, which is the same time.
      const expected = {
        ...payload,
        monotonicMs: payload.monotonicMs === 0 ? 0 : payload.monotonicMs,
      };
      expect(parse(formatPayload(payload))).toEqual(expected);
    }),
    runs(100),
  );
});

test("no bytes make the reader of payloads throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const payload = parsePayload(Buffer.from(bytes));
      expect(payload === null || typeof payload === "object").toBe(true);
    }),
    runs(100),
  );
  fc.assert(
    fc.property(fc.json(), (text) => {
      const payload = parse(text);
      expect(payload?.pid ?? 1).toBeGreaterThan(0);
    }),
    runs(100),
  );
});

describe("a lock that readers would call unreadable is refused", () => {
  const lease = { store: "s", key: "k", epoch: 7n };

  test("from the first byte too many on", () => {
    expect(MAX_LOCK_BYTES).toBe(65_536);
    const check = (length: number): unknown => {
      try {
        checkPayloadSize({ ...EMPTY, label: "x".repeat(length) });
        return null;
      } catch (error) {
        return error;
      }
    };
    // What the publisher may add depends on the version: about a quarter of a kilobyte.
    let length = MAX_LOCK_BYTES;
    while (check(length) !== null) length--;
    expect(length).toBeGreaterThan(MAX_LOCK_BYTES - 1024);
    expect(check(length + 1)).toMatchObject({
      name: "RangeError",
      code: "ERR_OUT_OF_RANGE",
      message: "lock must have at most 65536 bytes, its label is to blame: 65537",
    });
  });

  test.each<[what: string, draft: Partial<LockPayload>]>([
    ["label", { label: "x".repeat(MAX_LOCK_BYTES) }],
    ["owner", { owner: "x".repeat(MAX_LOCK_BYTES) }],
    ["lease's key", { lease: { ...lease, key: "x".repeat(MAX_LOCK_BYTES) } }],
    ["lease's store", { lease: { ...lease, store: "x".repeat(MAX_LOCK_BYTES) } }],
    ["label of characters that JSON escapes, six bytes each", { label: "\u0001".repeat(10_900) }],
  ])("for its %s", (_what, draft) => {
    expect(() => checkPayloadSize({ ...EMPTY, ...draft })).toThrow(RangeError);
  });

  test("and one as large as one can be is not", () => {
    expect(() =>
      checkPayloadSize({ ...EMPTY, label: "\u0001".repeat(10_000), lease }),
    ).not.toThrow();
  });
});
