/** Calls inside a fence that would wait for the end of that very fence. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock, LockInFenceError } from "../../lib/file-lock/index.js";
import { createSessionController } from "../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.each(["withFence", "releaseSync"] as const)(
  "%s inside withFence is refused at once, and the lock stays",
  async (call) => {
    const path = join(temporaryFolder(), "a");
    const lock = await acquireFileLock({ path });
    const calls = {
      withFence: () => lock.withFence(() => {}),
      releaseSync: () => lock.releaseSync(),
    };
    const refused = lock.withFence(() => {
      try {
        return calls[call]();
      } catch (error) {
        return error;
      }
    });
    expect(refused).toBeInstanceOf(LockInFenceError);
    expect(refused).toMatchObject({ code: "LOCK_IN_FENCE", call, lockPath: lock.lockPath });
    expect(lock.withFence(() => 1)).toBe(1);
    lock.releaseSync();
    expect(existsSync(lock.lockPath)).toBe(false);
  },
);

test("so is that of another handle to the same lock", async () => {
  const sessionFile = join(temporaryFolder(), "a.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile });
  const shared = await acquireSessionWriteLock({ sessionFile, allowReentrant: true });
  expect(() => lock.withFence(() => shared.withFence(() => {}))).toThrow(LockInFenceError);
  await shared.release();
  await lock.release();
});

test("so is a fence within a fence of the same controller", async () => {
  const sessionFile = join(temporaryFolder(), "a.jsonl");
  await using controller = await createSessionController({
    sessionFile,
    acquire: () => acquireSessionWriteLock({ sessionFile }),
  });
  await controller.withWriteLock(({ withFence, appendFenced }) => {
    expect(() => withFence(() => withFence(() => {}))).toThrow(LockInFenceError);
    expect(() => withFence(() => appendFenced("{}"))).toThrow(LockInFenceError);
    appendFenced("{}");
  });
  expect(controller.hasTakeover()).toBe(false);
});
