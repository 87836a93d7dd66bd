import { describe, expect, test } from "vitest";

import { pidInFirstLine, readAnyPid, readOtherContent } from "../../lib/file-lock/other-content.js";

const read = (text: string): unknown => readOtherContent(Buffer.from(text, "latin1"), 0);

test.each([
  ["4711", 4711],
  ["4711\n", 4711],
  ["  7\r\n\n", 7],
  ["4294967295", 4_294_967_295],
  ["   1234\n", 1234],
  ["00004711", 4711],
  ["4711\0", 4711],
  ["4711\n\0\0\0\0", 4711],
  ["4\x007\0\0\0\0\0", 47],
  ["\x004\x007\0\0", 47],
])("a bare pid is a lock of that process: %j", (text, pid) => {
  expect(read(text)).toEqual({
    pid,
    createdAt: "1970-01-01T00:00:00.000Z",
    maxHoldMs: null,
    starttime: null,
    owner: null,
    nonce: null,
    kernelLock: null,
    guard: null,
    monotonicMs: null,
    label: null,
    fileSystem: null,
    verified: null,
    lease: null,
  });
});

test("a bare pid of a file whose time is not known has no time", () => {
  expect(readOtherContent(Buffer.from("7"), null)).toMatchObject({ pid: 7, createdAt: null });
});

describe("a lock that may be broken", () => {
  test.each([
    ["nothing", ""],
    ["blanks", " \n\t\r\n"],
    ["zeros of a power failure", "\0".repeat(4096)],
    ["a torn beginning", '{\n  "pid": 47'],
    ["a torn end", '{\n  "pid": 4711,\n  "createdAt": "2026-01-0'],
    ["a lock with a torn middle", '{"pid":4711,\0\0\0\0"maxHoldMs":5}'],
  ])("a file that may be a broken lock counts as one: %s", (_what, text) => {
    expect(read(text)).toBeNull();
  });
});

describe("a file that must never be touched", () => {
  test.each([
    ["zero", "0"],
    ["a negative number", "-4711"],
    ["a number that is no pid", "47110000000000"],
    ["a pid behind zeros", "\0\x004711"],
    ["a pid with an end of its line", "4711 mydaemon\n"],
    ["two numbers", "4711 4712\n"],
    ["a hexadecimal number", "0x1267"],
    ["a fraction", "4711.5"],
    ["a number with a sign", "+4711"],
    ["two lines, as postmaster.pid has them", "4711\n/var/lib/postgresql\n"],
    ["a pid of another shape", '{"pid":"4711"}'],
    ["other JSON", '{"name":"my-package","lockfileVersion":3}'],
    ["a list", "[4711]"],
    ["null", "null"],
    ["a text", "dear diary"],
    ["a lock file of another kind", 'version = 3\n[[package]]\nname = "pid"\n'],
    ["bytes", "\x7fELF\x02\x01\x01"],
    ["a text that ends in zeros", "x\0\0"],
  ])("a file that is no lock is never taken for one: %s", (_what, text) => {
    expect(read(text)).toBe("no-lock");
  });
});

test("JSON that a power failure has padded with zeros names its process", () => {
  expect(read('{ "pid": 12 }\n\0\0\0')).toMatchObject({ pid: 12 });
});

describe("a pid in the first of several lines", () => {
  test.each([
    ["postmaster.pid", "4711\n/var/lib/postgresql/17/main\n1700000000\n5432\n"],
    ["sendmail.pid", "4711\r\n/usr/sbin/sendmail -bd -q15m\r\n"],
    ["padded", "      4711\t \nhost\n"],
    ["UTF-16", Buffer.from("\uFEFF4711\r\nhost\r\n", "utf16le").toString("latin1")],
  ])("a pid in the first of several lines is read, and never removed: %s", (_what, text) => {
    const bytes = Buffer.from(text, "latin1");
    expect(readOtherContent(bytes, 0)).toBe("no-lock");
    expect(pidInFirstLine(bytes)).toBe(4711);
    expect(readAnyPid(bytes, 0)).toMatchObject({
      pid: 4711,
      createdAt: "1970-01-01T00:00:00.000Z",
    });
  });

  test.each(["[daemon]\n4711\n", "\n4711\nx", "4711 a\nb", "-1\nx\n", "0\nx\n"])(
    "a first line that is no pid names no process: %j",
    (text) => {
      expect(pidInFirstLine(Buffer.from(text))).toBeNull();
      expect(readAnyPid(Buffer.from(text), 0)).toBe("no-lock");
    },
  );
});
