/** What a crash has left of the protocol goes once it is old, and never from under a process that has it. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { FOREIGN_GUARD_GRACE_MS } from "../../../lib/lock/protocol/foreign-guard.js";
import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import { removeLeftover } from "../../../lib/lock/protocol/leftovers.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import {
  asidePathOf,
  foreignGuardPathOf,
  guardFilePathOf,
  temporaryPathOf,
} from "../../../lib/lock/protocol/names.js";
import { requireLinux, requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const GRACE_MS = 5000;
const WRITTEN_S = 1_700_000_000;
const WRITTEN_MS = WRITTEN_S * 1000;
const NONCE = "0123456789abcdef0123456789abcdef";

beforeEach((context) => {
  requireNative(context);
  requirePosix(context, "sets times and locks of files that are open");
});

function make(
  pathOf: (lockPath: string) => string,
  content = "",
): { path: string; lockPath: string } {
  const lockPath = join(temporaryFolder(), "s.lock");
  const path = pathOf(lockPath);
  writeFileSync(path, content);
  utimesSync(path, WRITTEN_S, WRITTEN_S);
  return { path, lockPath };
}

const remove = (path: string, ageMs: number, fs: LockFs = realLockFs): boolean =>
  removeLeftover(path, fs, { nowMs: WRITTEN_MS + ageMs, graceMs: GRACE_MS });

const PRIVATE = {
  "a temporary": (lockPath: string) => temporaryPathOf(lockPath, NONCE),
  "a lock renamed aside": (lockPath: string) => asidePathOf(lockPath, NONCE),
};
const OWN = { ...PRIVATE, "a guard file": guardFilePathOf };

describe.each(Object.entries(OWN))("%s", (_, pathOf) => {
  test("is removed when it is older than the grace, and not before", () => {
    const { path } = make(pathOf);
    expect(remove(path, GRACE_MS)).toBe(false);
    expect(existsSync(path)).toBe(true);
    expect(remove(path, GRACE_MS + 1)).toBe(true);
    expect(existsSync(path)).toBe(false);
    expect(remove(path, GRACE_MS + 1)).toBe(false);
  });

  test("stays where its name is that of something else than a file", () => {
    const path = pathOf(join(temporaryFolder(), "s.lock"));
    mkdirSync(path);
    expect(remove(path, 1e15)).toBe(false);
    const link = pathOf(join(temporaryFolder(), "s.lock"));
    symlinkSync(path, link);
    expect(remove(link, 1e15)).toBe(false);
    expect(existsSync(link)).toBe(true);
  });

  test("stays while a process has it locked", () => {
    const { path } = make(pathOf);
    const fd = openSync(path, "r+");
    expect(realLockFs.tryExclusive(fd)).toBe("acquired");
    expect(remove(path, GRACE_MS + 1)).toBe(false);
    expect(existsSync(path)).toBe(true);
    closeSync(fd);
    expect(remove(path, GRACE_MS + 1)).toBe(true);
  });
});

describe.each(Object.entries(PRIVATE))("%s", (_, pathOf) => {
  test("stays while a process owns it by the other kind of kernel lock", (context) => {
    requireLinux(context, "its two kinds of kernel locks");
    const { path } = make(pathOf);
    const fd = openSync(path, "r+");
    expect(realLockFs.tryOwn(fd)).toBe("acquired");
    expect(remove(path, GRACE_MS + 1)).toBe(false);
    closeSync(fd);
    expect(remove(path, GRACE_MS + 1)).toBe(true);
  });

  test("leaves no descriptor open", () => {
    const opened = new Set<number>();
    const fs: LockFs = {
      ...realLockFs,
      openForReading: (path) => {
        const fd = realLockFs.openForReading(path);
        opened.add(fd);
        return fd;
      },
      close: (fd) => {
        opened.delete(fd);
        realLockFs.close(fd);
      },
    };
    const { path } = make(pathOf);
    expect(remove(path, GRACE_MS + 1, fs)).toBe(true);
    expect(opened.size).toBe(0);
  });
});

test("no other file is touched", () => {
  const { path } = make((lockPath) => lockPath);
  expect(remove(path, 1e15)).toBe(false);
  expect(existsSync(path)).toBe(true);
});

describe("another library's guard", () => {
  const AGE_MS = FOREIGN_GUARD_GRACE_MS;

  test("is removed when it is older than its own grace, and not before", () => {
    const { path, lockPath } = make(foreignGuardPathOf);
    expect(remove(path, AGE_MS)).toBe(false);
    expect(remove(path, AGE_MS + 1)).toBe(true);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
    expect(remove(path, AGE_MS + 1)).toBe(false);
  });

  test("is removed as a directory, too", () => {
    const path = foreignGuardPathOf(join(temporaryFolder(), "s.lock"));
    mkdirSync(path);
    utimesSync(path, WRITTEN_S, WRITTEN_S);
    expect(remove(path, AGE_MS + 1)).toBe(true);
    expect(existsSync(path)).toBe(false);
  });

  test("stays while a process is inside the lock's own guard", () => {
    const { path, lockPath } = make(foreignGuardPathOf);
    const guard = tryEnterGuardFile(lockPath, realLockFs);
    if (guard.kind !== "entered") throw new Error(guard.kind);
    expect(remove(path, AGE_MS + 1)).toBe(false);
    expect(existsSync(path)).toBe(true);
    guard.leave();
    expect(remove(path, AGE_MS + 1)).toBe(true);
  });

  test("that is made anew meanwhile stays", () => {
    const { path } = make(foreignGuardPathOf);
    let looks = 0;
    const fs: LockFs = {
      ...realLockFs,
      lstat: (asked) => {
        if (asked === path && ++looks === 2) {
          utimesSync(path, WRITTEN_S + 10_000, WRITTEN_S + 10_000);
        }
        return realLockFs.lstat(asked);
      },
    };
    expect(remove(path, AGE_MS + 1, fs)).toBe(false);
    expect(existsSync(path)).toBe(true);
  });
});
