import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as immediate } from "node:timers/promises";

import { describe, expect, test, vi } from "vitest";

import { getProcessStartTime, identifyProcess } from "../../lib/index.js";
import { acquireLock } from "../../lib/lock/acquire.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import {
  type AcquireSessionWriteLockOptions,
  resolveAcquireOptions,
} from "../../lib/session-lock/acquire-options.js";
import {
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import type { SessionWriteLock } from "../../lib/session-lock/write-lock.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { runNode, start, startReady } from "../support/processes/child.js";
import { enterGuardOf, guardPathOf } from "../support/locks/enter-guard.js";
import { LOCK_KINDS, withGuardFiles } from "../support/locks/lock-kinds.js";
import {
  importDist,
  startHolder,
  takeNameAway,
  writePlainLock,
} from "../support/locks/lock-holder.js";
import { requireLinux, requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function acquire(
  sessionFile: string,
  options: Partial<AcquireSessionWriteLockOptions> = {},
): Promise<SessionWriteLock> {
  return acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 5000, ...options });
}

function sessionIn(folder: string): string {
  return join(folder, "s.jsonl");
}

async function deadPid(): Promise<number> {
  const child = await start(process.execPath, ["-e", ""]);
  await child.exited();
  return child.pid;
}

/** The pid in the lock file. */
function pidIn(lock: SessionWriteLock): unknown {
  return (JSON.parse(readFileSync(lock.lockPath, "utf8")) as { pid: unknown }).pid;
}

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
const owned = (): boolean => true;

describe("a free lock", () => {
  test("a free lock is published complete, and nothing is left after its release", async () => {
    const folder = temporaryFolder();
    const lock = await acquire(sessionIn(folder), { label: "run 7", maxHoldMs: 1234 });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    const payload = JSON.parse(readFileSync(lock.lockPath, "utf8")) as Record<string, unknown>;
    expect(payload).toMatchObject({
      pid: process.pid,
      maxHoldMs: 1234,
      owner: identifyProcess(),
      label: "run 7",
    });
    expect(Object.keys(payload).slice(0, 4)).toEqual([
      "pid",
      "createdAt",
      "maxHoldMs",
      "starttime",
    ]);
    expect(payload["nonce"]).toMatch(/^[0-9a-f]{32}$/);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("acquiring a lock makes missing directories", async () => {
    const sessionFile = join(temporaryFolder(), "a", "b", "s.jsonl");
    const lock = await acquire(sessionFile);
    expect(lock.sessionFile).toBe(sessionFile);
    await lock.release();
  });

  test("a lock is the same one by every route to its directory", async (context) => {
    requireLinux(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    mkdirSync(join(folder, "real"));
    symlinkSync(join(folder, "real"), join(folder, "alias"));
    const lock = await acquire(join(folder, "alias", "s.jsonl"));
    expect(lock.lockPath).toBe(join(realpathSync(join(folder, "real")), "s.jsonl.lock"));
    await expect(acquire(join(folder, "real", "s.jsonl"), { timeoutMs: 50 })).rejects.toThrow(
      SessionWriteLockTimeoutError,
    );
    await lock.release();
  });

  test("await using releases a lock", async () => {
    const folder = temporaryFolder();
    {
      await using lock = await acquire(sessionIn(folder));
      expect(existsSync(lock.lockPath)).toBe(true);
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a second release does nothing, not even to a successor's lock", async () => {
    const folder = temporaryFolder();
    const first = await acquire(sessionIn(folder));
    await first.release();
    const second = await acquire(sessionIn(folder));
    await first.release();
    expect(pidIn(second)).toBe(process.pid);
    await second.release();
  });

  test("the holder's sweep, and another process's, leave a held lock alone", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lock = await acquire(sessionIn(folder));
    const { counts } = await cleanStaleLockFiles({ sessionsDir: folder });
    expect(counts).toEqual({ total: 1, stale: 0, removed: 0, kept: 1 });
    const script = `
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      const report = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)} });
      console.log(JSON.stringify(report.locks[0].ownerReason));`;
    expect(await runNode(script)).toBe("kernel-lock-held");
    await lock.release();
  });
});

describe("a lock of a live owner", () => {
  test("a live owner's lock is waited for until the timeout is over", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolder(`${sessionIn(folder)}.lock`);
    const error: unknown = await acquire(sessionIn(folder), { timeoutMs: 120 }).catch(
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(SessionWriteLockTimeoutError);
    expect(error).toMatchObject({ code: "SESSION_WRITE_LOCK_TIMEOUT", timeoutMs: 120 });
    expect(String(error)).toMatch(
      new RegExp(
        `session file locked \\(timeout 120ms\\): pid=${holder.pid} alive=true ageMs=\\d+ .*s\\.jsonl\\.lock$`,
      ),
    );
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a live owner's lock is taken when the owner releases it", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = `${sessionIn(folder)}.lock`;
    await startHolder(lockPath);
    const waiting = acquire(sessionIn(folder));
    setTimeout(() => takeNameAway(lockPath), 60);
    const lock = await waiting;
    expect(pidIn(lock)).toBe(process.pid);
    await lock.release();
  });

  test("a live owner's lock is taken when the owner dies during the wait", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolder(`${sessionIn(folder)}.lock`);
    const waiting = acquire(sessionIn(folder));
    await new Promise(setImmediate);
    await holder.kill("SIGKILL");
    const lock = await waiting;
    expect(pidIn(lock)).toBe(process.pid);
    await lock.release();
  });

  test("a live owner's old lock is reported as stale at once", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    await startHolder(`${sessionIn(folder)}.lock`, { fields: { createdAt: ago(60_000) } });
    const error: unknown = await acquire(sessionIn(folder), {
      staleMs: 1000,
      timeoutMs: 1e9,
    }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(SessionWriteLockStaleError);
    expect(error).toMatchObject({ staleReasons: ["too-old"], keptReason: "owner-alive" });
    expect(existsSync(`${sessionIn(folder)}.lock`)).toBe(true);
  });

  test("a lock that looks stale at the first look only is not reported", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = `${sessionIn(folder)}.lock`;
    await startHolder(lockPath, { fields: { createdAt: ago(60_000) } });
    let looks = 0;
    const openForReading: LockFs["openForReading"] = (path) => {
      const fd = realLockFs.openForReading(path);
      if (path === lockPath && ++looks === 1) takeNameAway(lockPath);
      return fd;
    };
    const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {}, staleMs: 1000 });
    const lock = await acquireLock(plan, { ...realLockFs, openForReading });
    await lock.release();
    expect(looks).toBeGreaterThan(0);
  });

  test("a lock past its own limit is displaced, and its holder's next fenced write fails", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const script = `
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      const lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionIn(folder))}, maxHoldMs: 30 });
      console.log("holding");
      process.stdin.once("data", async () => {
        let wrote = false;
        try { lock.withFence(() => { wrote = true; }); } catch (error) {
          console.log(JSON.stringify([error.code, wrote, lock.lost.aborted, lock.lost.reason === error]));
        }
        await lock.release();
        process.exit();
      });`;
    const holder = await startReady(process.execPath, ["--input-type=module", "--eval", script]);
    const lock = await acquire(sessionIn(folder), { isOwnerArgv: owned });
    holder.say("go");
    expect(JSON.parse(await holder.line())).toEqual(["SESSION_WRITE_LOCK_LOST", false, true, true]);
    await holder.exited();
    lock.assertHeld();
    await lock.release();
  });

  test("a live owner's plain lock is displaced past its limit, and reported within it", async () => {
    const folder = temporaryFolder();
    const fields = { pid: process.ppid, createdAt: ago(30_000) };
    writePlainLock(folder, "s", { ...fields, maxHoldMs: 1000 });
    const lock = await acquire(sessionIn(folder), { isOwnerArgv: owned });
    await lock.release();
    writePlainLock(folder, "s", { ...fields, maxHoldMs: 60_000 });
    await expect(acquire(sessionIn(folder), { isOwnerArgv: owned, timeoutMs: 50 })).rejects.toThrow(
      SessionWriteLockTimeoutError,
    );
  });

  test("a caller that waits is told so once a second", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolder(`${sessionIn(folder)}.lock`);
    const onWait = vi.fn();
    await expect(acquire(sessionIn(folder), { timeoutMs: 2300, onWait })).rejects.toThrow(
      "timeout",
    );
    expect(onWait.mock.calls).toHaveLength(2);
    expect(onWait.mock.calls[0]).toMatchObject([
      { owner: expect.stringContaining(`pid=${holder.pid} alive=true`) as string },
    ]);
  });

  test("aborting a wait rejects with the signal's reason and leaves nothing behind", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    await startHolder(`${sessionIn(folder)}.lock`);
    const abort = new AbortController();
    const reason = new Error("enough");
    const waiting = acquire(sessionIn(folder), { signal: abort.signal });
    setTimeout(() => abort.abort(reason), 30);
    await expect(waiting).rejects.toBe(reason);
    await expect(acquire(sessionIn(folder), { signal: abort.signal })).rejects.toBe(reason);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });
});

describe("a lock that its owner left", () => {
  test.each<[string, () => Promise<Record<string, unknown>>]>([
    ["dead pid", async () => ({ pid: await deadPid() })],
    ["this process's pid without start time", () => Promise.resolve({ pid: process.pid })],
    [
      "this process's pid and start time",
      () => Promise.resolve({ pid: process.pid, starttime: getProcessStartTime(process.pid) }),
    ],
    ["another program's pid", () => Promise.resolve({ pid: process.ppid })],
  ])("a lock that its owner left is taken at once: %s", async (_name, fields) => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", await fields());
    const lock = await acquire(sessionIn(folder), { isOwnerArgv: () => false });
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the lock of a process that was killed while it held is taken at once", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolder(`${sessionIn(folder)}.lock`);
    await holder.kill("SIGKILL");
    const lock = await acquire(sessionIn(folder));
    expect(pidIn(lock)).toBe(process.pid);
    await lock.release();
  });

  test("an empty lock file within the grace is waited for", async () => {
    const folder = temporaryFolder();
    writeFileSync(`${sessionIn(folder)}.lock`, "");
    await expect(acquire(sessionIn(folder), { timeoutMs: 60 })).rejects.toThrow(
      /owner=unknown .*s\.jsonl\.lock$/,
    );
    expect(readFileSync(`${sessionIn(folder)}.lock`, "utf8")).toBe("");
  });

  test("a dead owner's lock is reported without the addon, because removing it would not be safe", async (context) => {
    requireLinux(context, "Windows has a guard without the addon");
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: await deadPid() });
    const script = `
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      const sessionFile = ${JSON.stringify(sessionIn(folder))};
      const { code, keptReason, staleReasons } = await acquireSessionWriteLock({ sessionFile }).catch((e) => e);
      console.log(JSON.stringify({ code, keptReason, staleReasons }));`;
    const env = { ...process.env, PIDENTITY_NO_NATIVE: "1" };
    expect(await runNode(script, { env })).toEqual({
      code: "SESSION_WRITE_LOCK_STALE",
      keptReason: "no-guard",
      staleReasons: ["dead-pid"],
    });
  });
});

describe("within one thread", () => {
  test("waiters in one thread are served in the order in which they came", async () => {
    const folder = temporaryFolder();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, async (_, number) => {
        const lock = await acquire(sessionIn(folder));
        order.push(number);
        await lock.release();
      }),
    );
    expect(order).toEqual(Array.from({ length: 20 }, (_, number) => number));
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a waiter in one thread that runs out of time or aborts does not keep the others waiting", async () => {
    const folder = temporaryFolder();
    const lock = await acquire(sessionIn(folder));
    const abort = new AbortController();
    const hasty = acquire(sessionIn(folder), { timeoutMs: 20 });
    const aborted = acquire(sessionIn(folder), { signal: abort.signal });
    const lasting = acquire(sessionIn(folder));
    const refused = Promise.allSettled([hasty, aborted]);
    abort.abort(new Error("enough"));
    expect(await refused).toMatchObject([
      { reason: { code: "SESSION_WRITE_LOCK_TIMEOUT" } },
      { reason: { message: "enough" } },
    ]);
    await lock.release();
    await (await lasting).release();
  });

  test("a reentrant lock ends with its last handle", async () => {
    const folder = temporaryFolder();
    const outer = await acquire(sessionIn(folder), { allowReentrant: true });
    const inner = await acquire(sessionIn(folder), { allowReentrant: true });
    await outer.release();
    expect(() => outer.assertHeld()).toThrow(SessionWriteLockLostError);
    inner.assertHeld();
    expect(existsSync(inner.lockPath)).toBe(true);
    await inner.release();
    expect(existsSync(inner.lockPath)).toBe(false);
  });

  test("two reentrant acquires at once share the lock that the first one gets", async () => {
    const folder = temporaryFolder();
    const [a, b] = await Promise.all([
      acquire(sessionIn(folder), { allowReentrant: true }),
      acquire(sessionIn(folder), { allowReentrant: true }),
    ]);
    await a.release();
    b.assertHeld();
    await b.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("two copies of the module in one thread know each other's locks", async () => {
    const folder = temporaryFolder();
    // Not a literal: the compiler must not look for what is only built later.
    const built = "../../dist/session-lock/index.js";
    const copy = (await import(built)) as {
      acquireSessionWriteLock: typeof acquireSessionWriteLock;
    };
    const lock = await acquire(sessionIn(folder));
    const other = copy.acquireSessionWriteLock({ sessionFile: sessionIn(folder) });
    await lock.release();
    await (await other).release();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the fence", () => {
  test("a fenced write runs while the lock is held, and its result is returned", async () => {
    const folder = temporaryFolder();
    await using lock = await acquire(sessionIn(folder));
    expect(lock.withFence(() => readdirSync(folder).length)).toBeGreaterThan(0);
  });

  test("a fence passes on what the write throws, and can be used again", async () => {
    await using lock = await acquire(sessionIn(temporaryFolder()));
    expect(() =>
      lock.withFence(() => {
        throw new Error("disk");
      }),
    ).toThrow("disk");
    expect(lock.withFence(() => 1)).toBe(1);
  });

  test("a fence refuses asynchronous writes", async () => {
    await using lock = await acquire(sessionIn(temporaryFolder()));
    // @ts-expect-error -- the type refuses it, too
    expect(() => lock.withFence(() => Promise.resolve(1))).toThrow(TypeError);
  });

  test.each([
    ["removed", takeNameAway],
    ["replaced", (lockPath: string) => writeFileSync(lockPath, '{"pid": 1}')],
  ])("a fence refuses to write when the lock was %s", async (_how, change) => {
    const folder = temporaryFolder();
    const lock = await acquire(sessionIn(folder));
    change(lock.lockPath);
    const write = vi.fn();
    expect(() => lock.withFence(write)).toThrow(SessionWriteLockLostError);
    expect(write).not.toHaveBeenCalled();
    expect(lock.lost.reason).toBeInstanceOf(SessionWriteLockLostError);
    const before = existsSync(lock.lockPath);
    await lock.release();
    expect(existsSync(lock.lockPath)).toBe(before);
  });

  test("a fence that times out names the guard that another process is in", async (context) => {
    requireNative(context);
    await using lock = await acquire(sessionIn(temporaryFolder()));
    const leave = enterGuardOf(lock.lockPath);
    const write = vi.fn();
    expect(() => lock.withFence(write)).toThrow(`guard busy: ${guardPathOf(lock.lockPath)}`);
    expect(write).not.toHaveBeenCalled();
    leave();
  });
});

describe("a file system that refuses", () => {
  test.each(["ENOSPC", "EROFS", "EACCES", "EMFILE", "EIO"])(
    "%s while a lock is created is a typed error, and nothing is left",
    async (code) => {
      const folder = temporaryFolder();
      const refuseToCreate = (): never => {
        throw Object.assign(new Error(code), { code, syscall: "open" });
      };
      const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
      const error: unknown = await acquireLock(plan, {
        ...realLockFs,
        createUnnamed: refuseToCreate,
        createExclusive: refuseToCreate,
      }).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(SessionWriteLockFileError);
      expect(error).toMatchObject({
        code: "SESSION_WRITE_LOCK_FILE",
        syscall: "open",
        cause: { code },
      });
      expect(readdirSync(folder)).toEqual([]);
      // The turn was handed on.
      await (await acquire(sessionIn(folder))).release();
    },
  );

  test("a payload that cannot be written leaves no file", async () => {
    const folder = temporaryFolder();
    const writeText = (): never => {
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    };
    const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
    await expect(acquireLock(plan, { ...realLockFs, writeText })).rejects.toMatchObject({
      cause: { code: "ENOSPC" },
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(
    ["EPERM", "ENOTSUP", "EMLINK", "ENOSYS"].flatMap((code) =>
      LOCK_KINDS.map(([kind, fsOf]) => [code, kind, fsOf] as const),
    ),
  )(
    "a lock is created inside the guard where hard links fail with %s: one %s",
    async (code, _kind, fsOf) => {
      const folder = temporaryFolder();
      const link = (): never => {
        throw Object.assign(new Error(code), { code });
      };
      const plan = resolveAcquireOptions({
        sessionFile: sessionIn(folder),
        env: {},
        timeoutMs: 50,
      });
      const fs = { ...fsOf(), linkOpenFile: link, link };
      const lock = await acquireLock(plan, fs);
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
      lock.assertHeld();
      await lock.release();
      expect(readdirSync(folder)).toEqual([]);
      writePlainLock(folder, "s", {
        pid: process.ppid,
        starttime: getProcessStartTime(process.ppid),
      });
      await expect(acquireLock(plan, fs)).rejects.toThrow(SessionWriteLockTimeoutError);
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    },
  );

  test.for(LOCK_KINDS)(
    "a link that was made although its answer was lost is the publisher's own: a lock %s",
    async ([, fsOf], context) => {
      requirePosix(context, "publishes through a link");
      const folder = temporaryFolder();
      const lose = (): never => {
        throw Object.assign(new Error("ESTALE"), { code: "ESTALE" });
      };
      let lost = 0;
      const fs: LockFs = {
        ...fsOf(),
        link: (existing, path) => {
          realLockFs.link(existing, path);
          lost++;
          lose();
        },
        linkOpenFile: (fd, path) => {
          realLockFs.linkOpenFile(fd, path);
          lost++;
          lose();
        },
      };
      const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
      const lock = await acquireLock(plan, fs);
      expect(lost).toBe(1);
      lock.assertHeld();
      await lock.release();
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test("a publisher whose temporary file was swept away starts over", async (context) => {
    requirePosix(context, "publishes through a temp");
    const folder = temporaryFolder();
    let swept = 0;
    const link: LockFs["link"] = (existing, path) => {
      if (swept++ === 0) rmSync(existing);
      realLockFs.link(existing, path);
    };
    const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
    const lock = await acquireLock(plan, { ...withGuardFiles(), link });
    expect(swept).toBe(2);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  const refuse = (path: string): void => {
    if (path.endsWith(".lock")) throw Object.assign(new Error("EPERM"), { code: "EPERM" });
  };
  const unlink: LockFs["unlink"] = (path) => {
    refuse(path);
    realLockFs.unlink(path);
  };

  test("a release that cannot unlink renames the lock aside", async (context) => {
    requireLinux(context, "release is an unlink");
    const folder = temporaryFolder();
    const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
    const lock = await acquireLock(plan, { ...realLockFs, unlink });
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a release that can neither unlink nor rename leaves a file that others see to be free", async (context) => {
    requireNative(context);
    requireLinux(context, "release is an unlink");
    const folder = temporaryFolder();
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const plan = resolveAcquireOptions({ sessionFile: sessionIn(folder), env: {} });
    const lock = await acquireLock(plan, { ...realLockFs, unlink, rename: refuse });
    await lock.release();
    expect(stderr.mock.calls.flat()).toContainEqual(
      expect.stringContaining("left for others to remove"),
    );
    stderr.mockRestore();
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    await (await acquire(sessionIn(folder))).release();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("the end of the process", () => {
  const holding = (folder: string, more = ""): string => `
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionIn(folder))} });
    ${more}
    console.log("holding");
    setInterval(() => {}, 1e6);`;
  const args = (script: string): string[] => ["--input-type=module", "--eval", script];

  test("process.exit removes the lock file", async () => {
    const folder = temporaryFolder();
    const child = await startReady(
      process.execPath,
      args(holding(folder, "setTimeout(() => process.exit(7), 10);")),
    );
    expect(await child.exited()).toBe(7);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(["SIGINT", "SIGTERM", "SIGQUIT", "SIGABRT", "SIGHUP"] as const)(
    "%s removes the lock file and has its usual effect",
    async (signal) => {
      if (process.platform === "win32") return;
      const folder = temporaryFolder();
      const child = await startReady(process.execPath, args(holding(folder)));
      child.process.kill(signal);
      await child.exited();
      expect(child.process.signalCode).toBe(signal);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test("a signal that the host handles is left to the host", async () => {
    if (process.platform === "win32") return;
    const folder = temporaryFolder();
    const more = `process.on("SIGTERM", () => { console.log("handled"); setTimeout(() => process.exit(3), 50); });`;
    const child = await startReady(process.execPath, args(holding(folder, more)));
    child.process.kill("SIGTERM");
    expect(await child.line()).toBe("handled");
    expect(await child.exited()).toBe(3);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("the listeners for the end are there while a lock is held, and go in the turn after its release", async () => {
    const before = process.listenerCount("SIGTERM") + process.listenerCount("exit");
    const lock = await acquire(sessionIn(temporaryFolder()));
    expect(process.listenerCount("SIGTERM") + process.listenerCount("exit")).toBe(before + 2);
    await lock.release();
    await immediate();
    expect(process.listenerCount("SIGTERM") + process.listenerCount("exit")).toBe(before);
  });
});
