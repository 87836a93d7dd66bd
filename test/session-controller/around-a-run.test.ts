/** The lock of a run that is displaced, taken again or not to be had: what its writes and its cleanup then do. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import { Latch } from "../../lib/session-controller/locks/latch.js";
import {
  acquireSessionFileOwner,
  type ControlledLock,
  type ControllerLockOptions,
  createSessionController,
  type SessionController,
  type SessionControllerOptions,
  SessionTakeoverError,
} from "../../lib/session-controller/index.js";
import {
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { nodeArguments, runNode, start } from "../support/child.js";
import { importDist, takeNameAway } from "../support/lock-holder.js";
import { memoryLocks } from "../support/memory-lock.js";
import { requireNative } from "../support/require.js";
import { controllerOf, FIRST_LINE, sessionFileWith, watch } from "../support/run-controller.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const LINE = '{"role":"user"}\n';

/** Fails a test long before a lock's own timeout would end its wait. */
const AT_ONCE = { timeout: 10_000 };
const LONG_MS = 600_000;

async function onRealLock(options: Partial<SessionControllerOptions> = {}) {
  const sessionFile = sessionFileWith();
  const controller = await createSessionController({
    acquire: (lockOptions) => acquireSessionWriteLock({ ...lockOptions, env: {} }),
    sessionFile,
    env: {},
    ...options,
  });
  onTestFinished(() => controller.dispose());
  return { controller, sessionFile, lockPath: `${sessionFile}.lock` };
}

const LOCK_LOST = {
  code: "SESSION_TAKEOVER",
  reason: "lock-lost",
  cause: { code: "SESSION_WRITE_LOCK_LOST" },
};

describe("a lock that is displaced in the middle of a write", () => {
  test("makes the write reject although the lock was never given up and nothing compares the file", async () => {
    const { controller, lockPath } = await onRealLock();
    const writing = controller.withWriteLock(() => {
      takeNameAway(lockPath);
      return "written";
    });
    await expect(writing).rejects.toMatchObject(LOCK_LOST);
    expect(controller.hasTakeover()).toBe(true);
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject(LOCK_LOST);
  });

  test("by another process, to which the lock was overdue, makes the write reject", async (context) => {
    requireNative(context);
    const { controller, sessionFile } = await onRealLock({ maxHoldMs: 20 });
    const writing = controller.withWriteLock(async () => {
      const displaced = await runNode(
        `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
         const lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)} });
         await lock.release();
         console.log(JSON.stringify("displaced"));`,
      );
      expect(displaced).toBe("displaced");
    });
    await expect(writing).rejects.toMatchObject(LOCK_LOST);
  });

  test("makes each of the writes that share it reject, the first that ends as well as the last", async () => {
    const { controller, lockPath } = await onRealLock();
    const [firstEnd, lastEnd] = [new Latch(), new Latch()];
    const first = controller.withWriteLock(() => firstEnd.opened);
    const last = controller.withWriteLock(() => lastEnd.opened);
    const lastSettled = watch(last);
    // Both have begun: each looks at its lock before.
    for (let turn = 0; turn < 10; turn++)
      await new Promise((resolve) => void setImmediate(resolve));
    takeNameAway(lockPath);
    firstEnd.open();
    await expect(first).rejects.toMatchObject(LOCK_LOST);
    expect(await lastSettled.isSettled()).toBe(false);
    lastEnd.open();
    await expect(last).rejects.toMatchObject(LOCK_LOST);
  });

  test("makes a write with a lock of its own reject, after the run's end too", async () => {
    const { controller, lockPath } = await onRealLock();
    await controller.dispose();
    const writing = controller.withWriteLock(() => takeNameAway(lockPath));
    await expect(writing).rejects.toMatchObject(LOCK_LOST);
  });

  test("keeps the error of a write that failed by itself among the causes", async () => {
    const { controller, lockPath } = await onRealLock();
    const writing = controller.withWriteLock(() => {
      takeNameAway(lockPath);
      throw new Error("socket closed");
    });
    await expect(writing).rejects.toMatchObject({
      ...LOCK_LOST,
      cause: { errors: [{ code: "SESSION_WRITE_LOCK_LOST" }, { message: "socket closed" }] },
    });
  });

  test("is noticed also where the file cannot be looked at any more", async () => {
    const { controller, sessionFile, lockPath } = await onRealLock();
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    const writing = controller.withWriteLock(() => {
      takeNameAway(sessionFile);
      mkdirSync(sessionFile);
      takeNameAway(lockPath);
    });
    await expect(writing).rejects.toThrow(SessionTakeoverError);
    expect(controller.hasTakeover()).toBe(true);
  });

  test("does not concern a write that had ended before", async () => {
    const { controller, lockPath } = await onRealLock();
    expect(await controller.withWriteLock(() => "written")).toBe("written");
    expect(existsSync(lockPath)).toBe(true);
    expect(controller.hasTakeover()).toBe(false);
  });
});

/** Two folders with a session of the same name in each; the process works in the first one. */
function twoFolders() {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(folder);
  // The temporary folder may be reached through a symbolic link.
  const here = process.cwd();
  for (const place of [here, elsewhere]) writeFileSync(join(place, "s.jsonl"), FIRST_LINE);
  return { sessionFile: join(here, "s.jsonl"), elsewhere };
}

describe("a relative session file", () => {
  test("is the one of the folder in which the controller was made, wherever the process works later", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const asked: string[] = [];
    const controller = await createSessionController({
      acquire: async (options) => {
        asked.push(options.sessionFile);
        return await acquireSessionWriteLock({ ...options, env: {} });
      },
      sessionFile: "s.jsonl",
      env: {},
    });
    onTestFinished(() => controller.dispose());
    process.chdir(elsewhere);
    await controller.withWriteLock(({ appendFenced }) => appendFenced("held\n"));
    await controller.releaseForPrompt();
    await controller.withWriteLock(({ appendFenced }) => {
      expect(existsSync(`${sessionFile}.lock`)).toBe(true);
      appendFenced("short\n");
    });
    await controller.reacquireAfterPrompt();
    expect(existsSync(`${sessionFile}.lock`)).toBe(true);
    await (await controller.acquireForCleanup()).release();
    expect(readFileSync(sessionFile, "utf8")).toBe(`${FIRST_LINE}held\nshort\n`);
    expect(readFileSync(join(elsewhere, "s.jsonl"), "utf8")).toBe(FIRST_LINE);
    expect(new Set(asked)).toEqual(new Set([sessionFile]));
  });

  test("is compared where it was, and a takeover names it by its whole path", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const { controller } = await controllerOf("s.jsonl");
    await controller.releaseForPrompt();
    process.chdir(elsewhere);
    appendFileSync("s.jsonl", LINE);
    await controller.withWriteLock(() => {});
    appendFileSync(sessionFile, LINE);
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({
      code: "SESSION_TAKEOVER",
      sessionFile,
    });
  });

  test("that is declared as written is looked at where it was", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const { controller } = await controllerOf("s.jsonl");
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    process.chdir(elsewhere);
    await controller.publishOwnedWrite();
    process.chdir(dirname(sessionFile));
    await controller.reacquireAfterPrompt();
    expect(controller.hasTakeover()).toBe(false);
  });

  test("has the owner that it had before the process went elsewhere, and the errors name the whole path", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const owner = await acquireSessionFileOwner({ sessionFile: "s.jsonl" });
    await expect(
      acquireSessionFileOwner({ sessionFile: "s.jsonl", timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: "SESSION_FILE_OWNER_TIMEOUT", sessionFile });
    process.chdir(elsewhere);
    (await acquireSessionFileOwner({ sessionFile: "s.jsonl", timeoutMs: 0 })).release();
    await expect(
      acquireSessionFileOwner({ sessionFile: relative(process.cwd(), sessionFile), timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: "SESSION_FILE_OWNER_TIMEOUT" });
    owner.release();
  });
});

describe("once the cleanup has begun", () => {
  test("taking the lock again does not compete with the cleanup's own lock", AT_ONCE, async () => {
    const { controller, locks } = await controllerOf(sessionFileWith(), { timeoutMs: LONG_MS });
    await controller.releaseForPrompt();
    const lock = await controller.acquireForCleanup();
    await controller.reacquireAfterPrompt();
    await lock.release();
    expect(locks.events.at(-1)).toBe("released 2");
    expect(controller.hasTakeover()).toBe(false);
  });

  test("taking the lock again takes none, after the cleanup's was released either", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await (await controller.acquireForCleanup()).release();
    await controller.reacquireAfterPrompt();
    await controller.withWriteLock(() => controller.reacquireAfterPrompt());
    expect(locks.holder()).toBeNull();
  });

  test("the lock that is being taken again goes to the cleanup, and is not acquired twice", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const stranger = await locks.acquire({ sessionFile });
    const reacquired = controller.reacquireAfterPrompt();
    const cleanup = controller.acquireForCleanup();
    const late = controller.reacquireAfterPrompt();
    await stranger.release();
    await Promise.all([reacquired, late]);
    const lock = await cleanup;
    expect(locks.holder()?.id).toBe(3);
    await lock.release();
    expect(locks.holder()).toBeNull();
    await controller.reacquireAfterPrompt();
    expect(locks.events.at(-1)).toBe("released 3");
  });

  test("a caller that had waited for its release until then does not take the lock again", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const physical = new Latch();
    locks.holdReleasesUntil(physical.opened);
    const released = controller.releaseForPrompt();
    const reacquired = controller.reacquireAfterPrompt();
    const cleanup = controller.acquireForCleanup();
    physical.open();
    await Promise.all([released, reacquired]);
    await (await cleanup).release();
    expect(locks.holder()).toBeNull();
    expect(locks.events.filter((event) => event.startsWith("acquired"))).toHaveLength(2);
  });

  test("an abort's cancelled attempt to take the lock again leaves nothing beside the cleanup's", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(), {
      settleTimeoutMs: 20,
    });
    await controller.releaseForPrompt();
    const stranger = await locks.acquire({ sessionFile });
    const reacquired = [controller.reacquireAfterPrompt()];
    await controller.releaseForAbort();
    reacquired.push(controller.reacquireAfterPrompt());
    const cleanup = controller.acquireForCleanup();
    await stranger.release();
    await Promise.all(reacquired);
    await (await cleanup).release();
    expect(locks.holder()).toBeNull();
  });

  test("a cleanup that was refused inside a write has not begun", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const refused = controller.withWriteLock(() => controller.acquireForCleanup());
    await expect(refused).rejects.toMatchObject({ code: "SESSION_WRITE_SCOPE_ACTIVE" });
    await controller.reacquireAfterPrompt();
    expect(locks.holder()?.id).toBe(3);
  });
});

const FAILURES: readonly (readonly [string, Error])[] = [
  ["a timeout", new SessionWriteLockTimeoutError(LONG_MS, "pid=7 alive=true", "/s.lock")],
  ["a stale lock", new SessionWriteLockStaleError(["too-old"], "pid=7 alive=true", "/s.lock")],
  [
    "a stale lock, wrapped by the host",
    new Error("x", { cause: { code: "OPENCLAW_SESSION_WRITE_LOCK_STALE" } }),
  ],
];

/** A run whose lock was given up and, from then on, is not to be had. */
async function withoutAnotherLock(error: Error) {
  const locks = memoryLocks();
  const acquire = vi.fn(async (options: ControllerLockOptions): Promise<ControlledLock> => {
    if (acquire.mock.calls.length > 1) throw error;
    return await locks.acquire(options);
  });
  const run = await controllerOf(sessionFileWith(), { acquire, timeoutMs: LONG_MS }, locks);
  await run.controller.releaseForPrompt();
  return { ...run, acquire };
}

const ASKING: readonly (readonly [string, (controller: SessionController) => Promise<unknown>])[] =
  [
    ["a write", (controller) => controller.withWriteLock(() => "written")],
    ["taking the lock again", (controller) => controller.reacquireAfterPrompt()],
  ];

describe("a lock that is not to be had is another holder's", () => {
  const meetings = ASKING.flatMap(([asker, ask]) =>
    FAILURES.map(([failure, error]) => [asker, failure, ask, error] as const),
  );

  test.each(meetings)(
    "%s that meets %s is a takeover, with that error as its cause",
    async (_asker, _failure, ask, error) => {
      const { controller, acquire } = await withoutAnotherLock(error);
      const takeover: unknown = await ask(controller).catch((caught: unknown) => caught);
      expect(takeover).toBeInstanceOf(SessionTakeoverError);
      expect(takeover).toMatchObject({ reason: "lock-unavailable" });
      expect((takeover as SessionTakeoverError).cause).toBe(error);
      expect(controller.hasTakeover()).toBe(true);
      expect(acquire).toHaveBeenCalledTimes(2);
    },
  );

  test("taking the lock again at the end of a write is a takeover of that write", async () => {
    const error = new SessionWriteLockTimeoutError(20, "pid=7 alive=true", "/s.lock");
    const locks = memoryLocks();
    let isRefused = false;
    const { controller } = await controllerOf(
      sessionFileWith(),
      { acquire: (options) => (isRefused ? Promise.reject(error) : locks.acquire(options)) },
      locks,
    );
    await controller.releaseForPrompt();
    const writing = controller.withWriteLock(async () => {
      await controller.reacquireAfterPrompt();
      isRefused = true;
    });
    await expect(writing).rejects.toMatchObject({ reason: "lock-unavailable", cause: error });
    expect(controller.hasTakeover()).toBe(true);
  });

  test.each(ASKING)(
    "after %s in vain no other write and no cleanup waits for it a second time",
    AT_ONCE,
    async (_name, ask) => {
      const locks = memoryLocks();
      let asked = 0;
      const { controller, sessionFile } = await controllerOf(
        sessionFileWith(),
        {
          // The first one to ask for the lock again gives up soon, who comes after it does not.
          acquire: (options) =>
            locks.acquire({ ...options, timeoutMs: ++asked === 2 ? 20 : LONG_MS }),
        },
        locks,
      );
      await controller.releaseForPrompt();
      const stranger = await locks.acquire({ sessionFile });
      await expect(ask(controller)).rejects.toThrow(SessionTakeoverError);
      await expect(controller.withWriteLock(vi.fn())).rejects.toThrow(SessionTakeoverError);
      await controller.reacquireAfterPrompt();
      await (await controller.acquireForCleanup()).release();
      expect(asked).toBe(2);
      expect(locks.holder()).toBe(stranger);
    },
  );

  test("on disk: a run whose session another process has is taken over, and its cleanup waits for nothing", async () => {
    const { controller, sessionFile } = await onRealLock({ timeoutMs: 2000 });
    await controller.releaseForPrompt();
    const next = await start(
      process.execPath,
      nodeArguments(
        `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
         await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)} });
         console.log("held");
         setInterval(() => {}, 1e6);`,
      ),
    );
    expect(await next.line()).toBe("held");
    await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject({
      code: "SESSION_TAKEOVER",
      reason: "lock-unavailable",
      cause: { code: "SESSION_WRITE_LOCK_TIMEOUT" },
    });
    const startedAt = performance.now();
    await (await controller.acquireForCleanup()).release();
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(existsSync(`${sessionFile}.lock`)).toBe(true);
  });

  test(
    "a cleanup that joins the wait of taking the lock again waits no longer than that",
    AT_ONCE,
    async () => {
      const locks = memoryLocks();
      let asked = 0;
      const { controller, sessionFile } = await controllerOf(
        sessionFileWith(),
        {
          acquire: (options) =>
            locks.acquire({ ...options, timeoutMs: ++asked === 2 ? 50 : LONG_MS }),
        },
        locks,
      );
      await controller.releaseForPrompt();
      await locks.acquire({ sessionFile });
      const reacquired = controller.reacquireAfterPrompt();
      reacquired.catch(() => {});
      const written = controller.withWriteLock(vi.fn());
      written.catch(() => {});
      const lock = await controller.acquireForCleanup();
      await lock.release();
      await expect(reacquired).rejects.toThrow(SessionTakeoverError);
      await expect(written).rejects.toThrow(SessionTakeoverError);
      expect(controller.hasTakeover()).toBe(true);
    },
  );

  test(
    "a cleanup does not wait for an attempt to take the lock again that outlasts the takeover",
    AT_ONCE,
    async () => {
      const locks = memoryLocks();
      let asked = 0;
      const { controller, sessionFile } = await controllerOf(
        sessionFileWith(),
        {
          acquire: (options) =>
            locks.acquire({ ...options, timeoutMs: ++asked === 2 ? 50 : LONG_MS }),
        },
        locks,
      );
      await controller.releaseForPrompt();
      const stranger = await locks.acquire({ sessionFile });
      const written = controller.withWriteLock(vi.fn());
      const reacquired = controller.reacquireAfterPrompt();
      const waiting = controller.withWriteLock(vi.fn());
      const cleanup = controller.acquireForCleanup();
      await expect(written).rejects.toThrow(SessionTakeoverError);
      await expect(waiting).rejects.toThrow(SessionTakeoverError);
      await (await cleanup).release();
      await (await controller.acquireForCleanup()).release();
      await stranger.release();
      await expect(reacquired).rejects.toThrow(SessionTakeoverError);
      expect(locks.holder()).toBeNull();
    },
  );

  test("any other failure to acquire is passed on as it is, and can be tried again", async () => {
    const error = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    const { controller } = await withoutAnotherLock(error);
    await expect(controller.withWriteLock(vi.fn())).rejects.toBe(error);
    await expect(controller.reacquireAfterPrompt()).rejects.toBe(error);
    expect(controller.hasTakeover()).toBe(false);
  });

  test("a write that waits in vain for another write of its own run is no takeover", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith(), { timeoutMs: 20 });
    await controller.releaseForPrompt();
    const [begun, end] = [new Latch(), new Latch()];
    const slow = controller.withWriteLock(async ({ appendFenced }) => {
      begun.open();
      await end.opened;
      appendFenced(LINE);
    });
    await begun.opened;
    const impatient = { code: "SESSION_WRITE_LOCK_TIMEOUT" };
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject(impatient);
    await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject(impatient);
    end.open();
    await slow;
    expect(controller.hasTakeover()).toBe(false);
    expect(locks.holder()).toBeNull();
  });

  test("a write that waits in vain for the cleanup of its own run is no takeover", async () => {
    const { controller } = await controllerOf(sessionFileWith(), { timeoutMs: 20 });
    const lock = await controller.acquireForCleanup();
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_TIMEOUT",
    });
    await lock.release();
    expect(await controller.withWriteLock(() => "written")).toBe("written");
  });

  test("a timeout inside a write, of a lock that is none of the run's, is no takeover", async () => {
    const { controller } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const error = new SessionWriteLockTimeoutError(5, "pid=7 alive=true", "/other.lock");
    const writing = controller.withWriteLock(() => Promise.reject(error));
    await expect(writing).rejects.toBe(error);
    expect(controller.hasTakeover()).toBe(false);
  });
});

test("a takeover is said before anything else, also before a wrong argument", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  locks.displace();
  await waitFor("the takeover", () => controller.hasTakeover());
  await expect(controller.withWriteLock(undefined as never)).rejects.toThrow(SessionTakeoverError);
});
