/** `readOwnerProcessArgs` that never answers: budgets and signals still count, and the lock is kept. */
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/index.js";
import { acquireSessionWriteLock, cleanStaleLockFiles } from "../../lib/session-lock/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Tells that it was asked; its promise stays open. */
function unanswered(): { read: () => Promise<null>; asked: Promise<void> } {
  let tell = (): void => {};
  const asked = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const read = async (): Promise<null> => {
    tell();
    return await new Promise<null>(() => {});
  };
  return { read, asked };
}

/** A plain lock of a process that lives, whose command line decides. */
function lockFile(name: string): string {
  const path = join(temporaryFolder(), name);
  const payload = { pid: process.ppid, createdAt: new Date().toISOString() };
  writeFileSync(path, JSON.stringify(payload));
  return path;
}

test("an acquisition ends with its timeout, and the lock is kept", async () => {
  const lockPath = lockFile("a.lock");
  const { read } = unanswered();
  const options = { isOwnerArgv: () => false, readOwnerProcessArgs: read, timeoutMs: 50 };
  await expect(
    acquireFileLock({ path: lockPath.slice(0, -".lock".length), ...options }),
  ).rejects.toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
  expect(existsSync(lockPath)).toBe(true);
});

test("an acquisition ends with its signal", async () => {
  const lockPath = lockFile("s.jsonl.lock");
  const { read, asked } = unanswered();
  const controller = new AbortController();
  const acquiring = acquireSessionWriteLock({
    sessionFile: lockPath.slice(0, -".lock".length),
    readOwnerProcessArgs: read,
    signal: controller.signal,
    env: {},
  });
  await asked;
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(acquiring).rejects.toBe(reason);
  expect(existsSync(lockPath)).toBe(true);
});

test("a sweep of one directory ends with its signal", async () => {
  const lockPath = lockFile("s.jsonl.lock");
  const { read, asked } = unanswered();
  const controller = new AbortController();
  const sweeping = cleanStaleLockFiles({
    sessionsDir: dirname(lockPath),
    readOwnerProcessArgs: read,
    signal: controller.signal,
  });
  await asked;
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(sweeping).rejects.toBe(reason);
  expect(existsSync(lockPath)).toBe(true);
});
