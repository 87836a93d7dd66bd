/** Another library's guard beside a lock, `<lock>.reclaim`: busy while its maker lives, a leftover some time after. */
import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import {
  FOREIGN_GUARD_GRACE_MS,
  lookAtForeignGuard,
} from "../../../lib/lock/protocol/foreign-guard.js";
import { foreignGuardPathOf } from "../../../lib/lock/protocol/names.js";
import { cleanStaleLockFiles } from "../../../lib/session-lock/sweep/sweep.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const OLD_MS = FOREIGN_GUARD_GRACE_MS + 60_000;

/** The forms that libraries give it. */
const FORMS = {
  "an empty file": (path: string) => writeFileSync(path, ""),
  "a directory": (path: string) => mkdirSync(path),
  "a file that names a process": (path: string, pid: number) =>
    writeFileSync(path, `${JSON.stringify({ pid, createdAt: new Date().toISOString() })}\n\t \t\n`),
  "a file with a bare pid": (path: string, pid: number) => writeFileSync(path, `${pid}\n`),
} as const satisfies Record<string, (path: string, pid: number) => void>;

const NAMELESS = ["an empty file", "a directory"] as const;
const NAMING = ["a file that names a process", "a file with a bare pid"] as const;

function age(path: string, ageMs: number): void {
  const then = new Date(Date.now() - ageMs);
  utimesSync(path, then, then);
}

interface Scene {
  readonly folder: string;
  readonly lockPath: string;
  readonly reclaim: string;
}

/** A dead owner's lock with such a guard beside it. */
async function sceneWith(form: keyof typeof FORMS, ageMs: number, pid: number): Promise<Scene> {
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
  const reclaim = foreignGuardPathOf(lockPath);
  FORMS[form](reclaim, pid);
  age(reclaim, ageMs);
  return { folder, lockPath, reclaim };
}

async function acquireIn({ folder }: Scene, timeoutMs: number) {
  return await acquireSessionWriteLock({
    sessionFile: join(folder, "s.jsonl"),
    env: {},
    timeoutMs,
  });
}

describe("a leftover guard of another library", () => {
  test.for([...NAMELESS, ...NAMING])(
    "another library's leftover guard is in no process's way, and goes with the lock: %s",
    async (form, context) => {
      requireNative(context);
      const gone = await endedPid();
      const swept = await sceneWith(form, OLD_MS, gone);
      const { counts } = await cleanStaleLockFiles({ sessionsDir: swept.folder, env: {} });
      expect(counts.removed).toBe(1);
      expect(readdirSync(swept.folder)).toEqual([]);
      const scene = await sceneWith(form, OLD_MS, gone);
      await (await acquireIn(scene, 2000)).release();
      expect(readdirSync(scene.folder)).toEqual([]);
    },
  );

  test("another library's guard directory that is not empty stays, and the lock goes all the same", async (context) => {
    requireNative(context);
    const scene = await sceneWith("a directory", 0, 0);
    writeFileSync(join(scene.reclaim, "owner"), "");
    age(scene.reclaim, OLD_MS);
    await (await acquireIn(scene, 2000)).release();
    expect(readdirSync(scene.folder)).toEqual(["s.jsonl.lock.reclaim"]);
  });

  test("a sweep removes another library's leftover guard beside no lock", async (context) => {
    requireNative(context);
    const scene = await sceneWith("a directory", OLD_MS, 0);
    rmSync(scene.lockPath);
    const young = foreignGuardPathOf(join(scene.folder, "young.jsonl.lock"));
    writeFileSync(young, "");
    await cleanStaleLockFiles({ sessionsDir: scene.folder, env: {} });
    expect(readdirSync(scene.folder)).toEqual(["young.jsonl.lock.reclaim"]);
  });
});

describe("another library's guard that may be in use", () => {
  test.for(NAMELESS)(
    "another library's guard that names no process keeps the lock for 10 minutes, and is named: %s",
    async (form, context) => {
      requireNative(context);
      const scene = await sceneWith(form, FOREIGN_GUARD_GRACE_MS - 60_000, 0);
      const { locks } = await cleanStaleLockFiles({ sessionsDir: scene.folder, env: {} });
      expect(locks).toMatchObject([{ removed: false, keptReason: "guard-busy" }]);
      expect(locks[0]?.error?.message).toContain(scene.reclaim);
      await expect(acquireIn(scene, 100)).rejects.toMatchObject({
        code: "SESSION_WRITE_LOCK_TIMEOUT",
        owner: `guard busy: ${scene.reclaim}`,
      });
      expect(readdirSync(scene.folder)).toEqual(["s.jsonl.lock", "s.jsonl.lock.reclaim"]);
    },
  );

  test.for(NAMING)(
    "another library's guard that names a live process keeps the lock as long as that lives, and is named: %s",
    async (form, context) => {
      requireNative(context);
      const maker = await liveOwner();
      const scene = await sceneWith(form, 0, maker.pid);
      // Made since its maker runs, and never so long ago that it counts as a leftover while it lives.
      expect(lookAtForeignGuard(scene.reclaim, realLockFs, Date.now() + OLD_MS)).toBe("busy");
      await maker.kill();
      expect(lookAtForeignGuard(scene.reclaim, realLockFs)).toBe("busy");
      expect(lookAtForeignGuard(scene.reclaim, realLockFs, Date.now() + OLD_MS)).toBe("leftover");
    },
  );

  test("another library's guard with a pid that another process has by now counts by its age", async (context) => {
    requireNative(context);
    const later = await liveOwner();
    const scene = await sceneWith("a file that names a process", OLD_MS, later.pid);
    expect(lookAtForeignGuard(scene.reclaim, realLockFs)).toBe("leftover");
    // As in a restarted container, where the pid is this process's.
    const own = await sceneWith("a file that names a process", 30 * 86_400_000, process.pid);
    expect(lookAtForeignGuard(own.reclaim, realLockFs)).toBe("leftover");
  });

  test("another library's guard that goes during a wait lets the waiter in", async (context) => {
    requireNative(context);
    const scene = await sceneWith("an empty file", 0, 0);
    const waiting = acquireIn(scene, 10_000);
    rmSync(scene.reclaim);
    await (await waiting).release();
    expect(readdirSync(scene.folder)).toEqual([]);
  });
});

test("a holder's release does not ask for another library's guard", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lock = await acquireSessionWriteLock({ sessionFile: join(folder, "s.jsonl"), env: {} });
  const reclaim = foreignGuardPathOf(lock.lockPath);
  writeFileSync(reclaim, JSON.stringify({ pid: process.pid }));
  expect(lock.withFence(() => "written")).toBe("written");
  await lock.release();
  expect(existsSync(lock.lockPath)).toBe(false);
  expect(existsSync(reclaim)).toBe(true);
});

test("a modification time in the future does not make another library's guard last until that day", async (context) => {
  requireNative(context);
  const scene = await sceneWith("an empty file", -86_400_000, 0);
  const inAnHour = Date.now() + 3_600_000;
  expect(lookAtForeignGuard(scene.reclaim, realLockFs)).toBe("busy");
  expect(lookAtForeignGuard(scene.reclaim, realLockFs, inAnHour)).toBe("leftover");
});
