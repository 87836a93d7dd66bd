/** What a waiter does while it waits: little, and it reports no lock that is another one at the second look. */
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { acquireLock } from "../../lib/lock/acquire.js";
import {
  type AcquireSessionWriteLockOptions,
  resolveAcquireOptions,
} from "../../lib/session-lock/acquire-options.js";
import {
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import type { SessionWriteLock } from "../../lib/session-lock/write-lock.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { startHolding } from "../support/locks/acquirer.js";
import { runNode } from "../support/processes/child.js";
import { liveOwner } from "../support/locks/lock-directory.js";
import { importDist, takeNameAway, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function acquire(
  folder: string,
  fs: LockFs,
  options: Partial<AcquireSessionWriteLockOptions> = {},
): Promise<SessionWriteLock> {
  const sessionFile = join(folder, "s.jsonl");
  return acquireLock(resolveAcquireOptions({ sessionFile, env: {}, ...options }), fs);
}

/** The real calls; `onLook` runs right after the n-th look into the lock file, which has read it by then. */
function watched(onLook: (look: number) => void): LockFs {
  let looks = 0;
  const read: LockFs["read"] = (...args) => {
    const length = realLockFs.read(...args);
    onLook(++looks);
    return length;
  };
  return { ...realLockFs, read };
}

describe("the second look at a stale lock that is kept", () => {
  const old = (): string => new Date(Date.now() - 60_000).toISOString();
  const recent = (): string => new Date().toISOString();
  const staleMs = 10_000;

  test("a stale lock that is kept is reported after two looks at the same one", async () => {
    const folder = temporaryFolder();
    const { pid, starttime } = await liveOwner();
    writePlainLock(folder, "s", { pid, starttime, createdAt: old() });
    let looks = 0;
    const fs = watched((look) => (looks = look));
    await expect(acquire(folder, fs, { staleMs })).rejects.toThrow(SessionWriteLockStaleError);
    expect(looks).toBe(2);
  });

  test.each<[string, (folder: string, owner: { pid: number; starttime: number }) => void, RegExp]>([
    [
      "a valid one",
      (folder, owner) => void writePlainLock(folder, "s", { ...owner, createdAt: recent() }),
      /pid=\d+ alive=true ageMs=\d{1,3} /,
    ],
    [
      "one that is still being written",
      (folder) => writeFileSync(join(folder, "s.jsonl.lock"), ""),
      /owner=unknown /,
    ],
  ])(
    "a stale lock that %s replaced before the second look is waited for",
    async (_, replace, message) => {
      const folder = temporaryFolder();
      const { pid, starttime } = await liveOwner();
      const owner = { pid, starttime };
      const lockPath = writePlainLock(folder, "s", { ...owner, createdAt: old() });
      const fs = watched((look) => {
        if (look !== 1) return;
        takeNameAway(lockPath);
        replace(folder, owner);
      });
      const attempt = acquire(folder, fs, { staleMs, timeoutMs: 200 });
      await expect(attempt).rejects.toThrow(SessionWriteLockTimeoutError);
      await expect(attempt).rejects.toThrow(message);
    },
  );

  test("a lock is acquired when its stale predecessor vanished before the second look", async () => {
    const folder = temporaryFolder();
    const { pid, starttime } = await liveOwner();
    const fields = { pid, starttime, createdAt: old() };
    const lockPath = writePlainLock(folder, "s", fields);
    let looks = 0;
    const fs = watched((look) => {
      looks = look;
      if (look === 1) takeNameAway(lockPath);
    });
    const lock = await acquire(folder, fs, { staleMs });
    expect(looks).toBe(1);
    await lock.release();
  });

  test("a stale lock replaced by another one that is just as old is reported after a second look at that", async () => {
    const folder = temporaryFolder();
    const { pid, starttime } = await liveOwner();
    const fields = { pid, starttime, createdAt: old() };
    const lockPath = writePlainLock(folder, "s", fields);
    let looks = 0;
    const fs = watched((look) => {
      looks = look;
      if (look !== 1) return;
      takeNameAway(lockPath);
      writePlainLock(folder, "s", { ...fields, maxHoldMs: 600_000 });
    });
    await expect(acquire(folder, fs, { staleMs })).rejects.toThrow(SessionWriteLockStaleError);
    expect(looks).toBe(3);
  });
});

describe("two seconds behind a live owner", () => {
  test("two seconds behind a live owner cost no more than ten looks at it, and one message a second names it", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    // The transcript beside the lock grows all the time: nothing to wake up for.
    const writing = setInterval(() => appendFileSync(sessionFile, "line\n"), 5);
    onTestFinished(() => clearInterval(writing));
    let looks = 0;
    const told: { readonly owner: string; readonly waitedMs: number }[] = [];
    const fs = watched((look) => (looks = look));
    const enough = new AbortController();
    const attempt = acquire(folder, fs, {
      timeoutMs: 60_000,
      signal: enough.signal,
      onWait: (waiting) => {
        if (told.push(waiting) === 2) enough.abort(new Error("told twice"));
      },
    });
    await expect(attempt).rejects.toThrow("told twice");
    expect(looks).toBeGreaterThan(0);
    expect(looks).toBeLessThanOrEqual(10);
    const owner = expect.stringMatching(`^pid=${holder.pid} alive=true ageMs=\\d+$`) as string;
    expect(told).toEqual([
      { owner, waitedMs: expect.any(Number) as number },
      { owner, waitedMs: expect.any(Number) as number },
    ]);
    expect(told[0]?.waitedMs).toBeGreaterThanOrEqual(1000);
    expect(told[1]?.waitedMs).toBeGreaterThanOrEqual(2000);
  });

  // How many milliseconds of a processor they cost is the benchmark's to say (npm run bench -- lock): the same forty
  // wake-ups cost twice as much on a busy machine. That a waiter does not spin can be said here, by the processor
  // time of a thread that does, measured right after it.
  test("two seconds behind a live owner leave the processor to others", async (context) => {
    requireNative(context);
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await startHolding(sessionFile);
    const script = `
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      const sessionFile = ${JSON.stringify(sessionFile)};
      const wait = (timeoutMs) => acquireSessionWriteLock({ sessionFile, timeoutMs, env: {} }).catch((error) => error.code);
      await wait(100);
      const before = process.cpuUsage();
      const code = await wait(2000);
      const waited = process.cpuUsage(before);
      const between = process.cpuUsage();
      for (const until = performance.now() + 500; performance.now() < until; );
      const spun = process.cpuUsage(between);
      console.log(JSON.stringify({ code, share: (waited.user + waited.system) / (4 * (spun.user + spun.system)) }));`;
    const { code, share } = (await runNode(script)) as { code: string; share: number };
    expect(code).toBe("SESSION_WRITE_LOCK_TIMEOUT");
    expect(share).toBeLessThan(0.5);
  });
});
