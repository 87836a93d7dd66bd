/** Lock files on Windows: path forms, byte ranges locked by others, start times in its unit. */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, toNamespacedPath } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { freshEvidence } from "../../../lib/lock/verdict/evidence.js";
import type { FileSystem } from "../../../lib/lock/protocol/file-system-kind.js";
import { inspectSessionLock } from "../../../lib/session-lock/inspect.js";
import { cleanStaleLockFiles } from "../../../lib/session-lock/sweep/sweep.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { runNode, startReady } from "../../support/processes/child.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { importCompiled, startHolder, writePlainLock } from "../../support/locks/lock-holder.js";
import { program } from "../../support/processes/programs.js";
import { requireNative, requireWindows } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

beforeEach((context) => {
  requireWindows(context, "its own files");
  requireNative(context);
});

/** The administrative share of a drive: `C:\x` → `\\localhost\C$\x`. */
function asShare(path: string): string {
  return path.replace(/^([a-z]):/iu, String.raw`\\localhost\$1$$`);
}

function canRead(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

describe("a directory is swept alike under every form of its path", () => {
  test.each<[string, (folder: string) => string]>([
    ["drive", (folder) => folder],
    ["forward slashes", (folder) => folder.replaceAll("\\", "/")],
    ["a trailing separator", (folder) => `${folder}\\`],
    ["dots in it", (folder) => `${folder}\\.\\nothing\\..`],
    ["upper case", (folder) => folder.toUpperCase()],
    ["namespaced", (folder) => `\\\\?\\${folder}`],
    ["relative", (folder) => relative(process.cwd(), folder)],
  ])("a directory is swept alike under every form of its path: %s", async (_, form) => {
    const folder = temporaryFolder();
    const dead = join(folder, "dead.jsonl.lock");
    const live = join(folder, "live.jsonl.lock");
    const holder = await startHolder(dead);
    await startHolder(live);
    await holder.kill();
    const { locks } = await cleanStaleLockFiles({ sessionsDir: form(folder), env: {} });
    // The kernel was asked: it is known to be a local disk.
    expect(locks).toMatchObject([
      { removed: true, ownerReason: "kernel-lock-free" },
      { removed: false, ownerReason: "kernel-lock-held" },
    ]);
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock"]);
  });

  test("a directory with a path longer than MAX_PATH is swept", async () => {
    const deep = join(temporaryFolder(), ...Array.from({ length: 6 }, () => "x".repeat(60)));
    expect(deep.length).toBeGreaterThan(260);
    mkdirSync(toNamespacedPath(deep), { recursive: true });
    const holder = await startHolder(join(deep, "dead.jsonl.lock"));
    await startHolder(join(deep, "live.jsonl.lock"));
    await holder.kill();
    for (const sessionsDir of [deep, toNamespacedPath(deep)]) {
      const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
      expect(locks.at(-1)).toMatchObject({
        removed: false,
        // Wine has no final path for one so long: there the token decides.
        ownerReason: expect.stringMatching(/^(?:kernel-lock-held|running)$/u) as string,
      });
    }
    expect(readdirSync(deep)).toEqual(["live.jsonl.lock"]);
  });

  test("a free lock on a share, perhaps another machine's, proves nothing; a held one and the token do", async (context) => {
    const folder = temporaryFolder();
    const sessionsDir = asShare(folder);
    if (!existsSync(sessionsDir))
      return context.skip("needs the administrative share of the drive");
    const dead = await startHolder(join(folder, "dead.jsonl.lock"));
    await startHolder(join(folder, "live.jsonl.lock"));
    await startHolder(join(folder, "lost.jsonl.lock"), { keep: false });
    writePlainLock(folder, "plain", { pid: dead.pid });
    await dead.kill();
    const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
    expect(locks).toMatchObject([
      {
        removed: true,
        staleReasons: ["dead-pid"],
        ownerReason: expect.stringMatching(/^(?:exited|no-such-process)$/u) as string,
      },
      {
        removed: false,
        stale: false,
        ownerReason: expect.stringMatching(/^(?:kernel-lock-held|running)$/u) as string,
      },
      // On a local disk its free kernel lock would have cost it the lock.
      { removed: false, stale: false, ownerReason: "running" },
      // A pid without a machine's name means nothing there.
      { removed: false, stale: false, ownerReason: "other-host" },
    ]);
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock", "lost.jsonl.lock", "plain.jsonl.lock"]);
  });
});

describe("the drive of a directory", () => {
  const kindOf = (realpath: () => string): FileSystem =>
    freshEvidence({ ...realLockFs, realpath }).fileSystem("N:\\sessions\\s.jsonl.lock");

  test("a drive letter that stands for a share is a network's", () => {
    const share = { kind: "network", name: null };
    expect(kindOf(() => String.raw`\\server\share\sessions`)).toEqual(share);
  });

  test("a drive letter that stands for a local folder is local", () => {
    const local = { kind: "local", name: null };
    expect(kindOf(() => String.raw`C:\state\sessions`)).toEqual(local);
  });

  test("a drive whose driver cannot tell is not taken for local", () => {
    const fail = (): never => {
      throw Object.assign(new Error("EINVAL"), { code: "EINVAL" });
    };
    expect(kindOf(fail)).toEqual({ kind: "unlisted", name: null });
  });

  test("a share by its own name is not asked, as it may not answer for a long time", () => {
    const never = (): never => {
      throw new Error("must not be asked");
    };
    const { fileSystem } = freshEvidence({ ...realLockFs, realpath: never });
    const lockPath = String.raw`\\server\share\s.jsonl.lock`;
    expect(fileSystem(lockPath)).toEqual({ kind: "network", name: null });
  });
});

test("two processes see one file under one number, which is what kernelLock names", async () => {
  const lockPath = writePlainLock(temporaryFolder(), "s", { pid: 4 });
  const fd = realLockFs.openForReading(lockPath);
  const here = realLockFs.fileId(fd);
  realLockFs.close(fd);
  const theirs = await runNode(`
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    console.log(JSON.stringify(realLockFs.fileId(realLockFs.openForReading(${JSON.stringify(lockPath)}))));`);
  expect(theirs).toBe(here);
  expect(here).toMatch(/^\d+:[1-9]\d*$/u);
});

test("a lock whose bytes another process has locked is kept, and judged when they can be read", async (context) => {
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
  const other = await startReady(program("hold-file"), [lockPath, "read-delete", "10"]);
  if (canRead(lockPath)) return context.skip("needs mandatory byte locks, which Wine lacks");
  const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  expect(locks).toMatchObject([
    { keptReason: "unreadable", removed: false, error: { code: "EBUSY" } },
  ]);
  await other.kill();
  expect((await cleanStaleLockFiles({ sessionsDir: folder, env: {} })).counts.removed).toBe(1);
});

describe("a plain lock's start time", () => {
  test.each<[string, (microseconds: number) => number]>([
    ["milliseconds, as other writers have it", (us) => Math.floor(us / 1000)],
    ["milliseconds, rounded up", (us) => Math.ceil(us / 1000)],
    ["seconds", (us) => Math.floor(us / 1e6)],
    ["microseconds", (us) => us],
  ])("a plain lock's start time in %s proves its owner", async (_, toUnit) => {
    const owner = await liveOwner();
    const lockPath = writePlainLock(temporaryFolder(), "s", {
      pid: owner.pid,
      starttime: toUnit(owner.starttime),
    });
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      stale: false,
      ownerState: "same",
      ownerReason: "start-time-equal",
    });
  });

  test("a plain lock's start time of an earlier process at the same pid proves its owner gone", async () => {
    const owner = await liveOwner();
    const folder = temporaryFolder();
    const starttime = Math.floor(owner.starttime / 1000) - 2000;
    writePlainLock(folder, "s", { pid: owner.pid, starttime });
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([{ staleReasons: ["recycled-pid"], removed: true }]);
  });
});

describe("a lock file that a reader has open", () => {
  /** A program that has the file open, and shares that much of it, until its input ends. */
  function openBy(lockPath: string, sharing: "read" | "read-delete") {
    return startReady(program("hold-file"), [lockPath, sharing]);
  }

  /** The real calls; counts the renames that are refused, and runs something after so many. */
  function countingRefusals() {
    let refusals = 0;
    let last = 0;
    let then = (): void => {};
    const rename: LockFs["rename"] = (from, to) => {
      try {
        realLockFs.rename(from, to);
      } catch (error) {
        if (++refusals === last) then();
        throw error;
      }
    };
    return {
      fs: { ...realLockFs, rename },
      counted: () => refusals,
      onRefusal: (count: number, act: () => void): void => {
        last = count;
        then = act;
      },
    };
  }

  test("a lock file that a reader has open is released, and its name is free for the next holder at once", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    const reader = await openBy(`${sessionFile}.lock`, "read-delete");
    expect(await holder.release()).toEqual({ kind: "released" });
    const next = await startHolding(sessionFile, { timeoutMs: 5000 });
    expect(canRead(`${sessionFile}.lock`)).toBe(true);
    await reader.kill();
    expect(await next.release()).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock file open without sharing deletion is released when the reader lets go", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const { fs, counted, onRefusal } = countingRefusals();
    const lock = await acquireLock(resolveAcquireOptions({ sessionFile, env: {} }), fs);
    const reader = await openBy(lock.lockPath, "read");
    onRefusal(5, () => reader.process.stdin?.end());
    await lock.release();
    expect(counted()).toBeGreaterThanOrEqual(5);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock file open without sharing deletion for good does not look held after its release", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    const reader = await openBy(`${sessionFile}.lock`, "read");
    expect(await holder.release()).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(await inspectSessionLock(`${sessionFile}.lock`)).toMatchObject({
      removable: true,
      ownerReason: "kernel-lock-free",
    });
    // A contender is told why it cannot be had, once its patience with such files is used up.
    expect(await tryElsewhere(sessionFile, { timeoutMs: 30_000 })).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "rename",
      cause: { code: expect.stringMatching(/^(?:EBUSY|EPERM|EACCES)$/u) as string },
    });
    await reader.kill();
    expect(await tryElsewhere(sessionFile, { timeoutMs: 5000 })).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock file that a reader has open is reclaimed, and its reader reads it to its end", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    const content = readFileSync(`${sessionFile}.lock`, "utf8");
    await holder.kill();
    const reader = await openBy(`${sessionFile}.lock`, "read-delete");
    const opened = openSync(`${sessionFile}.lock`, "r");
    const next = await startHolding(sessionFile, { timeoutMs: 5000 });
    expect(readFileSync(opened, "utf8")).toBe(content);
    closeSync(opened);
    await reader.kill();
    expect(await next.release()).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock file open without sharing deletion is reclaimed as soon as the reader lets go", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    await holder.kill();
    const reader = await openBy(`${sessionFile}.lock`, "read");
    const { fs, counted, onRefusal } = countingRefusals();
    onRefusal(5, () => reader.process.stdin?.end());
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 20_000 });
    const lock = await acquireLock(plan, fs);
    expect(counted()).toBeGreaterThanOrEqual(5);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });
});
