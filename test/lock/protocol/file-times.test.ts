/** How long a lock without payload is in grace when its times lie in the future. */
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { cleanStaleLockFiles, sweepDirectory } from "../../../lib/session-lock/sweep/sweep.js";
import { resolveSweepOptions } from "../../../lib/session-lock/sweep/options.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const DAY_MS = 86_400_000;

/** An empty file whose modification time lies ahead; no program can set its change time, which is now. */
function leaveEmpty(folder: string, name: string, aheadMs = 365 * DAY_MS): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  const then = new Date(Date.now() + aheadMs);
  utimesSync(path, then, then);
  return path;
}

describe("a modification time in the future", () => {
  test("an empty lock with a modification time in the future is in grace for the grace, not until that day", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    leaveEmpty(folder, "s.jsonl.lock");
    const sweep = (aheadMs: number) =>
      cleanStaleLockFiles({ sessionsDir: folder, env: {}, nowMs: Date.now() + aheadMs });
    expect((await sweep(0)).locks).toMatchObject([{ keptReason: "in-grace" }]);
    expect((await sweep(29_000)).locks).toMatchObject([{ keptReason: "in-grace" }]);
    expect((await sweep(31_000)).locks).toMatchObject([{ removed: true }]);
  });

  test("leftovers with a modification time in the future go after the grace as well", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const nonce = "a".repeat(32);
    for (const end of [`${nonce}.tmp`, `${nonce}.gone`, "guard"]) {
      leaveEmpty(folder, `s.jsonl.lock.${end}`);
    }
    await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(readdirSync(folder)).toHaveLength(3);
    await cleanStaleLockFiles({ sessionsDir: folder, env: {}, nowMs: Date.now() + 31_000 });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a change time in the future, too (a clock was stepped back)", () => {
  /** The real calls, to which files are changed a day later. */
  const ahead: LockFs = {
    ...realLockFs,
    fstat: (fd) => later(realLockFs.fstat(fd)),
    lstat: (path) => {
      const stats = realLockFs.lstat(path);
      return stats === null ? null : later(stats);
    },
  };

  function later<T extends { mtimeNs: bigint; ctimeNs: bigint }>(stats: T): T {
    const byNs = BigInt(DAY_MS) * 1_000_000n;
    stats.mtimeNs += byNs;
    stats.ctimeNs += byNs;
    return stats;
  }

  test("an empty lock with a change time in the future is kept by a single look, which cannot tell its age", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    writeFileSync(join(folder, "s.jsonl.lock"), "");
    const options = { sessionsDir: folder, env: {}, nowMs: Date.now() + 60_000 };
    const { locks } = await sweepDirectory(resolveSweepOptions(options), ahead);
    expect(locks).toMatchObject([{ removed: false, keptReason: "in-grace" }]);
  });

  test("an empty lock with a change time in the future is taken by a waiter that has seen it unchanged for the grace", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    writeFileSync(`${sessionFile}.lock`, "");
    // 5 s of grace for a timeout below 30 s.
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 20_000 });
    const started = performance.now();
    const lock = await acquireLock(plan, ahead);
    expect(performance.now() - started).toBeGreaterThan(4900);
    expect(performance.now() - started).toBeLessThan(15_000);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("an empty lock with a change time in the future is not taken while its writer still changes it", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const lockPath = `${sessionFile}.lock`;
    writeFileSync(lockPath, "");
    const writer = setInterval(() => writeFileSync(lockPath, " ", { flag: "a" }), 1000);
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 7500 });
    try {
      await expect(acquireLock(plan, ahead)).rejects.toMatchObject({
        code: "SESSION_WRITE_LOCK_TIMEOUT",
      });
    } finally {
      clearInterval(writer);
    }
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });
});
