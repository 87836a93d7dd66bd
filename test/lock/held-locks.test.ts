/** The locks of one thread together: what it holds, giving all up, sharing, waiting for each other. */
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as immediate, setTimeout as later } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import { expect, onTestFinished, test, vi } from "vitest";

import { acquireFileLock, acquirePidFile } from "../../lib/file-lock/index.js";
import * as fileLock from "../../lib/file-lock/index.js";
import { loadNative } from "../../lib/native/load.js";
import {
  acquireSessionWriteLock,
  heldLocks,
  releaseAllLocks,
  type SessionWriteLock,
} from "../../lib/session-lock/index.js";
import { runNode } from "../support/processes/child.js";
import { enterGuardOf } from "../support/locks/enter-guard.js";
import { takeNameAway } from "../support/locks/lock-holder.js";
import { ROOT } from "../support/processes/programs.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const LOST = "SESSION_WRITE_LOCK_LOST";

async function acquire(
  folder: string,
  name: string,
  options: Partial<Parameters<typeof acquireSessionWriteLock>[0]> = {},
): Promise<SessionWriteLock> {
  const lock = await acquireSessionWriteLock({
    sessionFile: join(folder, `${name}.jsonl`),
    env: {},
    ...options,
  });
  onTestFinished(() => lock.release());
  return lock;
}

/** Another holder's lock in place of this thread's, as a contender of an overdue lock leaves it. */
function displace(lock: SessionWriteLock): void {
  takeNameAway(lock.lockPath);
  writeFileSync(lock.lockPath, JSON.stringify({ pid: 2 ** 22 + 1, createdAt: "2020-01-01" }));
}

function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

test("heldLocks tells of every kind of lock that this thread holds", async () => {
  const folder = temporaryFolder();
  expect(heldLocks()).toEqual([]);
  const session = await acquire(folder, "s", { label: "run 7" });
  const file = await acquireFileLock({ path: join(folder, "f") });
  const pid = await acquirePidFile({ path: join(folder, "p") });
  const again = await acquire(folder, "s", { allowReentrant: true });
  const told = heldLocks();
  expect(told.map(({ lockPath, label }) => ({ lockPath, label }))).toEqual([
    { lockPath: session.lockPath, label: "run 7" },
    { lockPath: file.lockPath, label: null },
    { lockPath: pid.lockPath, label: null },
  ]);
  for (const { heldMs } of told) {
    expect(heldMs).toBeGreaterThanOrEqual(0);
    expect(heldMs).toBeLessThan(60_000);
  }
  expect(fileLock.heldLocks()).toHaveLength(3);
  await session.release();
  expect(heldLocks()).toHaveLength(3);
  await Promise.all([again.release(), file.release(), pid.release()]);
  expect(heldLocks()).toEqual([]);
});

test("releaseAllLocks gives up every lock, and tells its holders", async () => {
  const folder = temporaryFolder();
  const session = await acquire(folder, "s");
  const shared = await acquire(folder, "s", { allowReentrant: true });
  const file = await acquireFileLock({ path: join(folder, "f") });
  const seen: unknown[] = [];
  session.lost.addEventListener("abort", () => seen.push(existsSync(session.lockPath)));
  file.lost.addEventListener("abort", () => seen.push(existsSync(file.lockPath)));
  await releaseAllLocks();
  // Their signals were aborted while their locks were still there.
  expect(seen).toEqual([true, true]);
  expect(readdirSync(folder)).toEqual([]);
  expect(heldLocks()).toEqual([]);
  for (const lock of [session, shared]) {
    expect(codeOf(() => lock.assertHeld())).toBe(LOST);
    expect(codeOf(() => lock.withFence(() => 1))).toBe(LOST);
  }
  expect(codeOf(() => file.assertHeld())).toBe("FILE_LOCK_LOST");

  // The old handles' release touches no successor.
  const next = await acquire(folder, "s");
  await Promise.all([session.release(), shared.release(), file.release()]);
  next.assertHeld();
});

test("releaseAllLocks with nothing to give up does nothing", async () => {
  await releaseAllLocks();
  expect(heldLocks()).toEqual([]);
});

test("acquisitions that wait in this process go on after releaseAllLocks", async () => {
  const folder = temporaryFolder();
  await acquire(folder, "s");
  const waiting = acquire(folder, "s", { timeoutMs: 20_000 });
  await releaseAllLocks();
  const lock = await waiting;
  lock.assertHeld();
  expect(heldLocks().map(({ lockPath }) => lockPath)).toEqual([lock.lockPath]);
});

test("releaseAllLocks waits for releases that are under way", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lock = await acquire(folder, "s");
  const leave = enterGuardOf(lock.lockPath);
  const release = lock.release();
  const all = releaseAllLocks();
  let isDone = false;
  void all.then(() => (isDone = true));
  for (let turns = 0; turns < 20; turns++) await immediate();
  expect(isDone).toBe(false);
  leave();
  await Promise.all([release, all]);
  expect(existsSync(lock.lockPath)).toBe(false);
  // It was its holder's own release.
  expect(lock.lost.aborted).toBe(false);
});

test("releaseAllLocks releases the others when one cannot be released, and rejects with its error", async (context) => {
  requirePosix(context, "there a file system's refusal is waited out");
  const folder = temporaryFolder();
  // Without kernel locks a file that stays looks held.
  const script = `
    const { acquireSessionWriteLock, releaseAllLocks } = await import(${JSON.stringify(
      pathToFileURL(join(ROOT, "dist/session-lock/index.js")).href,
    )});
    const { default: fs, mkdirSync, readdirSync } = await import("node:fs");
    const folder = ${JSON.stringify(folder)};
    for (const name of ["a", "b", "c"]) {
      mkdirSync(folder + "/" + name);
      await acquireSessionWriteLock({ sessionFile: folder + "/" + name + "/s.jsonl", env: {} });
    }
    // A disk that refuses to remove or rename them.
    for (const call of ["unlinkSync", "renameSync"]) {
      const real = fs[call];
      fs[call] = (path, ...rest) => {
        if (/[/][ab][/]s[.]jsonl[.]lock$/u.test(path)) {
          throw Object.assign(new Error("EIO: i/o error"), { code: "EIO", syscall: call });
        }
        return real(path, ...rest);
      };
    }
    const error = await releaseAllLocks().catch((error) => error);
    console.log(JSON.stringify({
      errors: error.errors.map(({ code, lockPath }) => code + " " + lockPath.slice(folder.length)),
      left: readdirSync(folder + "/c"),
    }));`;
  const told = await runNode(script, { env: { ...process.env, PIDENTITY_NO_NATIVE: "1" } });
  expect(told).toEqual({
    errors: ["a", "b"].map((name) => `SESSION_WRITE_LOCK_FILE /${name}/s.jsonl.lock`),
    left: [],
  });
});

test("two copies of the package in one thread know each other's locks", async () => {
  const folder = temporaryFolder();
  const copy = join(folder, "copy");
  cpSync(join(ROOT, "dist"), copy, { recursive: true });
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  mkdirSync(join(folder, "locks"));
  const importOf = (path: string): string => JSON.stringify(pathToFileURL(path).href);
  const script = `
    const first = await import(${importOf(join(ROOT, "dist/session-lock/index.js"))});
    const second = await import(${importOf(join(copy, "file-lock/index.js"))});
    const { readdirSync } = await import("node:fs");
    const folder = ${JSON.stringify(join(folder, "locks"))};
    const lock = await first.acquireSessionWriteLock({ sessionFile: folder + "/s.jsonl", env: {} });
    await second.acquireFileLock({ path: folder + "/f" });
    const told = [first.heldLocks().length, second.heldLocks().length];
    await second.releaseAllLocks();
    console.log(JSON.stringify({ told, left: readdirSync(folder), lost: lock.lost.aborted }));`;
  const env = { ...process.env, PIDENTITY_NATIVE_PATH: loadNative().path };
  expect(await runNode(script, { env })).toEqual({ told: [2, 2], left: [], lost: true });
});

test("a reentrant acquire takes a lock of its own where the shared one was displaced", async () => {
  const folder = temporaryFolder();
  const first = await acquire(folder, "s");
  displace(first);
  const second = await acquire(folder, "s", { allowReentrant: true, timeoutMs: 20_000 });
  expect(first.lost.aborted).toBe(true);
  expect(codeOf(() => first.assertHeld())).toBe(LOST);
  second.assertHeld();
  expect(second.withFence(() => "written")).toBe("written");
  await first.release();
  second.assertHeld();
});

test("a reentrant acquire shares no displaced lock when its own cannot be had", async () => {
  const folder = temporaryFolder();
  const first = await acquire(folder, "s");
  takeNameAway(first.lockPath);
  // Its owner lives, and is not this thread by any name.
  writeFileSync(
    first.lockPath,
    JSON.stringify({ pid: process.ppid, createdAt: new Date().toISOString(), maxHoldMs: 300_000 }),
  );
  const second = acquireSessionWriteLock({
    sessionFile: join(folder, "s.jsonl"),
    allowReentrant: true,
    timeoutMs: 200,
    env: {},
    isOwnerArgv: () => true,
  });
  await expect(second).rejects.toMatchObject({ code: "SESSION_WRITE_LOCK_TIMEOUT" });
  expect(first.lost.aborted).toBe(true);
});

test("a reentrant acquire still shares a lock that is held", async () => {
  const folder = temporaryFolder();
  const first = await acquire(folder, "s");
  const second = await acquire(folder, "s", { allowReentrant: true, timeoutMs: 0 });
  await first.release();
  expect(codeOf(() => second.assertHeld())).toBeNull();
});

test("a waiter in the same process gets the lock when the holder's maxHoldMs is over, not a minute later", async () => {
  const folder = temporaryFolder();
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  onTestFinished(() => stderr.mockRestore());
  const overdue = await acquire(folder, "s", { maxHoldMs: 300 });
  const waiting = [1, 2].map(() => acquire(folder, "s", { maxHoldMs: 300, timeoutMs: 10_000 }));
  const second = await waiting[0];
  expect(overdue.lost.aborted).toBe(true);
  second?.assertHeld();
  // The next waiter waits for the limit of that holder in the same way.
  const third = await waiting[1];
  expect(second?.lost.aborted).toBe(true);
  third?.assertHeld();
});

test("a waiter in the same process keeps to its own timeout while the holder's release is stuck", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lock = await acquire(folder, "s");
  const leave = enterGuardOf(lock.lockPath);
  let isReleased = false;
  const release = lock.release().then(() => (isReleased = true));
  await expect(acquire(folder, "s", { timeoutMs: 200 })).rejects.toMatchObject({
    code: "SESSION_WRITE_LOCK_TIMEOUT",
  });
  expect(isReleased).toBe(false);
  leave();
  await release;
});

test.each([2 ** 31, 2 ** 40, Infinity])(
  "a waiter in the same process with a timeoutMs of %s waits",
  async (timeoutMs) => {
    const folder = temporaryFolder();
    const lock = await acquire(folder, "s");
    const waiting = acquire(folder, "s", { timeoutMs });
    let hasEnded = false;
    void waiting.then(
      () => (hasEnded = true),
      () => (hasEnded = true),
    );
    await later(20);
    expect(hasEnded).toBe(false);
    await lock.release();
    (await waiting).assertHeld();
  },
);
