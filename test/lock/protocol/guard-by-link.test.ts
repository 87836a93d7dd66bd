/** A lock file that is made its own guard file by a second name, in memory: the way in where no file can be made. */
import { expect, test } from "vitest";

import { tryEnterThroughLock } from "../../../lib/lock/protocol/guard-by-link.js";
import { MemoryFs, type MemoryFsOptions, withRefused } from "./memory-lock-fs.js";

const LOCK = "/d/s.jsonl.lock";
const GUARD = "/d/s.jsonl.lock.guard";

function withLock(options: Partial<MemoryFsOptions> = {}): MemoryFs {
  const disk = new MemoryFs(options);
  disk.put(LOCK, "{}");
  return disk;
}

const enter = (disk: MemoryFs, fs = disk.fs) => tryEnterThroughLock(LOCK, GUARD, fs, "linux");

test("its guard is the lock itself, and its kernel lock is kept until it is left", () => {
  const disk = withLock();
  const guard = enter(disk);
  expect(guard).toMatchObject({ kind: "entered", hasLockItself: true });
  expect(disk.names()).toEqual([LOCK, GUARD]);
  expect(disk.openCount()).toBe(1);
  expect(enter(disk)).toBeNull();
  if (guard?.kind === "entered") guard.leave();
  expect(disk.names()).toEqual([LOCK]);
  expect(disk.openCount()).toBe(0);
  expect(enter(disk)?.kind).toBe("entered");
});

test("there is no way in while its holder lives", () => {
  const disk = withLock();
  disk.fs.tryExclusive(disk.open(LOCK));
  expect(enter(disk)).toBeNull();
  expect(disk.names()).toEqual([LOCK]);
  expect(disk.openCount()).toBe(1);
});

test("a guard that is another file is busy, and stays", () => {
  const disk = withLock();
  disk.put(GUARD, "");
  expect(enter(disk)).toStrictEqual({ kind: "busy", guardPath: GUARD });
  expect(disk.names()).toEqual([LOCK, GUARD]);
  expect(disk.openCount()).toBe(0);
});

test("a second name that the lock has already is its guard", () => {
  const disk = withLock();
  disk.fs.link(LOCK, GUARD);
  expect(enter(disk)?.kind).toBe("entered");
});

test.each([
  ["of an unknown kind", null],
  ["of a network", 0x6969],
  ["in user space", 0x65735546],
])("there is no way in on a file system %s", (_, type) => {
  const disk = withLock({ type });
  expect(enter(disk)).toBeNull();
  expect(disk.names()).toEqual([LOCK]);
  expect(disk.openCount()).toBe(0);
});

test("without room for the name the error is thrown, and nothing is left open", () => {
  const disk = withLock();
  expect(() => enter(disk, withRefused(disk.fs, { link: "ENOSPC" }))).toThrow(/ENOSPC/u);
  expect(disk.openCount()).toBe(0);
});

test("a guard that cannot be unlinked is left, and the lock closed", () => {
  const disk = withLock();
  const guard = enter(disk, withRefused(disk.fs, { unlink: "EPERM" }));
  if (guard?.kind === "entered") guard.leave();
  expect(disk.openCount()).toBe(0);
});
