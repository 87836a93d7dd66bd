/** A lock that cannot be acquired, since another holder has it: a takeover. What is none is told apart. */
import { existsSync } from "node:fs";

import { describe, expect, test, vi } from "vitest";

import {
  type ControlledLock,
  type ControllerLockOptions,
  type SessionController,
  SessionTakeoverError,
} from "../../lib/session-controller/index.js";
import { Latch } from "../../lib/session-controller/locks/latch.js";
import {
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { nodeArguments, start } from "../support/processes/child.js";
import { importDist } from "../support/locks/lock-holder.js";
import { memoryLocks } from "../support/locks/memory-lock.js";
import { controllerOf, onRealLock, sessionFileWith } from "../support/locks/run-controller.js";

const LINE = '{"role":"user"}\n';

/** Fails a test long before a lock's own timeout would end its wait. */
const AT_ONCE = { timeout: 10_000 };
const LONG_MS = 600_000;

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
    const timedOut = { code: "SESSION_WRITE_LOCK_TIMEOUT" };
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject(timedOut);
    await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject(timedOut);
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
