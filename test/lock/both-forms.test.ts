/** One table for both forms of acquiring and releasing: in turns of the event loop, and at once. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { acquireFileLock, acquireFileLockSync } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile, acquirePidFileSync } from "../../lib/file-lock/acquire-pid-file.js";
import { acquireLock, acquireLockAtOnce } from "../../lib/lock/acquire.js";
import type { ReclaimedLock } from "../../lib/lock/plan.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import {
  acquireSessionWriteLock,
  acquireSessionWriteLockSync,
} from "../../lib/session-lock/acquire.js";
import {
  type AcquireSessionWriteLockSyncOptions,
  resolveAcquireOptions,
} from "../../lib/session-lock/acquire-options.js";
import { runNode, startReady } from "../support/processes/child.js";
import { importDist, startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { enterGuardOf } from "../support/locks/enter-guard.js";
import { endedOwner } from "../support/locks/lock-directory.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** What both forms of a handle have. */
interface Held {
  readonly lockPath: string;
  readonly lost: AbortSignal;
  release(): Promise<void>;
  releaseSync(): void;
  assertHeld(): void;
  withFence<T>(write: () => T): T;
}

interface Options {
  readonly timeoutMs?: number;
  readonly allowReentrant?: boolean;
  readonly onReclaimed?: (reclaimed: ReclaimedLock) => void;
}

interface Form {
  readonly form: string;
  readonly session: (sessionFile: string, options?: Options) => Promise<Held>;
  readonly file: (path: string, options?: Options) => Promise<Held>;
  readonly pidFile: (path: string, options?: Pick<Options, "timeoutMs">) => Promise<Held>;
  readonly over: (sessionFile: string, fs: LockFs) => Promise<Held>;
  readonly release: (lock: Held) => Promise<void>;
}

const env = {};

const FORMS: readonly Form[] = [
  {
    form: "in turns",
    session: (sessionFile, options) =>
      acquireSessionWriteLock({ sessionFile, env, timeoutMs: 0, ...options }),
    file: (path, options) => acquireFileLock({ path, timeoutMs: 0, ...options }),
    pidFile: (path, options) => acquirePidFile({ path, ...options }),
    over: (sessionFile, fs) => acquireLock(resolveAcquireOptions({ sessionFile, env }), fs),
    release: (lock) => lock.release(),
  },
  {
    form: "at once",
    session: async (sessionFile, options) =>
      acquireSessionWriteLockSync({ sessionFile, env, ...options }),
    file: async (path, options) => acquireFileLockSync({ path, ...options }),
    pidFile: async (path, options) => acquirePidFileSync({ path, ...options }),
    over: async (sessionFile, fs) =>
      acquireLockAtOnce(resolveAcquireOptions({ sessionFile, env }), fs),
    release: async (lock) => lock.releaseSync(),
  },
];

/** Sync functions throw within the async ones above: every failure is a rejection here. */
describe.each(FORMS)("$form", ({ session, file, pidFile, over, release }) => {
  test("a free lock is published complete, and nothing is left after its release", async () => {
    const folder = temporaryFolder();
    const lock = await session(join(folder, "s.jsonl"));
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    expect(JSON.parse(readFileSync(lock.lockPath, "utf8"))).toMatchObject({ pid: process.pid });
    lock.assertHeld();
    expect(lock.withFence(() => 7)).toBe(7);
    await release(lock);
    expect(readdirSync(folder)).toEqual([]);
    await release(lock);
    expect(() => lock.assertHeld()).toThrow(/lost \(released\)/u);
  });

  test("a file's lock and a pid file are taken and given back", async () => {
    const folder = temporaryFolder();
    for (const lock of [await file(join(folder, "data")), await pidFile(join(folder, "pid"))]) {
      expect(existsSync(lock.lockPath)).toBe(true);
      await release(lock);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a dead owner's lock is taken over, and the callback is told of it", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolder(`${sessionFile}.lock`);
    await holder.kill("SIGKILL");
    const onReclaimed = vi.fn();
    const lock = await session(sessionFile, { onReclaimed });
    expect(onReclaimed).toHaveBeenCalledOnce();
    expect(onReclaimed.mock.calls[0]?.[0]).toMatchObject({
      lockPath: lock.lockPath,
      evidence: { pid: holder.pid, ownerState: "gone" },
    });
    await release(lock);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("what the callback throws comes through, and the lock is free again", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolder(`${sessionFile}.lock`);
    await holder.kill("SIGKILL");
    const onReclaimed = (): never => {
      throw new Error("mine");
    };
    await expect(session(sessionFile, { onReclaimed })).rejects.toThrow("mine");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a plain lock of an ended process is taken over after a look at nested namespaces", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const { pid } = await endedOwner();
    writePlainLock(folder, "s", { pid });
    await release(await session(join(folder, "s.jsonl")));
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a live holder's lock is refused when there is no time to wait, and named", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolder(`${sessionFile}.lock`);
    await expect(session(sessionFile)).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_TIMEOUT",
      owner: expect.stringContaining(`pid=${holder.pid}`),
    });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a lock that is released meanwhile is waited for", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    // It releases when it has seen that this process waits: not before the first looks.
    await startReady(process.execPath, [
      "--input-type=module",
      "--eval",
      `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
       const lock = await acquireSessionWriteLock({ sessionFile: process.argv[1], env: {} });
       console.log("holding");
       setTimeout(() => lock.release(), 300);`,
      sessionFile,
    ]);
    const lock = await session(sessionFile, { timeoutMs: 60_000 });
    lock.assertHeld();
    await release(lock);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the end of a holder that is killed is noticed", async (context) => {
    requireNative(context);
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await startReady(process.execPath, [
      "--input-type=module",
      "--eval",
      `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
       await acquireSessionWriteLock({ sessionFile: process.argv[1], env: {} });
       console.log("holding");
       setTimeout(() => process.kill(process.pid, "SIGKILL"), 300);`,
      sessionFile,
    ]);
    const lock = await session(sessionFile, { timeoutMs: 60_000 });
    expect(JSON.parse(readFileSync(lock.lockPath, "utf8"))).toMatchObject({ pid: process.pid });
    await release(lock);
  });

  test("a wait that is in vain ends with its budget", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await startHolder(`${sessionFile}.lock`);
    const started = performance.now();
    await expect(session(sessionFile, { timeoutMs: 250 })).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_TIMEOUT",
    });
    expect(performance.now() - started).toBeGreaterThanOrEqual(249);
  });

  test("a stale lock that must be kept is reported at once", async () => {
    const folder = temporaryFolder();
    // Its owner is alive, and its age is over every limit of a report.
    const createdAt = new Date(Date.now() - 10 * 3_600_000).toISOString();
    await startHolder(join(folder, "s.jsonl.lock"), {
      fields: { createdAt, maxHoldMs: 86_400_000 },
    });
    const error: unknown = await session(join(folder, "s.jsonl"), { timeoutMs: 60_000 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "SESSION_WRITE_LOCK_STALE" });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("the lock that this thread holds is shared where that is allowed, and else refused", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const first = await session(sessionFile, { allowReentrant: true });
    const second = await session(sessionFile, { allowReentrant: true });
    await expect(session(sessionFile)).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_TIMEOUT",
      owner: expect.stringContaining(`pid=${process.pid}`),
    });
    await release(first);
    expect(existsSync(second.lockPath)).toBe(true);
    await release(second);
    expect(existsSync(second.lockPath)).toBe(false);
  });

  test("a directory in the way is told, and left", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "data.lock"));
    await expect(file(join(folder, "data"))).rejects.toMatchObject({
      code: "FILE_LOCK_TIMEOUT",
      obstacle: "directory",
    });
  });

  test("a file that is no lock is told, and left", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "pid"), "not a pid at all\n");
    await expect(pidFile(join(folder, "pid"))).rejects.toMatchObject({ code: "FILE_LOCK_FILE" });
    expect(readFileSync(join(folder, "pid"), "utf8")).toBe("not a pid at all\n");
  });

  test("what the file system refuses is an error with its call, and leaves no file", async () => {
    const folder = temporaryFolder();
    const refuse = (): never => {
      throw Object.assign(new Error("EIO: i/o error, write"), { code: "EIO", syscall: "write" });
    };
    const fs: LockFs = { ...realLockFs, writeText: refuse };
    await expect(over(join(folder, "s.jsonl"), fs)).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_FILE",
      syscall: "write",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a release that fails for good says so", async () => {
    const folder = temporaryFolder();
    const refuse = (): never => {
      throw Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" });
    };
    // Without kernel locks the file that stays looks held.
    const fs: LockFs = {
      ...realLockFs,
      tryOwn: () => ({ refused: "ENOTSUP" }),
      tryExclusive: () => ({ refused: "ENOTSUP" }),
      unlink: (path) => (path.endsWith(".lock") ? refuse() : realLockFs.unlink(path)),
      rename: refuse,
    };
    const lock = await over(join(folder, "s.jsonl"), fs);
    await expect(release(lock)).rejects.toMatchObject({ code: "SESSION_WRITE_LOCK_FILE" });
    expect(() => lock.assertHeld()).toThrow(/lost/u);
    await release(await session(join(folder, "t.jsonl")));
  });

  test("a release waits for the process inside the guard", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lock = await session(join(folder, "s.jsonl"));
    let leave: (() => void) | null = enterGuardOf(lock.lockPath);
    let looks = 0;
    // The guard is left at the third try.
    const tries = vi.spyOn(Math, "random").mockImplementation(() => {
      if (++looks === 3) {
        leave?.();
        leave = null;
      }
      return 0;
    });
    try {
      await release(lock);
    } finally {
      tries.mockRestore();
      leave?.();
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("at once", () => {
  const acquire = (
    sessionFile: string,
    options: Partial<AcquireSessionWriteLockSyncOptions> = {},
  ): Held => acquireSessionWriteLockSync({ sessionFile, env, ...options });

  test("it never waits for a lock of its own thread, however much time it has", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const held = acquire(sessionFile);
    expect(() => acquire(sessionFile, { timeoutMs: Infinity })).toThrow(/locked/u);
    held.releaseSync();
    // Nor for one that this thread is about to take.
    const first = await acquireSessionWriteLock({ sessionFile, env });
    const second = acquireSessionWriteLock({ sessionFile, env });
    await first.release();
    expect(() => acquire(sessionFile, { timeoutMs: Infinity })).toThrow(/locked/u);
    await (await second).release();
    acquire(sessionFile).releaseSync();
  });

  test("neither the environment nor the configuration makes a thread stop", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await startHolder(`${sessionFile}.lock`);
    const options = {
      sessionFile,
      env: { OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS: "Infinity" },
      config: { session: { writeLock: { acquireTimeoutMs: Infinity } } },
    };
    expect(() => acquireSessionWriteLockSync(options)).toThrow(
      expect.objectContaining({ timeoutMs: 0 }),
    );
  });

  test("a handle of either form is released by either", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    await acquire(sessionFile).release();
    (await acquireSessionWriteLock({ sessionFile, env })).releaseSync();
    const lock = acquire(sessionFile);
    lock.releaseSync();
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a release that has begun in turns is over when releaseSync returns", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lock = acquire(join(folder, "s.jsonl"));
    const leave = enterGuardOf(lock.lockPath);
    const released = lock.release();
    expect(existsSync(lock.lockPath)).toBe(true);
    leave();
    lock.releaseSync();
    expect(readdirSync(folder)).toEqual([]);
    await released;
  });

  test("a block with `using` gives the lock back", () => {
    const folder = temporaryFolder();
    {
      using lock = acquireFileLockSync({ path: join(folder, "data") });
      lock.assertHeld();
      expect(readdirSync(folder)).toEqual(["data.lock"]);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a resolver that answers with a promise is refused, and the lock stays", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: process.ppid });
    const readOwnerProcessArgs = (): never => Promise.resolve([]) as never;
    expect(() => acquire(join(folder, "s.jsonl"), { readOwnerProcessArgs })).toThrow(
      /readOwnerProcessArgs must be synchronous/u,
    );
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a resolver that throws has said nothing: the lock is kept", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: process.ppid });
    const readOwnerProcessArgs = (): never => {
      throw new Error("no");
    };
    expect(() => acquire(join(folder, "s.jsonl"), { readOwnerProcessArgs })).toThrow(/locked/u);
  });

  test("what only makes sense in turns is no option of it", () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const given = { sessionFile, onWait: () => {}, signal: AbortSignal.abort() };
    const options: AcquireSessionWriteLockSyncOptions = given;
    expect(() => acquireSessionWriteLockSync(options)).toThrow(/has no option "onWait"/u);
    const path: { path: string; signal: AbortSignal } = { path: sessionFile, signal: given.signal };
    expect(() => acquireFileLockSync(path)).toThrow(/has no option "signal"/u);
    expect(() => acquirePidFileSync(path)).toThrow(/has no option "signal"/u);
  });

  test("an exit listener can take a lock and give it back, and what it leaves is removed", async () => {
    const folder = temporaryFolder();
    const script = `
      ${importDist("acquireFileLockSync", "file-lock/index.js")}
      import { readdirSync } from "node:fs";
      const folder = ${JSON.stringify(folder)};
      process.on("exit", () => {
        const lock = acquireFileLockSync({ path: folder + "/a" });
        const seen = readdirSync(folder).join();
        lock.releaseSync();
        acquireFileLockSync({ path: folder + "/b" });
        console.log(JSON.stringify(seen));
      });`;
    expect(await runNode(script)).toBe("a.lock");
    // Taken after this package's own listener: free for the next contender, as after a crash.
    acquireFileLockSync({ path: join(folder, "b") }).releaseSync();
    expect(readdirSync(folder)).toEqual([]);
  });
});
