import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import {
  FileLockError,
  FileLockFileError,
  FileLockLostError,
  FileLockTimeoutError,
} from "../../lib/file-lock/errors.js";
import type { FileLock } from "../../lib/file-lock/file-lock.js";
import type { AcquireFileLockOptions } from "../../lib/file-lock/options.js";
import { identifyProcess } from "../../lib/index.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { SessionWriteLockLostError } from "../../lib/session-lock/errors.js";
import { nodeArguments, startReady } from "../support/processes/child.js";
import { liveOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder, takeNameAway } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function fileIn(folder: string): string {
  return join(folder, "ledger.csv");
}

async function refusal(options: AcquireFileLockOptions): Promise<unknown> {
  return await acquireFileLock(options).then(
    (lock) => lock.release().then(() => "acquired"),
    (error: unknown) => error,
  );
}

test("a file lock guards any file by <path>.lock, without limit, and leaves nothing behind", async () => {
  const folder = temporaryFolder();
  const path = fileIn(folder);
  const lock = await acquireFileLock({ path, label: "nightly" });
  expect(lock).toMatchObject({ path, lockPath: `${path}.lock` });
  expect(readdirSync(folder)).toEqual(["ledger.csv.lock"]);
  const payload = JSON.parse(readFileSync(lock.lockPath, "utf8")) as object;
  expect(payload).toMatchObject({
    pid: process.pid,
    owner: identifyProcess(),
    label: "nightly",
  });
  expect(payload).not.toHaveProperty("maxHoldMs");
  expect(await inspectSessionLock(lock.lockPath)).toMatchObject({ stale: false, pid: process.pid });
  lock.assertHeld();
  expect(lock.withFence(() => 42)).toBe(42);
  expect(lock.lost.aborted).toBe(false);
  await lock.release();
  await lock[Symbol.asyncDispose]();
  expect(readdirSync(folder)).toEqual([]);
});

test("two routes to a file are one lock, and its waiters are served first come, first served", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "a"));
  const first = await acquireFileLock({ path: fileIn(folder) });
  const order: number[] = [];
  const wait = async (n: number, path: string): Promise<void> => {
    await using lock = await acquireFileLock({ path });
    order.push(n);
    lock.assertHeld();
  };
  const waiting = [wait(1, join(folder, "a", "..", "ledger.csv")), wait(2, fileIn(folder))];
  await turn();
  expect(order).toEqual([]);
  await first.release();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
});

test("a file lock may be shared in one thread when asked for", async () => {
  const path = fileIn(temporaryFolder());
  const first = await acquireFileLock({ path });
  const second = await acquireFileLock({ path, allowReentrant: true, timeoutMs: 0 });
  await first.release();
  expect(existsSync(`${path}.lock`)).toBe(true);
  await second.release();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

describe("a file lock of another process", () => {
  test("another process's file lock is waited for, and the error names its holder without session terms", async (context) => {
    requireNative(context);
    const path = fileIn(temporaryFolder());
    const holder = await startHolder(`${path}.lock`);
    const error = await refusal({ path, timeoutMs: 120 });
    expect(error).toBeInstanceOf(FileLockTimeoutError);
    expect(error).toBeInstanceOf(FileLockError);
    expect(error).toMatchObject({
      name: "FileLockTimeoutError",
      code: "FILE_LOCK_TIMEOUT",
      lockPath: `${path}.lock`,
      timeoutMs: 120,
      pid: holder.pid,
    });
    expect(String(error)).toMatch(
      /^FileLockTimeoutError: file locked \(timeout 120ms\): pid=\d+ alive=true ageMs=\d+ .*ledger\.csv\.lock$/,
    );
  });

  test("another process's file lock is never too old while its owner lives", async (context) => {
    requireNative(context);
    const path = fileIn(temporaryFolder());
    const fields = { createdAt: "2001-01-01T00:00:00.000Z", maxHoldMs: null };
    await startHolder(`${path}.lock`, { fields });
    expect(await refusal({ path, timeoutMs: 0 })).toBeInstanceOf(FileLockTimeoutError);
  });

  test("another process's file lock is taken over as soon as its owner dies", async (context) => {
    requireNative(context);
    const path = fileIn(temporaryFolder());
    const holder = await startHolder(`${path}.lock`);
    const waiting = acquireFileLock({ path, timeoutMs: 60_000 });
    await turn();
    await holder.kill();
    const lock = await waiting;
    expect(await inspectSessionLock(lock.lockPath)).toMatchObject({ pid: process.pid });
    await lock.release();
  });

  test("a lock of a program that is another one, by its command line, is taken only when asked for", async () => {
    const path = fileIn(temporaryFolder());
    const owner = await liveOwner();
    const payload = { pid: owner.pid, createdAt: new Date().toISOString(), maxHoldMs: 300_000 };
    writeFileSync(`${path}.lock`, JSON.stringify(payload));
    expect(await refusal({ path, timeoutMs: 0 })).toBeInstanceOf(FileLockTimeoutError);
    const isOwnerArgv = (args: readonly string[]): boolean => args.includes("ledgerd");
    const readOwnerProcessArgs = (): readonly string[] => ["notepad"];
    expect(await refusal({ path, timeoutMs: 0, isOwnerArgv, readOwnerProcessArgs })).toBe(
      "acquired",
    );
  });
});

test("a holder past its own limit is displaced, and told so without session terms before it writes", async (context) => {
  requireNative(context);
  const path = fileIn(temporaryFolder());
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquireFileLock, FileLockLostError", "file-lock/index.js")}
      const lock = await acquireFileLock({ path: ${JSON.stringify(path)}, maxHoldMs: 50 });
      const { lost } = lock;
      console.log("holding");
      process.stdin.once("data", () => {
        try {
          lock.withFence(() => console.log("written"));
        } catch (error) {
          const sameReason = lost.reason instanceof FileLockLostError;
          console.log([error.name, error.code, sameReason, error.message].join(" "));
        }
        process.exit();
      });`),
  );
  const lock = await acquireFileLock({ path });
  holder.say("write");
  const by = `by pid ${String(process.pid)}`;
  expect(await holder.line()).toMatch(
    new RegExp(
      `^FileLockLostError FILE_LOCK_LOST true file lock lost \\(taken over ${by}\\): .*ledger\\.csv\\.lock$`,
    ),
  );
  lock.assertHeld();
  await lock.release();
});

describe("a file lock that is lost", () => {
  async function lost(): Promise<FileLock> {
    const lock = await acquireFileLock({ path: fileIn(temporaryFolder()) });
    takeNameAway(lock.lockPath);
    return lock;
  }

  test("a lost file lock says so at every step, with one reason", async () => {
    const lock = await lost();
    expect(() => lock.assertHeld()).toThrow(FileLockLostError);
    expect(() => lock.withFence(() => {})).toThrow(FileLockLostError);
    expect(lock.lost.reason).toBeInstanceOf(FileLockLostError);
    await lock.release();
  });

  test("a lost file lock aborts a signal that was asked for before", async () => {
    const lock = await lost();
    const { lost: signal } = lock;
    expect(signal.aborted).toBe(false);
    await lock.release();
    expect(signal.reason).toBeInstanceOf(FileLockLostError);
  });
});

test("what a fenced write throws is the caller's own, even if it is another lock's error", async () => {
  await using lock = await acquireFileLock({ path: fileIn(temporaryFolder()) });
  const own = new SessionWriteLockLostError("taken over", "/elsewhere.lock");
  let thrown: unknown;
  try {
    lock.withFence(() => {
      throw own;
    });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBe(own);
  // @ts-expect-error -- the type refuses it, too
  expect(() => lock.withFence(() => Promise.resolve())).toThrow(TypeError);
});

describe("a file in the way that is no lock", () => {
  test.each([
    ["another program's lock file", '{"name":"app","lockfileVersion":3}'],
    ["a text", "dear diary"],
  ])("a file in the way that is no lock is not touched, and named: %s", async (_what, text) => {
    const path = fileIn(temporaryFolder());
    writeFileSync(`${path}.lock`, text);
    const error = await refusal({ path, timeoutMs: 0 });
    expect(error).toBeInstanceOf(FileLockFileError);
    expect(String(error)).toMatch(
      /cannot lock file \(this file is no lock\): .*ledger\.csv\.lock$/,
    );
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(text);
  });

  test("a file where the directory should be is an error of the file system", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    const error = await refusal({ path: join(folder, "file", "ledger.csv") });
    expect(error).toBeInstanceOf(FileLockFileError);
    expect(error).toMatchObject({ code: "FILE_LOCK_FILE", cause: expect.any(Error) as Error });
    expect((error as FileLockFileError).syscall).not.toBeNull();
  });
});

test("waiting for a file lock ends with the signal's reason", async () => {
  const path = fileIn(temporaryFolder());
  await using held = await acquireFileLock({ path });
  const controller = new AbortController();
  const waiting = acquireFileLock({ path, signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  held.assertHeld();
});

test("a file lock takes nothing from the environment", async () => {
  const path = fileIn(temporaryFolder());
  const name = "OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS";
  process.env[name] = "5";
  try {
    await using lock = await acquireFileLock({ path });
    expect(readFileSync(lock.lockPath, "utf8")).not.toContain("maxHoldMs");
  } finally {
    delete process.env[name];
  }
});

test.each<[string, unknown, string]>([
  ["options", undefined, "options must be an object, got undefined"],
  ["path", {}, "options.path must be a file path (string or URL), got undefined"],
  [
    "path",
    { path: "" },
    "options.path must be a file path (string or URL) that is not empty and has no NUL bytes, got ''",
  ],
  [
    "timeoutMs",
    { path: "a", timeoutMs: -1 },
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got -1",
  ],
  [
    "maxHoldMs",
    { path: "a", maxHoldMs: 0 },
    "options.maxHoldMs must be an integer of 1 or more milliseconds, or Infinity, got 0",
  ],
  [
    "maxHoldMs",
    { path: "a", maxHoldMs: "5" },
    "options.maxHoldMs must be an integer of 1 or more milliseconds, or Infinity, got '5'",
  ],
  [
    "allowReentrant",
    { path: "a", allowReentrant: 1 },
    "options.allowReentrant must be a boolean, got 1",
  ],
  ["label", { path: "a", label: 1 }, "options.label must be a string, got 1"],
  ["signal", { path: "a", signal: {} }, "options.signal must be an AbortSignal, got {}"],
  ["onWait", { path: "a", onWait: 1 }, "options.onWait must be a function, got 1"],
  ["isOwnerArgv", { path: "a", isOwnerArgv: 1 }, "options.isOwnerArgv must be a function, got 1"],
])("a bad %s is refused by name", async (_name, options, message) => {
  await expect(acquireFileLock(options as AcquireFileLockOptions)).rejects.toThrow(message);
});
