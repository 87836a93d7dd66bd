/** The lock file as its own guard: Linux, local file systems. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { tryEnterInode } from "../../../lib/lock/protocol/guard-inode.js";
import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { tryRemoveLock } from "../../../lib/lock/protocol/remove.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { cleanStaleLockFiles } from "../../../lib/session-lock/sweep/sweep.js";
import type { SessionWriteLock } from "../../../lib/session-lock/write-lock.js";
import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { endedPid } from "../../support/locks/lock-directory.js";
import { startHolder, takeNameAway, writePlainLock } from "../../support/locks/lock-holder.js";
import { LOCK_KINDS } from "../../support/locks/lock-kinds.js";
import { COMPILED, startReady } from "../../support/processes/child.js";
import { program } from "../../support/processes/programs.js";
import { openToRead } from "../../support/processes/open-file.js";
import { stateOf } from "../../support/processes/process-state.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";
import { requireLinux, requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

beforeEach((context) => {
  requireLinux(context, "two kinds of kernel locks");
  requireNative(context);
});

const LONG_AGO = new Date(Date.now() - 3_600_000).toISOString();

/** A new file at a lock's path in a folder of its own. */
function lockFile(text = "{}"): { readonly folder: string; readonly lockPath: string } {
  const folder = temporaryFolder();
  const lockPath = join(folder, "s.jsonl.lock");
  writeFileSync(lockPath, text);
  return { folder, lockPath };
}

async function hold(folder: string, fs: LockFs = realLockFs): Promise<SessionWriteLock> {
  const plan = resolveAcquireOptions({ sessionFile: join(folder, "s.jsonl"), env: {} });
  const lock = await acquireLock(plan, fs);
  onTestFinished(() => lock.release());
  return lock;
}

function codeOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const LOST = "SESSION_WRITE_LOCK_LOST";

describe("inside a lock that is its own guard", () => {
  test("no other process or descriptor is, until it is left, and nothing is made for it", () => {
    const { folder, lockPath } = lockFile();
    const [first, second] = [openToRead(lockPath), openToRead(lockPath)];
    const guard = tryEnterInode(lockPath, first, realLockFs);
    expect(guard.kind).toBe("entered");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(tryEnterInode(lockPath, second, realLockFs)).toStrictEqual({
      kind: "busy",
      guardPath: lockPath,
    });
    if (guard.kind === "entered") guard.leave();
    // The first descriptor is still open.
    expect(tryEnterInode(lockPath, second, realLockFs).kind).toBe("entered");
    expect(tryEnterInode(lockPath, first, realLockFs).kind).toBe("busy");
  });

  test("a guard that is left by closing is not dropped before, and is free then", () => {
    const { lockPath } = lockFile();
    const drop = vi.fn();
    const fd = openSync(lockPath, "r");
    const guard = tryEnterInode(lockPath, fd, { ...realLockFs, drop });
    if (guard.kind === "entered") guard.leave(true);
    expect(drop).not.toHaveBeenCalled();
    const other = openToRead(lockPath);
    expect(tryEnterInode(lockPath, other, realLockFs).kind).toBe("busy");
    closeSync(fd);
    expect(tryEnterInode(lockPath, other, realLockFs).kind).toBe("entered");
  });

  /** A process inside the guard of that lock; `compiled`: the folder of the package's modules. */
  async function startInside(
    lockPath: string,
    {
      prefix = [],
      compiled = fileURLToPath(COMPILED),
      node = process.execPath,
    }: { prefix?: readonly string[]; compiled?: string; node?: string } = {},
  ): ReturnType<typeof startReady> {
    const path = JSON.stringify(lockPath);
    const urlOf = (file: string): string =>
      JSON.stringify(pathToFileURL(join(compiled, file)).href);
    const script = `
      import { tryEnterInode } from ${urlOf("lock/protocol/guard-inode.js")};
      import { realLockFs } from ${urlOf("lock/protocol/lock-fs.js")};
      const guard = tryEnterInode(${path}, realLockFs.openForReading(${path}), realLockFs);
      console.log(guard.kind);
      process.stdin.once("data", () => { guard.leave(); console.log("out"); });`;
    const [file, ...args] = [...prefix, node, "--input-type=module", "--eval", script];
    // Not every user may enter the directory in which the tests run.
    return await startReady(file, args, { cwd: "/" });
  }

  test("a process that is killed inside gives the guard back, and the lock is what it was", async () => {
    const { folder, lockPath } = lockFile();
    const other = await startInside(lockPath);
    expect(other.first).toBe("entered");
    const fd = openToRead(lockPath);
    expect(tryEnterInode(lockPath, fd, realLockFs).kind).toBe("busy");
    await other.kill("SIGKILL");
    expect(tryEnterInode(lockPath, fd, realLockFs).kind).toBe("entered");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(readFileSync(lockPath, "utf8")).toBe("{}");
  });

  test("a process that is stopped inside keeps others out until it goes on, and they name the lock", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
    const other = await startInside(lockPath);
    process.kill(other.pid, "SIGSTOP");
    other.say("leave");
    await waitFor("the stop", () => stateOf(other.pid)?.startsWith("T"));
    await expect(acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 100 })).rejects.toThrow(
      `guard busy: ${lockPath}`,
    );
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([{ keptReason: "guard-busy", removed: false }]);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    process.kill(other.pid, "SIGCONT");
    expect(await other.line()).toBe("out");
    await (await acquireSessionWriteLock({ sessionFile, env: {} })).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a holder's release waits for a process that is stopped inside, and its fence names the lock", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder);
    const other = await startInside(lock.lockPath);
    process.kill(other.pid, "SIGSTOP");
    await waitFor("the stop", () => stateOf(other.pid)?.startsWith("T"));
    const write = vi.fn();
    expect(() => lock.withFence(write)).toThrow(`guard busy: ${lock.lockPath}`);
    expect(write).not.toHaveBeenCalled();
    // It is still held, and seen to be.
    lock.assertHeld();
    const released = lock.release();
    await other.kill("SIGKILL");
    await released;
    expect(readdirSync(folder)).toEqual([]);
  });

  test("another user, who may only read the lock, can be inside and keeps its owner out", async (context) => {
    requireRoot(context, "two users");
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const lock = await hold(folder);
    expect(statSync(lock.lockPath).mode & 0o777).toBe(0o644);
    const { compiled, node } = readablePackage();
    const other = await startInside(lock.lockPath, {
      prefix: AS_NOBODY,
      compiled,
      node,
    });
    expect(other.first).toBe("entered");
    expect(codeOf(() => lock.withFence(() => 1))).toBe("SESSION_WRITE_LOCK_TIMEOUT");
    await other.kill("SIGKILL");
    expect(lock.withFence(() => 1)).toBe(1);
  });
});

describe("a removal through a lock that is its own guard", () => {
  test("what is unlinked is the judged file, seen inside to have the lock's name", () => {
    const { folder, lockPath } = lockFile();
    const fd = openToRead(lockPath);
    const look = vi.fn(({ fd: inside, isNamed }: { fd: number; isNamed: boolean }) => {
      expect([inside, isNamed]).toEqual([fd, true]);
      expect(tryEnterInode(lockPath, openToRead(lockPath), realLockFs).kind).toBe("busy");
      return true;
    });
    const lock = { lockPath, guards: "inode", fd } as const;
    expect(tryRemoveLock(lock, realLockFs, () => false)).toEqual({ kind: "changed" });
    expect(tryEnterInode(lockPath, openToRead(lockPath), realLockFs).kind).toBe("entered");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    writeFileSync(`${lockPath}.other`, "");
    renameSync(`${lockPath}.other`, lockPath);
    const fresh = openToRead(lockPath);
    look.mockImplementationOnce(({ fd: inside }) => inside === fresh);
    expect(tryRemoveLock({ ...lock, fd: fresh }, realLockFs, look)).toEqual({ kind: "removed" });
    expect(look).toHaveBeenCalledTimes(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each<[string, (lockPath: string) => void]>([
    [
      "another file's",
      (lockPath) => {
        takeNameAway(lockPath);
        writeFileSync(lockPath, "new");
      },
    ],
    [
      "a copy's",
      (lockPath) => {
        copyFileSync(lockPath, `${lockPath}.copy`);
        renameSync(`${lockPath}.copy`, lockPath);
      },
    ],
    ["no file's", takeNameAway],
  ])("the guard of a file whose name is %s by now lets nothing be removed", (_, change) => {
    const { folder, lockPath } = lockFile();
    const fd = openToRead(lockPath);
    change(lockPath);
    const before = readdirSync(folder);
    const look = vi.fn(() => true);
    const lock = { lockPath, guards: "inode", fd } as const;
    expect(tryRemoveLock(lock, realLockFs, look)).toEqual({ kind: "changed" });
    expect(look).not.toHaveBeenCalled();
    expect(readdirSync(folder)).toEqual(before);
    // And it was left.
    expect(realLockFs.tryExclusive(fd)).toBe("acquired");
  });

  test("a lock that changes hands between the look at it and the guard stays", async () => {
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
    let entered = 0;
    const tryExclusive: LockFs["tryExclusive"] = (fd) => {
      if (entered++ === 0) {
        takeNameAway(lockPath);
        writePlainLock(folder, "s", { pid: process.ppid });
      }
      return realLockFs.tryExclusive(fd);
    };
    const plan = resolveAcquireOptions({
      sessionFile: join(folder, "s.jsonl"),
      env: {},
      timeoutMs: 1000,
      isOwnerArgv: () => true,
    });
    await expect(acquireLock(plan, { ...realLockFs, tryExclusive })).rejects.toThrow(
      `pid=${process.ppid} alive=true`,
    );
    expect(readFileSync(lockPath, "utf8")).toContain(String(process.ppid));
    expect(entered).toBe(1);
  });

  test.for(["ofd-read", "record"])(
    "another program's lock on a dead owner's file (%s) is no owner's: the file goes",
    async (kind) => {
      const folder = temporaryFolder();
      const lockPath = join(folder, "s.jsonl.lock");
      const dead = await startHolder(lockPath);
      await dead.kill();
      const other = await startReady(program("hold-lock"), [kind, lockPath]);
      const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
      expect(locks).toMatchObject([{ ownerReason: "kernel-lock-free", removed: true }]);
      await other.kill();
    },
  );

  test("another program's flock on a live owner's file is a guard that is busy, not an owner", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder);
    const other = await startReady(program("hold-lock"), ["flock", lock.lockPath]);
    expect(codeOf(() => lock.withFence(() => 1))).toBe("SESSION_WRITE_LOCK_TIMEOUT");
    lock.assertHeld();
    await other.kill();
    expect(lock.withFence(() => 1)).toBe(1);
  });

  test("a file without a payload is removed inside both guards, and both are left", () => {
    const { folder, lockPath } = lockFile("");
    const both = () =>
      ({ lockPath, guards: "both", fd: openToRead(lockPath) }) as const satisfies object;
    const seen: unknown[] = [];
    const look = (): boolean => {
      seen.push(
        readdirSync(folder),
        tryEnterInode(lockPath, openToRead(lockPath), realLockFs).kind,
      );
      return false;
    };
    expect(tryRemoveLock(both(), realLockFs, look)).toEqual({ kind: "changed" });
    expect(seen).toEqual([["s.jsonl.lock", "s.jsonl.lock.guard"], "busy"]);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(tryRemoveLock(both(), realLockFs, () => true)).toEqual({ kind: "removed" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a file without a payload stays while another process is in either guard, and no guard is kept meanwhile", () => {
    const { folder, lockPath } = lockFile("");
    const remove = () =>
      tryRemoveLock({ lockPath, guards: "both", fd: openToRead(lockPath) }, realLockFs, () => true);
    const inside = openToRead(lockPath);
    expect(realLockFs.tryExclusive(inside)).toBe("acquired");
    expect(remove()).toStrictEqual({ kind: "busy", guardPath: lockPath });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    realLockFs.drop(inside);
    const guardFile = realLockFs.openGuard(guardFilePathOf(lockPath));
    onTestFinished(() => realLockFs.close(guardFile));
    expect(realLockFs.tryExclusive(guardFile)).toBe("acquired");
    expect(remove()).toStrictEqual({ kind: "busy", guardPath: guardFilePathOf(lockPath) });
    expect(realLockFs.tryExclusive(inside)).toBe("acquired");
    expect(existsSync(lockPath)).toBe(true);
  });

  test.each(["inode2", "flock", ""])(
    "a lock whose guard is a later version's (%j) is never removed nor displaced, and is reported",
    async (guard) => {
      const folder = temporaryFolder();
      const sessionFile = join(folder, "s.jsonl");
      const dead = await startHolder(`${sessionFile}.lock`, { fields: { guard } });
      const text = readFileSync(`${sessionFile}.lock`, "utf8");
      await dead.kill();
      const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
      expect(locks).toMatchObject([
        {
          staleReasons: expect.arrayContaining(["dead-pid"]) as unknown,
          keptReason: "no-guard",
          removed: false,
        },
      ]);
      await expect(
        acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 500 }),
      ).rejects.toMatchObject({ code: "SESSION_WRITE_LOCK_STALE", keptReason: "no-guard" });
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
      expect(readFileSync(`${sessionFile}.lock`, "utf8")).toBe(text);
    },
  );

  test("a live holder past its limit whose guard is a later version's is not displaced", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    await startHolder(`${sessionFile}.lock`, {
      fields: { guard: "inode2", createdAt: LONG_AGO, maxHoldMs: 1000 },
    });
    const text = readFileSync(`${sessionFile}.lock`, "utf8");
    const refusal: unknown = await acquireSessionWriteLock({
      sessionFile,
      env: {},
      timeoutMs: 300,
      isOwnerArgv: () => true,
    }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: expect.stringMatching(/^SESSION_WRITE_LOCK_(?:STALE|TIMEOUT)$/u) as string,
    });
    await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(readFileSync(`${sessionFile}.lock`, "utf8")).toBe(text);
  });
});

describe("a fenced write in a lock that is its own guard", () => {
  test("a fenced write within another one is refused, and the guard around both stays entered", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder);
    const fd = openToRead(lock.lockPath);
    const isBusy = (): boolean => tryEnterInode(lock.lockPath, fd, realLockFs).kind === "busy";
    lock.withFence(() => {
      expect(isBusy()).toBe(true);
      const inner = vi.fn();
      expect(codeOf(() => lock.withFence(inner))).toBe("LOCK_IN_FENCE");
      expect(inner).not.toHaveBeenCalled();
      expect(isBusy()).toBe(true);
    });
    expect(isBusy()).toBe(false);
    realLockFs.drop(fd);
    expect(lock.withFence(() => "written")).toBe("written");
  });

  test("a fenced write that throws leaves the guard", async () => {
    const lock = await hold(temporaryFolder());
    const fail = (): never => {
      throw new Error("no");
    };
    expect(() => lock.withFence(fail)).toThrow("no");
    const other = openToRead(lock.lockPath);
    expect(tryEnterInode(lock.lockPath, other, realLockFs).kind).toBe("entered");
  });

  test("a hold that ends within its fence closes its file once, and drops no lock of a file that gets the same number", async () => {
    const folder = temporaryFolder();
    let fd = -1;
    let closed = 0;
    const drops: number[] = [];
    const fs: LockFs = {
      ...realLockFs,
      createUnnamed: (directory) => (fd = realLockFs.createUnnamed(directory)),
      close: (closing) => {
        if (closing === fd) closed++;
        realLockFs.close(closing);
      },
      drop: (dropped) => {
        drops.push(dropped);
        realLockFs.drop(dropped);
      },
    };
    const lock = await hold(folder, fs);
    const path = join(folder, "other");
    writeFileSync(path, "");
    const opened: number[] = [];
    onTestFinished(() => opened.forEach((other) => closeSync(other)));
    lock.withFence(() => {
      takeNameAway(lock.lockPath);
      expect(codeOf(() => lock.assertHeld())).toBe(LOST);
      expect(closed).toBe(1);
      // The lowest number that is free is given first.
      while (!opened.includes(fd) && opened.length < 100) opened.push(openSync(path, "r"));
      expect(opened).toContain(fd);
      expect(realLockFs.tryExclusive(fd)).toBe("acquired");
    });
    expect(closed).toBe(1);
    expect(drops).not.toContain(fd);
    expect(fstatSync(fd).isFile()).toBe(true);
    expect(realLockFs.probe(openToRead(path))).toBe("held");
    await lock.release();
    expect(closed).toBe(1);
    expect(realLockFs.probe(openToRead(path))).toBe("held");
  });

  test("a hold that is released within its fence leaves the guard to the next holder", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder);
    const release = lock.withFence(() => {
      // It goes on after the fence: a process is inside.
      const releasing = lock.release();
      return { wait: () => releasing };
    });
    await release.wait();
    expect(readdirSync(folder)).toEqual([]);
    const next = await hold(folder);
    expect(next.withFence(() => "written")).toBe("written");
  });
});

describe.for(LOCK_KINDS)("what a holder takes for its own lock, one %s", ([kind, fsOf]) => {
  const isOwnGuard = kind !== "with a guard file";

  test("a lock whose file was touched, linked or read is still held, written under and released", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder, fsOf());
    for (const time of [1, Date.now() / 1000 + 3600]) {
      utimesSync(lock.lockPath, time, time);
      lock.assertHeld();
      expect(lock.withFence(() => "written")).toBe("written");
    }
    readFileSync(lock.lockPath);
    chmodSync(lock.lockPath, 0o600);
    lock.assertHeld();
    await lock.release();
    expect(lock.lost.aborted).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock whose file was rewritten in place with as many bytes is lost, and stays", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder, fsOf());
    const text = readFileSync(lock.lockPath, "utf8");
    const other = text.replace(/(?<="nonce": ")./u, (first) => (first === "0" ? "1" : "0"));
    const { mtimeNs } = statSync(lock.lockPath, { bigint: true });
    // Before Linux 6.13 a time is as coarse as the kernel's tick.
    await waitFor("another time of modification", () => {
      writeFileSync(lock.lockPath, other, { flag: "r+" });
      return statSync(lock.lockPath, { bigint: true }).mtimeNs !== mtimeNs;
    });
    const write = vi.fn();
    expect(codeOf(() => lock.withFence(write))).toBe(LOST);
    expect(write).not.toHaveBeenCalled();
    await lock.release();
    expect(readFileSync(lock.lockPath, "utf8")).toBe(other);
  });

  test("a lock whose file was rewritten with what it said is still held", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder, fsOf());
    const text = readFileSync(lock.lockPath, "utf8");
    writeFileSync(lock.lockPath, text, { flag: "r+" });
    utimesSync(lock.lockPath, 1, 1);
    expect(lock.withFence(() => "written")).toBe("written");
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a copy in a lock's place is the lock where its guard is a file, and none where it is itself", async () => {
    const folder = temporaryFolder();
    const lock = await hold(folder, fsOf());
    copyFileSync(lock.lockPath, `${lock.lockPath}.copy`);
    renameSync(`${lock.lockPath}.copy`, lock.lockPath);
    const write = vi.fn(() => "written");
    expect(codeOf(() => lock.withFence(write))).toBe(isOwnGuard ? LOST : "written");
    expect(write).toHaveBeenCalledTimes(isOwnGuard ? 0 : 1);
    await lock.release();
    expect(readdirSync(folder)).toEqual(isOwnGuard ? ["s.jsonl.lock"] : []);
  });

  test("a lock whose directory is a file by now is lost", async () => {
    const folder = join(temporaryFolder(), "sessions");
    mkdirSync(folder);
    const lock = await hold(folder, fsOf());
    renameSync(folder, `${folder}.moved`);
    writeFileSync(folder, "");
    expect(codeOf(() => lock.assertHeld())).toBe(LOST);
    await lock.release();
    expect(readFileSync(folder, "utf8")).toBe("");
    expect(readdirSync(`${folder}.moved`)).toEqual(["s.jsonl.lock"]);
  });

  test.each(["EACCES", "EIO", "ESTALE"])(
    "a lock that cannot be looked at (%s) is not lost: an error, and the next look decides",
    async (code) => {
      const folder = temporaryFolder();
      let isBlind = false;
      const refuse = (): void => {
        if (isBlind) throw Object.assign(new Error(`${code}: no`), { code, syscall: "lstat" });
      };
      const real = fsOf();
      const fs: LockFs = {
        ...real,
        stampAt: (path) => (isBlind ? null : real.stampAt(path)),
        isNamed: (path, fd) => !isBlind && real.isNamed(path, fd),
        lstat: (path) => {
          refuse();
          return real.lstat(path);
        },
        openForReading: (path) => {
          refuse();
          return real.openForReading(path);
        },
      };
      const lock = await hold(folder, fs);
      isBlind = true;
      expect(codeOf(() => lock.assertHeld())).toBe("SESSION_WRITE_LOCK_FILE");
      const write = vi.fn();
      expect(codeOf(() => lock.withFence(write))).toBe("SESSION_WRITE_LOCK_FILE");
      expect(write).not.toHaveBeenCalled();
      expect(lock.lost.aborted).toBe(false);
      isBlind = false;
      expect(lock.withFence(() => "written")).toBe("written");
    },
  );
});

test("a holder that may not search its directory any more is not told that its lock is lost", async (context) => {
  requireRoot(context, "to be without rights");
  const root = temporaryFolder();
  const folder = join(root, "sessions");
  mkdirSync(folder);
  chmodSync(root, 0o755);
  chmodSync(folder, 0o777);
  const otherUser = { ...readablePackage(), prefix: AS_NOBODY };
  const sessionFile = join(folder, "s.jsonl");
  const holder = await startHolding(sessionFile, otherUser);
  chmodSync(folder, 0o700);
  expect(await holder.write()).toMatchObject({
    name: "SessionWriteLockFileError",
    cause: { code: "EACCES" },
  });
  chmodSync(folder, 0o777);
  expect(await holder.write()).toEqual({ kind: "written" });
  expect(await holder.release()).toEqual({ kind: "released" });
  expect(await tryElsewhere(sessionFile)).toEqual({ kind: "released" });
});
