/** The run's cleanup and calls that take the lock again do not compete for it. */
import { describe, expect, test } from "vitest";

import { Latch } from "../../lib/session-controller/locks/latch.js";
import { controllerOf, sessionFileWith } from "../support/locks/run-controller.js";

/** Fails a test long before a lock's own timeout would end its wait. */
const AT_ONCE = { timeout: 10_000 };
const LONG_MS = 600_000;

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
