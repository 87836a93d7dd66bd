import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  formatNumber,
  hasMark,
  type MarkedFile,
  markedTime,
  numberIn,
} from "../../../lib/lock/protocol/number-file.js";

// 8:1 is a disk's device (major 8); 0:38, like all with the major 0, is none's.
const ON_DISK: MarkedFile = { fileId: `${String(8 * 256 + 1)}:1042`, pid: 4711, boot: "b1" };
const ANONYMOUS: MarkedFile = { fileId: "38:1042", pid: 4711, boot: "b1" };

const NOW_MS = Date.UTC(2026, 0, 1);

/** What stat(2) says of a file that was given such a time, and its change time then. */
function timesAt(seconds: number): { mtimeNs: bigint; ctimeNs: bigint } {
  return { mtimeNs: BigInt(Math.trunc(seconds * 1e9)), ctimeNs: BigInt(NOW_MS) * 1_000_000n };
}

function markedAt(file: MarkedFile, platform = "linux", nowMs = NOW_MS): number {
  const time = markedTime(file, platform, nowMs);
  if (time === null) throw new Error("no mark");
  return time;
}

test.each([
  ["1\n", 1],
  ["4711\n", 4711],
  ["4294967295\n", 4_294_967_295],
  ["4711", null],
  ["4711\r\n", null],
  [" 4711\n", null],
  ["04711\n", null],
  ["0\n", null],
  ["-1\n", null],
  ["4711\n\n", null],
  ["", null],
  ["99999999999\n", null],
])("only what this package writes counts as its own number: %j", (text, pid) => {
  expect(numberIn(Buffer.from(text))).toBe(pid);
});

test("a number that is written is read back", () => {
  expect(numberIn(Buffer.from(formatNumber(4711)))).toBe(4711);
});

test("a mark is found again whatever a runtime makes of a fraction of a second, and lies in the second before", () => {
  const files = fc.record({
    fileId: fc
      .tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n))
      .map(([dev, ino]) => `${String(dev)}:${String(ino)}`),
    pid: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    boot: fc.string({ minLength: 1 }),
  });
  const clocks = fc.integer({ min: 1000, max: Date.UTC(2100, 0, 1) });
  fc.assert(
    fc.property(
      files,
      clocks,
      fc.constantFrom("linux", "darwin", "win32"),
      (file, nowMs, platform) => {
        const time = markedAt(file, platform, nowMs);
        expect(time * 1000).toBeLessThanOrEqual(nowMs);
        expect(time * 1000).toBeGreaterThan(nowMs - 1001);
        const ctimeNs = BigInt(nowMs) * 1_000_000n + 1n;
        const asDouble =
          BigInt(Math.trunc(time)) * 10n ** 9n + BigInt(Math.trunc((time % 1) * 1e9));
        const inMicroseconds = BigInt(Math.trunc(time * 1e6)) * 1000n;
        const inHundredths = (asDouble / 100n) * 100n;
        // libuv's TIME_T_TO_FILETIME and back.
        const since1601 = BigInt(Math.trunc(time * 10_000_000 + 116_444_736_000_000_000));
        const fromFileTime = (since1601 - 116_444_736_000_000_000n) * 100n;
        const ofPlatform = platform === "win32" ? fromFileTime : inHundredths;
        for (const mtimeNs of [asDouble, inMicroseconds, ofPlatform]) {
          expect(hasMark(file, platform, { mtimeNs, ctimeNs })).toBe(true);
        }
      },
    ),
  );
});

test.each([
  [ON_DISK, "linux", 692_588],
  [ANONYMOUS, "linux", 732_419],
  // Its grain is ten.
  [ON_DISK, "win32", 92_588],
])(
  "a mark is what it is for other versions, which read the same files: %j on %s",
  (file, platform, mark) => {
    const microseconds = (markedAt(file, platform) % 1) * 1e6;
    expect(Math.floor(microseconds / (platform === "win32" ? 10 : 1))).toBe(mark);
  },
);

test("a mark may lie at this very moment", () => {
  // Twice: then it is a number that a double holds.
  const time = markedAt(ON_DISK, "linux", markedAt(ON_DISK) * 1000);
  expect(markedAt(ON_DISK, "linux", time * 1000)).toBe(time);
});

describe("a mark is for one file only", () => {
  test.each<[string, Partial<MarkedFile>]>([
    ["another inode", { fileId: "2049:1043" }],
    ["another device", { fileId: "2050:1042" }],
    ["another pid", { pid: 4712 }],
  ])("a mark is for one file only, not for %s", (_what, other) => {
    const times = timesAt(markedAt(ON_DISK));
    expect(hasMark(ON_DISK, "linux", times)).toBe(true);
    expect(hasMark({ ...ON_DISK, ...other }, "linux", times)).toBe(false);
  });

  test("a mark on a disk holds in another boot, one on a device that is no disk's does not", () => {
    const times = timesAt(markedAt(ON_DISK));
    expect(hasMark({ ...ON_DISK, boot: "b2" }, "linux", times)).toBe(true);
    const anonymous = timesAt(markedAt(ANONYMOUS));
    expect(hasMark(ANONYMOUS, "linux", anonymous)).toBe(true);
    expect(hasMark({ ...ANONYMOUS, boot: "b2" }, "linux", anonymous)).toBe(false);
    expect(hasMark({ ...ANONYMOUS, boot: null }, "linux", anonymous)).toBe(false);
  });

  test("without a boot's id a device that is no disk's gives no mark", () => {
    expect(markedTime({ ...ANONYMOUS, boot: null }, "linux", NOW_MS)).toBeNull();
    expect(markedTime({ ...ON_DISK, boot: null }, "linux", NOW_MS)).not.toBeNull();
  });
});

test("a file that was only written has no mark, even with the right microseconds", () => {
  const { mtimeNs } = timesAt(markedAt(ON_DISK));
  expect(hasMark(ON_DISK, "linux", { mtimeNs, ctimeNs: mtimeNs })).toBe(false);
});

test("times before the epoch are no mark by accident of their sign", () => {
  const { mtimeNs, ctimeNs } = timesAt(markedAt(ON_DISK));
  const before = mtimeNs - 10n ** 9n * (mtimeNs / 10n ** 9n + 1n);
  expect(before).toBeLessThan(0n);
  expect(hasMark(ON_DISK, "linux", { mtimeNs: before, ctimeNs })).toBe(true);
  expect(hasMark(ON_DISK, "linux", { mtimeNs: before + 1000n, ctimeNs })).toBe(false);
});
