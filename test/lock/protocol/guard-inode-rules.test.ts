/** A lock file that is its own guard, in memory: who is inside by its kernel lock, and who is not. */
import { describe, expect, test } from "vitest";

import { tryEnterInode } from "../../../lib/lock/protocol/guard-inode.js";
import { MemoryFs } from "./memory-lock-fs.js";

const LOCK = "/d/s.jsonl.lock";

function withLock(): MemoryFs {
  const disk = new MemoryFs();
  disk.put(LOCK, "{}");
  return disk;
}

describe("inside a lock that is its own guard", () => {
  test("no other descriptor is, until it is left, and nothing is made for it", () => {
    const disk = withLock();
    const [first, second] = [disk.open(LOCK), disk.open(LOCK)];
    const guard = tryEnterInode(LOCK, first, disk.fs);
    expect(guard.kind).toBe("entered");
    expect(disk.names()).toEqual([LOCK]);
    expect(tryEnterInode(LOCK, second, disk.fs)).toStrictEqual({ kind: "busy", guardPath: LOCK });
    if (guard.kind === "entered") guard.leave();
    expect(tryEnterInode(LOCK, second, disk.fs).kind).toBe("entered");
    expect(tryEnterInode(LOCK, first, disk.fs).kind).toBe("busy");
  });

  test("a guard that is left by closing is not dropped before", () => {
    const disk = withLock();
    const guard = tryEnterInode(LOCK, disk.open(LOCK), disk.fs);
    disk.failNext(null);
    if (guard.kind === "entered") guard.leave(true);
    expect(guard.kind).toBe("entered");
    expect(disk.calls).toEqual([]);
  });

  test("a process that cannot lock at all is not let in, and asks no file", () => {
    const disk = withLock();
    const fs = { ...disk.fs, canLock: () => false };
    const fd = disk.open(LOCK);
    expect(tryEnterInode(LOCK, fd, fs)).toMatchObject({
      kind: "unavailable",
      error: { code: "ENOSYS", path: LOCK },
    });
    expect(disk.calls).toEqual([]);
  });

  test.each([
    ["EINVAL", "unavailable"],
    ["EACCES", "refused"],
  ])("a lock that is refused with %s leaves it %s, and nothing is dropped", (refused, kind) => {
    const disk = withLock();
    const fs = { ...disk.fs, tryExclusive: () => ({ refused }) };
    expect(tryEnterInode(LOCK, disk.open(LOCK), fs)).toMatchObject({
      kind,
      error: { code: refused, path: LOCK },
    });
    expect(disk.calls).toEqual(["canLock()"]);
  });
});
