/**
 * Every reason with which a lock is reported and every error of the lock layer, each produced by real locks. The
 * tables are records over the union types: a reason that is added to the type and not here does not compile.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { getProcessStartTime } from "../../lib/process/inspect.js";
import { acquireLock } from "../../lib/lock/acquire.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { resolveAcquireOptions } from "../../lib/session-lock/acquire-options.js";
import type { SessionLockInspection, StaleReason } from "../../lib/session-lock/reasons.js";
import type { SessionWriteLockErrorCode } from "../../lib/session-lock/errors.js";
import {
  inspectSessionLock,
  type InspectSessionLockOptions,
} from "../../lib/session-lock/inspect.js";
import type { KeptReason } from "../../lib/lock/verdict/inspection.js";
import { sweepDirectory } from "../../lib/session-lock/sweep/sweep.js";
import {
  type CleanStaleLockFilesOptions,
  resolveSweepOptions,
} from "../../lib/session-lock/sweep/options.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { enterGuardOf } from "../support/locks/enter-guard.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const HOUR = 3_600_000;
const LONG_AGO = new Date(Date.now() - HOUR).toISOString();

/** A start time that another process had, in the unit of this platform's plain locks. */
function otherStartTime(starttime: number): number {
  if (process.platform === "linux") return starttime - 1;
  return Math.floor(starttime / 1000) - 60_000;
}

/** What a plain lock says of this process's start. */
function ownStartTime(): number {
  const start = getProcessStartTime(process.pid);
  if (start === null) throw new Error("no start time of this process");
  return start;
}

describe("why a lock is stale", () => {
  interface Stale {
    readonly lockPath: string;
    readonly options?: InspectSessionLockOptions;
  }
  const STALE: Readonly<Record<StaleReason, (folder: string) => Stale | Promise<Stale>>> = {
    "missing-pid": (folder) => ({ lockPath: writePlainLock(folder, "s", {}) }),
    "dead-pid": async (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: await endedPid() }),
    }),
    "recycled-pid": async (folder) => {
      const { pid, starttime } = await liveOwner();
      return {
        lockPath: writePlainLock(folder, "s", { pid, starttime: otherStartTime(starttime) }),
      };
    },
    "holder-gone": async (folder) => {
      const lockPath = join(folder, "s.jsonl.lock");
      // It lives on, but has let go of its kernel lock, as a terminated worker would.
      await startHolder(lockPath, { keep: false });
      return { lockPath };
    },
    "invalid-createdAt": (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: process.ppid, createdAt: "yesterday" }),
    }),
    "too-old": (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: process.ppid, createdAt: LONG_AGO }),
    }),
    "hold-exceeded": (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: process.ppid, createdAt: LONG_AGO }),
      options: { respectMaxHold: true },
    }),
    "orphan-self-pid": (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: process.pid, starttime: ownStartTime() }),
    }),
    "non-openclaw-owner": async (folder) => ({
      lockPath: writePlainLock(folder, "s", { pid: (await liveOwner()).pid }),
    }),
  };

  test.for(Object.entries(STALE))(
    "a lock is stale for this reason: %s",
    async ([reason, arrange], context) => {
      requireNative(context);
      const { lockPath, options } = await arrange(temporaryFolder());
      const inspection = await inspectSessionLock(lockPath, { staleMs: 60_000, ...options });
      expect(inspection?.staleReasons).toContain(reason);
    },
  );
});

describe("why a stale lock is kept", () => {
  interface Kept {
    /** The file calls that are not the real ones. */
    readonly fs?: Partial<LockFs>;
    readonly options?: Partial<CleanStaleLockFilesOptions>;
    readonly after?: () => void;
  }
  const dead = async (folder: string): Promise<string> =>
    writePlainLock(folder, "s", { pid: await endedPid() });

  const KEPT: Readonly<Record<KeptReason, (folder: string) => Kept | Promise<Kept>>> = {
    "owner-alive": (folder) => {
      writePlainLock(folder, "s", { pid: process.pid, createdAt: LONG_AGO });
      return { options: { isOwnerArgv: () => true } };
    },
    "owner-unknown": (folder) => {
      writePlainLock(folder, "s", { pid: 7, createdAt: LONG_AGO, owner: "pi2.of.a.newer.version" });
      return {};
    },
    unreadable: (folder) => {
      writeFileSync(join(folder, "s.jsonl.lock"), " ".repeat(65 * 1024));
      return {};
    },
    "in-grace": (folder) => {
      writeFileSync(join(folder, "s.jsonl.lock"), "");
      return {};
    },
    "no-guard": async (folder) => {
      await dead(folder);
      return { fs: { canLock: () => false } };
    },
    "guard-busy": async (folder) => {
      return { after: enterGuardOf(await dead(folder)) };
    },
    "other-view": async (folder) => {
      const lockPath = join(folder, "s.jsonl.lock");
      const holder = await startHolder(lockPath, { fields: { kernelLock: "1:1" } });
      await holder.kill();
      return {};
    },
    changed: async (folder) => {
      const lockPath = await dead(folder);
      // Between the look and the removal the lock changes hands.
      const rewrite = (): void => {
        writeFileSync(lockPath, JSON.stringify({ pid: process.ppid, createdAt: LONG_AGO }));
      };
      return {
        fs: {
          tryExclusive: (fd) => {
            rewrite();
            return realLockFs.tryExclusive(fd);
          },
          createSelfDeleting: (path) => {
            rewrite();
            return realLockFs.createSelfDeleting(path);
          },
        },
      };
    },
    "dry-run": async (folder) => {
      await dead(folder);
      return { options: { removeStale: false } };
    },
    error: async (folder) => {
      await dead(folder);
      const refuse = (): never => {
        throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
      };
      return { fs: { unlink: refuse, rename: refuse } };
    },
  };

  test.for(Object.entries(KEPT))(
    "a stale lock is kept for this reason: %s",
    async ([reason, arrange], context) => {
      requireNative(context);
      if (reason === "no-guard") {
        requirePosix(context, "a guard there is on Windows without the addon, too");
      }
      const sessionsDir = temporaryFolder();
      const { fs, options, after } = await arrange(sessionsDir);
      const plan = resolveSweepOptions({ sessionsDir, env: {}, ...options });
      const { locks } = await sweepDirectory(plan, { ...realLockFs, ...fs });
      after?.();
      expect(locks.map((lock: SessionLockInspection) => lock.keptReason)).toEqual([reason]);
    },
  );
});

describe("errors", () => {
  const ERRORS: Readonly<Record<SessionWriteLockErrorCode, (sessionFile: string) => unknown>> = {
    SESSION_WRITE_LOCK_TIMEOUT: async (sessionFile) => {
      await startHolder(`${sessionFile}.lock`);
      await acquireSessionWriteLock({ sessionFile, timeoutMs: 20, env: {} });
    },
    SESSION_WRITE_LOCK_STALE: async (sessionFile) => {
      await startHolder(`${sessionFile}.lock`, {
        fields: { createdAt: LONG_AGO, maxHoldMs: 2 * HOUR },
      });
      await acquireSessionWriteLock({ sessionFile, staleMs: 1000, env: {} });
    },
    SESSION_WRITE_LOCK_LOST: async (sessionFile) => {
      const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
      try {
        const fd = openSync(lock.lockPath, "r+");
        writeSync(fd, "{}".padEnd(400));
        closeSync(fd);
        lock.assertHeld();
      } finally {
        await lock.release();
      }
    },
    SESSION_WRITE_LOCK_FILE: async (sessionFile) => {
      const plan = resolveAcquireOptions({ sessionFile, env: {} });
      const refuse = (): never => {
        throw Object.assign(new Error("ENOSPC: no space left"), {
          code: "ENOSPC",
          syscall: "write",
        });
      };
      await acquireLock(plan, { ...realLockFs, writeText: refuse });
    },
  };

  test.for(Object.entries(ERRORS))(
    "an acquisition or its lock fails with this code: %s",
    async ([code, act], context) => {
      requireNative(context);
      const sessionFile = join(temporaryFolder(), "s.jsonl");
      await expect(act(sessionFile)).rejects.toMatchObject({ code });
    },
  );
});
