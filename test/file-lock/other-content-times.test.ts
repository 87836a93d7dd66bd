/** How old a lock of another program counts as, where it does not say so itself; and what its first line may be. */
import { describe, expect, test } from "vitest";

import { pidInFirstLine, readAnyPid, readOtherContent } from "../../lib/file-lock/other-content.js";

const NAMED = { pid: 12, createdAt: "2026-01-01T00:00:00.000Z" };

describe("the time of JSON that names a process", () => {
  const createdAt = (fields: object, mtimeMs: number | null): unknown => {
    const content = readOtherContent(Buffer.from(JSON.stringify(fields)), mtimeMs);
    if (content === null || content === "no-lock") throw new Error("it names a process");
    return content.createdAt;
  };

  test("is what it says, else its file's", () => {
    expect(createdAt(NAMED, 1000)).toBe(NAMED.createdAt);
    expect(createdAt({ pid: 12 }, 1000)).toBe("1970-01-01T00:00:01.000Z");
  });

  test("is not known where the file's is not known either", () => {
    expect(createdAt({ pid: 12 }, null)).toBeNull();
  });

  test("is not the file's where this package wrote it", () => {
    expect(createdAt({ pid: 12, nonce: "ab" }, 1000)).toBeNull();
  });
});

test("a file's time that no date can tell is the nearest one", () => {
  expect(readOtherContent(Buffer.from("7"), 1e300)).toMatchObject({
    createdAt: "+275760-09-13T00:00:00.000Z",
  });
  expect(readOtherContent(Buffer.from("7"), -1e300)).toMatchObject({
    createdAt: "-271821-04-20T00:00:00.000Z",
  });
});

test("a beginning that is not a lock's is not torn", () => {
  expect(readOtherContent(Buffer.from(' { "pid": 4'), 0)).toBeNull();
  for (const text of ['x{"pid": 4', '{"a": 1, "pid": 4', '{x"pid": 4', '{"pid" 4']) {
    expect(readOtherContent(Buffer.from(text), 0)).toBe("no-lock");
  }
});

test.each([
  ["4711\nx", 4711],
  ["4711\r\nx", 4711],
  ["00004711\nx", 4711],
  ["4711 \nx", 4711],
  ["4294967295\nx", 4_294_967_295],
  ["a4711\nx", null],
  ["4711a\nx", null],
  ["4711\rx", null],
  ["4711", null],
  ["12345678901\nx", null],
])("the first line of %j has the pid %j", (text, pid) => {
  expect(pidInFirstLine(Buffer.from(text))).toBe(pid);
});

test("a reader that removes nothing sees broken locks and whole ones as others do", () => {
  expect(readAnyPid(Buffer.from(""), 0)).toBeNull();
  expect(readAnyPid(Buffer.from(JSON.stringify(NAMED)), 0)).toMatchObject(NAMED);
  expect(readAnyPid(Buffer.from("4711\nx"), null)).toMatchObject({ pid: 4711, createdAt: null });
});
