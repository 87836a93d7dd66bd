/** What a lock file says, in as few reads as it takes. */
import { describe, expect, test } from "vitest";

import { MAX_LOCK_BYTES } from "../../../lib/lock/protocol/payload.js";
import type { LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { isLockAt, pidAt, readContent } from "../../../lib/lock/protocol/read.js";
import { MemoryFs, withRefused } from "./memory-lock-fs.js";

const LOCK = "/d/s.lock";

function memoryWith(text: string): MemoryFs {
  const memory = new MemoryFs();
  memory.put(LOCK, text);
  return memory;
}

/** A kernel that gives no more than so many bytes at a time. */
function inPieces(fs: LockFs, most: number): LockFs {
  return {
    ...fs,
    read: (fd, buffer, offset, length) => fs.read(fd, buffer, offset, Math.min(length, most)),
  };
}

describe("the content of a lock file", () => {
  const text = '{ "pid": 12, "nonce": "n" }';

  test("is its bytes and what they say", () => {
    const memory = memoryWith(text);
    const content = readContent(memory.open(LOCK), memory.fs);
    expect(content?.bytes.toString()).toBe(text);
    expect(content?.payload).toMatchObject({ pid: 12, nonce: "n" });
    expect(memory.calls).toEqual(["read(3, 0, 65537)"]);
  });

  test("is read on until it is whole, and no further", () => {
    const memory = memoryWith(text);
    const content = readContent(memory.open(LOCK), inPieces(memory.fs, 10));
    expect(content?.bytes.toString()).toBe(text);
    expect(content?.payload?.pid).toBe(12);
    expect(memory.calls).toEqual(["read(3, 0, 10)", "read(3, 10, 10)", "read(3, 20, 10)"]);
  });

  test("asks for no more than there is room for", () => {
    const memory = memoryWith("x".repeat(30));
    const asked: number[] = [];
    const fs: LockFs = {
      ...memory.fs,
      read: (fd, buffer, offset, length) => {
        asked.push(offset + length);
        return memory.fs.read(fd, buffer, offset, Math.min(length, 20));
      },
    };
    expect(readContent(memory.open(LOCK), fs)?.bytes.length).toBe(30);
    expect(new Set(asked)).toEqual(new Set([MAX_LOCK_BYTES + 1]));
  });

  test.each([
    ["nothing", "", 1],
    ["no payload", "no payload", 2],
  ])("that says %s is read to its end: %j", (_what, nothing, reads) => {
    const memory = memoryWith(nothing);
    const content = readContent(memory.open(LOCK), memory.fs);
    expect(content?.bytes.toString()).toBe(nothing);
    expect(content?.payload).toBeNull();
    expect(memory.calls).toHaveLength(reads);
  });

  test.each([
    [MAX_LOCK_BYTES, false],
    [MAX_LOCK_BYTES + 1, true],
    [MAX_LOCK_BYTES + 2, true],
  ])("of %i bytes is too large: %s", (length, isTooLarge) => {
    const memory = memoryWith("x".repeat(length));
    expect(readContent(memory.open(LOCK), memory.fs) === null).toBe(isTooLarge);
  });

  test.each<[what: string, now: string, isSame: boolean]>([
    ["that still says what it said is not parsed again", text, true],
    ["of other bytes is", text.replace("12", "13"), false],
    ["that has grown is", `${text} `, false],
    ["that has shrunk is", "{}", false],
  ])("%s", (_what, now, isSame) => {
    const before = memoryWith(text);
    const seen = readContent(before.open(LOCK), before.fs);
    const memory = memoryWith(now);
    const content = readContent(memory.open(LOCK), memory.fs, seen);
    expect(content === seen).toBe(isSame);
    expect(content?.bytes.toString()).toBe(now);
  });

  test("without a payload is looked at again: more of it may have come", () => {
    const before = memoryWith("{");
    const seen = readContent(before.open(LOCK), before.fs);
    const memory = memoryWith("{");
    expect(readContent(memory.open(LOCK), memory.fs, seen)).not.toBe(seen);
  });
});

describe("whether a file is that lock", () => {
  const text = '{ "pid": 12, "nonce": "n" }';
  const own = { nonce: "n", text };

  test.each<[what: string, there: string, expected: boolean]>([
    ["what was written", text, true],
    ["its nonce in another form", '{"nonce":"n"}', true],
    ["another nonce", '{"nonce":"o"}', false],
    ["no nonce", '{"pid":12}', false],
    ["no payload", "n", false],
    ["nothing", "", false],
  ])("%s: it says %j: %s", (_what, there, expected) => {
    const memory = memoryWith(there);
    expect(isLockAt(LOCK, own, memory.fs)).toBe(expected);
    expect(memory.openCount()).toBe(0);
  });

  test("is also told when it comes in pieces", () => {
    const memory = memoryWith(text);
    expect(isLockAt(LOCK, own, inPieces(memory.fs, 10))).toBe(true);
  });

  test("there is none, or one that cannot be seen", () => {
    const memory = memoryWith(text);
    expect(isLockAt("/d/other.lock", own, memory.fs)).toBe(false);
    expect(() => isLockAt(LOCK, own, withRefused(memory.fs, { openForReading: "EACCES" }))).toThrow(
      "EACCES",
    );
  });

  test("a bare pid is that lock in the very same file only", () => {
    const memory = memoryWith("12\n");
    const number = { nonce: "n", text: "12\n" };
    expect(isLockAt(LOCK, { ...number, fileId: "2049:1" }, memory.fs)).toBe(true);
    expect(isLockAt(LOCK, { ...number, fileId: "2049:2" }, memory.fs)).toBe(false);
    expect(memory.openCount()).toBe(0);
  });
});

describe("the pid that is said", () => {
  test.each<[text: string, expected: number | null]>([
    ['{ "pid": 12 }', 12],
    ["12\n", 12],
    ["12", null],
    ["{}", null],
    ["", null],
    ["x".repeat(MAX_LOCK_BYTES + 1), null],
  ])("%.20j: %s", (text, expected) => {
    const memory = memoryWith(text);
    expect(pidAt(LOCK, memory.fs)).toBe(expected);
    expect(memory.openCount()).toBe(0);
  });

  test("is none where there is no file, and not known where there is one that cannot be read", () => {
    const memory = memoryWith("12\n");
    expect(pidAt("/d/other.lock", memory.fs)).toBe("absent");
    expect(pidAt(LOCK, withRefused(memory.fs, { openForReading: "EACCES" }))).toBeNull();
    expect(memory.openCount()).toBe(0);
  });
});
