/** A lock that is displaced while a write runs under it: that write rejects, and the run is taken over. */
import { existsSync, mkdirSync } from "node:fs";

import { describe, expect, test, vi } from "vitest";

import { SessionTakeoverError } from "../../lib/session-controller/index.js";
import { Latch } from "../../lib/session-controller/locks/latch.js";
import { runNode } from "../support/processes/child.js";
import { importDist, takeNameAway } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { onRealLock, watch } from "../support/locks/run-controller.js";

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
