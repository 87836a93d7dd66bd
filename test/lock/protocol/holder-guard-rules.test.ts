/** A holder's way into its guard by its own kernel lock, in memory: once at a time, and out of it with its file. */
import { describe, expect, test } from "vitest";

import { type BusyGuard, type Guard, INODE_GUARD } from "../../../lib/lock/protocol/guard.js";
import {
  closeHeldFile,
  guardPathOfHolder,
  tryEnterAsHolder,
} from "../../../lib/lock/protocol/holder-guard.js";
import { MemoryFs } from "./memory-lock-fs.js";

const LOCK = "/d/s.jsonl.lock";

interface Held {
  readonly disk: MemoryFs;
  readonly fd: number;
  readonly enter: () => Guard | BusyGuard;
}

/** A lock that is its own guard. */
function held(): Held {
  const disk = new MemoryFs();
  disk.put(LOCK, "{}");
  const fd = disk.open(LOCK);
  const lock = { fd, guard: INODE_GUARD, kernelLock: "2049:1", showsWhenFree: true } as const;
  return {
    disk,
    fd,
    enter: () => tryEnterAsHolder(LOCK, { ...lock, isLockless: false }, disk.fs),
  };
}

function entered(attempt: Guard | BusyGuard): Guard {
  if (attempt.kind === "entered") return attempt;
  throw new Error(`busy: ${attempt.guardPath}`);
}

describe("a holder inside its guard", () => {
  test("is not let in a second time until it has left, and asks no file for that", () => {
    const { disk, enter } = held();
    const guard = entered(enter());
    disk.failNext(null);
    expect(enter()).toStrictEqual({ kind: "busy", guardPath: LOCK });
    expect(disk.calls).toEqual([]);
    guard.leave();
    entered(enter()).leave();
  });

  test("leaves once: later the descriptor's number may be another file's", () => {
    const { disk, fd, enter } = held();
    const first = entered(enter());
    first.leave();
    const second = entered(enter());
    disk.failNext(null);
    first.leave();
    expect(disk.calls).toEqual([]);
    second.leave();
    expect(disk.calls).toEqual([`drop(${String(fd)})`]);
  });

  test("leaves with its file, and another one of that number is inside by itself alone", () => {
    const { disk, fd, enter } = held();
    const guard = entered(enter());
    disk.failNext(null);
    closeHeldFile(fd, disk.fs);
    expect(disk.calls).toEqual([`close(${String(fd)})`]);
    expect(disk.open(LOCK)).toBe(fd);
    const next = entered(enter());
    disk.failNext(null);
    guard.leave();
    expect(disk.calls).toEqual([]);
    next.leave();
  });
});

test("a holder behind another process inside does not count as inside", () => {
  const { disk, enter } = held();
  const other = disk.open(LOCK);
  expect(disk.fs.tryExclusive(other)).toBe("acquired");
  for (const attempt of [enter(), enter()]) {
    expect(attempt).toStrictEqual({ kind: "busy", guardPath: LOCK });
  }
  disk.fs.drop(other);
  entered(enter()).leave();
});

test("a lock's guard is the lock file itself, or the file beside it", () => {
  expect(guardPathOfHolder(LOCK, { guard: INODE_GUARD })).toBe(LOCK);
  expect(guardPathOfHolder(LOCK, { guard: null })).toBe(`${LOCK}.guard`);
});
