/** A holder that is let into its guard by its own kernel lock, where no file can be made for one. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import type { SessionWriteLock } from "../../../lib/session-lock/write-lock.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { withGuardFiles } from "../../support/locks/lock-kinds.js";
import { requireLinux, requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

beforeEach((context) => {
  requireLinux(context, "local file systems by number");
  requireNative(context);
});

/** No inode is free, and a second name needs none. */
const FULL: LockFs = {
  ...withGuardFiles(),
  openGuard: (path) => {
    if (existsSync(path)) return realLockFs.openGuard(path);
    throw Object.assign(new Error("ENOSPC: open"), { code: "ENOSPC", syscall: "open", path });
  },
};

async function holdOn(folder: string, fs: LockFs = FULL): Promise<SessionWriteLock> {
  const plan = resolveAcquireOptions({ sessionFile: join(folder, "s.jsonl"), env: {} });
  const lock = await acquireLock(plan, fs);
  onTestFinished(() => lock.release());
  return lock;
}

describe("a fenced write on a disk without free inodes", () => {
  test("a fenced write on a full disk happens inside a guard that no other process enters, and leaves none", async () => {
    const folder = temporaryFolder();
    const lock = await holdOn(folder);
    const seen = lock.withFence(() => [
      readdirSync(folder),
      tryEnterGuardFile(lock.lockPath, realLockFs).kind,
    ]);
    expect(seen).toEqual([["s.jsonl.lock", "s.jsonl.lock.guard"], "busy"]);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a fenced write that throws on a full disk leaves the guard, too", async () => {
    const folder = temporaryFolder();
    const lock = await holdOn(folder);
    const fail = (): never => {
      throw new Error("no");
    };
    expect(() => lock.withFence(fail)).toThrow("no");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a fenced write within another one on a full disk does not open the guard under it", async () => {
    const folder = temporaryFolder();
    const lock = await holdOn(folder);
    lock.withFence(() => {
      try {
        lock.withFence(() => {});
      } catch {
        // Refused as busy, or run directly: the guard around both stays.
      }
      expect(tryEnterGuardFile(lock.lockPath, realLockFs).kind).toBe("busy");
    });
    expect(existsSync(guardFilePathOf(lock.lockPath))).toBe(false);
  });

  test("a fenced write on a full disk waits for a process in the guard, and is refused as busy", async () => {
    const lock = await holdOn(temporaryFolder());
    const guard = tryEnterGuardFile(lock.lockPath, realLockFs);
    expect(() => lock.withFence(() => {})).toThrow(/guard busy: .*\.guard/u);
    if (guard.kind === "entered") guard.leave();
    expect(lock.withFence(() => "written")).toBe("written");
  });
});

test("a guard that a crash left as a second name of the lock hinders its holder in nothing", async () => {
  const folder = temporaryFolder();
  const lock = await holdOn(folder, withGuardFiles());
  realLockFs.link(lock.lockPath, guardFilePathOf(lock.lockPath));
  expect(tryEnterGuardFile(lock.lockPath, realLockFs).kind).toBe("busy");
  expect(lock.withFence(() => "written")).toBe("written");
  expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  realLockFs.link(lock.lockPath, guardFilePathOf(lock.lockPath));
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test("a full disk, and a guard file that a crash left, are nothing to a lock that is its own guard", async () => {
  const folder = temporaryFolder();
  const refuse = (path: string): never => {
    throw Object.assign(new Error("ENOSPC: open"), { code: "ENOSPC", syscall: "open", path });
  };
  const full: LockFs = { ...realLockFs, openGuard: refuse, link: refuse };
  const lock = await holdOn(folder, full);
  realLockFs.link(lock.lockPath, guardFilePathOf(lock.lockPath));
  expect(lock.withFence(() => readdirSync(folder))).toEqual(["s.jsonl.lock", "s.jsonl.lock.guard"]);
  await lock.release();
  expect(readdirSync(folder)).toEqual(["s.jsonl.lock.guard"]);
});

test("a fenced write is refused with the disk's error where a second name needs an inode as well", async () => {
  const link: LockFs["link"] = (from, to) => {
    if (to.endsWith(".guard")) throw Object.assign(new Error("ENOSPC: link"), { code: "ENOSPC" });
    realLockFs.link(from, to);
  };
  const lock = await holdOn(temporaryFolder(), { ...FULL, link });
  expect(() => lock.withFence(() => {})).toThrow(
    expect.objectContaining({ code: "SESSION_WRITE_LOCK_FILE", syscall: "open" }) as Error,
  );
});
