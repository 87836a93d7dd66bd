/** Removing a lock where other programs have it open: mostly what only Windows makes difficult. */
import { existsSync, openSync, readdirSync, readFileSync, closeSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { freeName, tryRemoveLock } from "../../../lib/lock/protocol/remove.js";
import {
  cleanStaleLockFiles,
  type CleanStaleLockFilesResult,
  sweepDirectory,
} from "../../../lib/session-lock/sweep/sweep.js";
import { resolveSweepOptions } from "../../../lib/session-lock/sweep/options.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { startReady } from "../../support/processes/child.js";
import { endedPid } from "../../support/locks/lock-directory.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { program } from "../../support/processes/programs.js";
import { requireNative, requireWindows } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { MemoryFs, withRefused } from "./memory-lock-fs.js";

/** A rename that Windows refuses with that code. */
function refusing(code: string, refused: () => void = () => {}): LockFs {
  return {
    ...realLockFs,
    rename: () => {
      refused();
      throw Object.assign(new Error(`${code}: rename`), { code });
    },
  };
}

function sweepOn(
  fs: LockFs,
  sessionsDir: string,
  signal?: AbortSignal,
): Promise<CleanStaleLockFilesResult> {
  const options = signal === undefined ? { sessionsDir } : { sessionsDir, signal };
  return sweepDirectory(resolveSweepOptions({ ...options, env: {} }), fs);
}

test("the look inside the guard decides on a removal, and the guard is left", (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", { pid: 1 });
  const seen: string[] = [];
  const look = (answer: boolean) => (): boolean => {
    seen.push(...readdirSync(folder).filter((name) => name.endsWith(".guard")));
    return answer;
  };
  expect(tryRemoveLock({ lockPath, guards: "file", fd: null }, realLockFs, look(false))).toEqual({
    kind: "changed",
  });
  expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  expect(tryRemoveLock({ lockPath, guards: "file", fd: null }, realLockFs, look(true))).toEqual({
    kind: "removed",
  });
  expect(readdirSync(folder)).toEqual([]);
  expect(seen).toEqual(["s.jsonl.lock.guard", "s.jsonl.lock.guard"]);
});

describe("a rename that is refused", () => {
  test.for(["EPERM", "EACCES", "EBUSY"])(
    "a rename refused with %s is busy and says so",
    (code, context) => {
      requireWindows(context, "renames a lock before it deletes it");
      const folder = temporaryFolder();
      const lockPath = writePlainLock(folder, "s", { pid: 1 });
      expect(
        tryRemoveLock({ lockPath, guards: "file", fd: null }, refusing(code), () => true),
      ).toMatchObject({
        kind: "busy",
        error: { code },
      });
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    },
  );

  test("a rename that fails for any other reason is an error at once", (context) => {
    requireWindows(context, "renames a lock before it deletes it");
    const lockPath = writePlainLock(temporaryFolder(), "s", { pid: 1 });
    expect(() =>
      tryRemoveLock({ lockPath, guards: "file", fd: null }, refusing("EIO"), () => true),
    ).toThrow("EIO");
    expect(
      tryRemoveLock({ lockPath, guards: "file", fd: null }, refusing("ENOENT"), () => true),
    ).toEqual({ kind: "changed" });
  });

  test("a rename that is refused for ever is reported with its code, and many of them cost no more time", async (context) => {
    requireWindows(context, "waits for files that are in use");
    const folder = temporaryFolder();
    const pid = await endedPid();
    const names = Array.from({ length: 10 }, (_, index) => `s${index}`);
    for (const name of names) writePlainLock(folder, name, { pid });
    const started = performance.now();
    const { locks } = await sweepOn(refusing("EACCES"), folder);
    const elapsed = performance.now() - started;
    const expected = { keptReason: "error", removed: false, error: { code: "EACCES" } };
    expect(locks).toMatchObject(names.map(() => expected));
    // 2 s for all of them together, and for each one what a guard gets.
    expect(elapsed).toBeGreaterThan(1900);
    expect(elapsed).toBeLessThan(2000 + names.length * 50 + 3000);
  });

  test("an abort ends a sweep that waits for a rename", async (context) => {
    requireWindows(context, "waits for files that are in use");
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: await endedPid() });
    const abort = new AbortController();
    const reason = new Error("enough");
    let refusals = 0;
    const fs = refusing("EBUSY", () => {
      if (++refusals === 3) abort.abort(reason);
    });
    await expect(sweepOn(fs, folder, abort.signal)).rejects.toBe(reason);
    expect(refusals).toBe(3);
  });
});

describe("a lock that another program has open on Windows", () => {
  test("a lock that another program has open on Windows goes, and its name is free at once for a new one", async (context) => {
    requireWindows(context, "an unlinked name stays taken while the file is open");
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
    const content = readFileSync(lockPath, "utf8");
    const reader = await startReady(program("hold-file"), [lockPath, "read-delete"]);
    const opened = openSync(lockPath, "r");
    expect(tryRemoveLock({ lockPath, guards: "file", fd: null }, realLockFs, () => true)).toEqual({
      kind: "removed",
    });
    expect(existsSync(lockPath)).toBe(false);
    writeFileSync(lockPath, "new", { flag: "wx" });
    // A process that reads the old one reads it to its end.
    expect(readFileSync(opened, "utf8")).toBe(content);
    closeSync(opened);
    await reader.kill();
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(readFileSync(lockPath, "utf8")).toBe("new");
  });

  test("a lock that another program has open without sharing deletion stays, with the error's code", async (context) => {
    requireWindows(context, "sharing violations");
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
    const scanner = await startReady(program("hold-file"), [lockPath, "read"]);
    const attempt = tryRemoveLock({ lockPath, guards: "file", fd: null }, realLockFs, () => true);
    expect(attempt).toMatchObject({ kind: "busy", error: { code: "EBUSY" } });
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([
      { staleReasons: ["dead-pid"], keptReason: "error", error: { code: "EBUSY" } },
    ]);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    await scanner.kill();
    const { counts } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(counts.removed).toBe(1);
  });

  test("a lock that another program closes while the sweep waits is removed in this very sweep", async (context) => {
    requireWindows(context, "sharing violations");
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
    const scanner = await startReady(program("hold-file"), [lockPath, "read"]);
    let refusals = 0;
    const rename: LockFs["rename"] = (from, to) => {
      try {
        realLockFs.rename(from, to);
      } catch (error) {
        // Longer than a busy guard is waited for.
        if (++refusals === 15) scanner.process.stdin?.end();
        throw error;
      }
    };
    const { counts } = await sweepOn({ ...realLockFs, rename }, folder);
    expect(counts.removed).toBe(1);
    expect(refusals).toBeGreaterThanOrEqual(15);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("on a machine in memory", () => {
  const path = "/d/s.lock";
  function memoryWithLock(): MemoryFs {
    const memory = new MemoryFs();
    memory.put(path, '{ "pid": 12 }');
    return memory;
  }

  test("a file that is its own guard must be open", () => {
    const { fs } = memoryWithLock();
    for (const guards of ["inode", "both"] as const) {
      const remove = () =>
        tryRemoveLock({ lockPath: path, guards, fd: null }, fs, () => true, "linux");
      expect(remove).toThrow("the file that is its own guard must be open");
    }
  });

  test("a removal that fails, of a lock that cannot be looked at then, has failed", () => {
    const fs = withRefused(memoryWithLock().fs, { unlink: "EIO", lstat: "EACCES" });
    expect(() => freeName(path, fs, "linux")).toThrow("EIO");
  });

  /** What is made of a removal where the guard is a file, and which names are left. */
  function attemptOn(
    memory: MemoryFs,
    fs: LockFs,
    isStillRemovable: Parameters<typeof tryRemoveLock>[2] = () => true,
  ) {
    const file = { lockPath: path, guards: "file", fd: null } as const;
    const attempt = tryRemoveLock(file, fs, isStillRemovable, "linux");
    expect(memory.openCount()).toBe(0);
    return { attempt, names: memory.names() };
  }

  test("a lock of a later version's guard stays", () => {
    const memory = memoryWithLock();
    const file = { lockPath: path, guards: "foreign", fd: null } as const;
    expect(tryRemoveLock(file, memory.fs, () => true, "linux")).toEqual({
      kind: "no-guard",
      code: "ENOTSUP",
    });
    expect(memory.names()).toEqual([path]);
  });

  describe("with another library's guard", () => {
    const foreign = `${path}.reclaim`;
    const LONG_AGO = 1000;
    // Not this very instant: what is said to be later than now counts by its change, and in memory that was in 2023.
    const lately = (): number => Date.now() - 5000;

    test("that was just made, before or inside the own one, is not removed", () => {
      const isBusy = { attempt: { kind: "busy", guardPath: foreign }, names: [path, foreign] };
      const before = memoryWithLock();
      before.put(foreign, "", lately());
      expect(attemptOn(before, before.fs)).toEqual(isBusy);
      expect(before.calls.some((call) => call.startsWith("openGuard"))).toBe(false);
      const inside = memoryWithLock();
      inside.put(foreign, "", LONG_AGO);
      const openGuard: LockFs["openGuard"] = (guardPath) => {
        inside.put(foreign, "", lately());
        return inside.fs.openGuard(guardPath);
      };
      expect(attemptOn(inside, { ...inside.fs, openGuard })).toEqual(isBusy);
    });

    test("that a crash left goes with it", () => {
      const memory = memoryWithLock();
      memory.put(foreign, "", LONG_AGO);
      expect(attemptOn(memory, memory.fs)).toEqual({ attempt: { kind: "removed" }, names: [] });
    });
  });

  describe("whose guard file cannot be made", () => {
    test("is gone where its directory is", () => {
      const memory = memoryWithLock();
      memory.removeAll();
      expect(attemptOn(memory, memory.fs)).toEqual({ attempt: { kind: "changed" }, names: [] });
    });

    test("is an error where the lock is there all the same", () => {
      const memory = memoryWithLock();
      const fs = withRefused(memory.fs, { openGuard: "ENOTDIR" });
      expect(() => attemptOn(memory, fs)).toThrow("ENOTDIR");
      expect(memory.names()).toEqual([path]);
    });

    test("for want of room is removed through its own lock, which then counts as free", () => {
      const memory = memoryWithLock();
      const fs = withRefused(memory.fs, { openGuard: "ENOSPC" });
      const probed: unknown[] = [];
      const removal = attemptOn(memory, fs, (inside) => {
        probed.push(inside.fs.probe(inside.fd), inside.isNamed);
        return true;
      });
      expect(removal).toEqual({ attempt: { kind: "removed" }, names: [] });
      expect(probed).toEqual(["acquired", false]);
    });

    test("for want of room is gone where it cannot be found any more", () => {
      const memory = memoryWithLock();
      const refused = { openGuard: "ENOSPC", openForReading: "ENOENT", openForWriting: "ENOENT" };
      expect(attemptOn(memory, withRefused(memory.fs, refused)).attempt).toEqual({
        kind: "changed",
      });
    });

    test("for want of room, and may not be opened, is the disk's error", () => {
      const memory = memoryWithLock();
      const refused = { openGuard: "ENOSPC", openForReading: "EACCES", openForWriting: "EACCES" };
      expect(() => attemptOn(memory, withRefused(memory.fs, refused))).toThrow("ENOSPC");
    });
  });
});
