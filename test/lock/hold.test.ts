/** The watchdog and the end of a hold, on an injected clock. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test, vi } from "vitest";

import { resolveSessionLockMaxHoldFromTimeout } from "../../lib/session-lock/limits.js";
import { tryPublish } from "../../lib/lock/protocol/publish.js";
import { withSessionWriteLock } from "../../lib/session-lock/with-lock.js";
import { Hold } from "../../lib/lock/hold.js";
import { sessionLockFace } from "../../lib/session-lock/write-lock.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function holdIn(folder: string, maxHoldMs: number) {
  const lockPath = join(folder, "s.jsonl.lock");
  const draft = {
    pid: process.pid,
    createdAt: new Date().toISOString(),
    maxHoldMs,
    starttime: null,
    owner: null,
    monotonicMs: null,
    label: null,
    lease: null,
  };
  const lock = tryPublish(lockPath, draft, realLockFs);
  if (lock.kind !== "published") throw new Error("not published");
  const clock = { now: 1000 };
  const warn = vi.fn();
  const onEnd = vi.fn();
  const hold = new Hold({
    lockPath,
    file: join(folder, "s.jsonl"),
    label: null,
    face: sessionLockFace,
    lock,
    maxHoldMs,
    fs: realLockFs,
    now: () => clock.now,
    warn,
    onEnd,
    lease: null,
  });
  onTestFinished(() => hold.releaseNow());
  return { hold, handle: hold.open(sessionLockFace), lockPath, clock, warn, onEnd };
}

test("the watchdog leaves a lock alone that is within its limit", () => {
  const { hold, handle, clock, warn } = holdIn(temporaryFolder(), 5000);
  clock.now = 6000;
  hold.check();
  handle.assertHeld();
  expect(warn).not.toHaveBeenCalled();
});

test("the watchdog releases an overdue lock, aborts the holder and says so", async () => {
  const folder = temporaryFolder();
  const { hold, handle, lockPath, clock, warn, onEnd } = holdIn(folder, 5000);
  clock.now = 6001;
  hold.check();
  expect(handle.lost.aborted).toBe(true);
  expect(warn.mock.calls).toEqual([
    [`[session-write-lock] releasing lock held for 5001ms (max=5000ms): ${lockPath}`],
  ]);
  await vi.waitFor(() => expect(onEnd).toHaveBeenCalledTimes(1));
  expect(readdirSync(folder)).toEqual([]);
  // The old handle's release is a no-op and cannot touch a successor.
  writeFileSync(lockPath, '{"pid": 1}');
  await handle.release();
  expect(existsSync(lockPath)).toBe(true);
  expect(() => handle.assertHeld()).toThrow(/held for longer than maxHoldMs/);
});

test("the watchdog notices a lock that was taken over", () => {
  const { hold, handle, lockPath, onEnd } = holdIn(temporaryFolder(), 5000);
  writeFileSync(lockPath, '{"pid": 1}');
  hold.check();
  expect(handle.lost.aborted).toBe(true);
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(existsSync(lockPath)).toBe(true);
});

test("the end of the process removes the file at once, and only once", () => {
  const folder = temporaryFolder();
  const { hold, onEnd } = holdIn(folder, 5000);
  hold.releaseNow();
  hold.releaseNow();
  expect(readdirSync(folder)).toEqual([]);
  expect(onEnd).toHaveBeenCalledTimes(1);
});

test("withSessionWriteLock releases whatever happens, and passes results and errors on", async () => {
  const folder = temporaryFolder();
  const options = { sessionFile: join(folder, "s.jsonl"), env: {} };
  expect(await withSessionWriteLock(options, (lock) => existsSync(lock.lockPath))).toBe(true);
  expect(readdirSync(folder)).toEqual([]);
  const failing = withSessionWriteLock(options, () => Promise.reject(new Error("run failed")));
  await expect(failing).rejects.toThrow("run failed");
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  [900_000, 1_020_000],
  [0, 300_000],
  [180_000, 300_000],
  [Infinity, 2_147_000_000],
  [2_146_999_000, 2_147_000_000],
])("a run of %i ms may hold its lock for %i ms", (timeoutMs, expected) => {
  expect(resolveSessionLockMaxHoldFromTimeout({ timeoutMs })).toBe(expected);
});
