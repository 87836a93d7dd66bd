/** `timeoutMs: 0`: one try, whatever is in the way; and what is no session file is an error. */
import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import {
  acquireSessionWriteLock,
  SessionWriteLockFileError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/index.js";
import { start } from "../support/processes/child.js";
import { startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

async function refusalOf(acquiring: Promise<unknown>): Promise<unknown> {
  return await acquiring.then(
    () => null,
    (error: unknown) => error,
  );
}

test("an acquire with timeoutMs 0 takes a free lock", async () => {
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 0 });
  expect(existsSync(lock.lockPath)).toBe(true);
  await lock.release();
});

test("an acquire with timeoutMs 0 takes a dead owner's lock over", async () => {
  const folder = temporaryFolder();
  const child = await start(process.execPath, ["-e", ""]);
  await child.exited();
  const lockPath = writePlainLock(folder, "s", { pid: child.pid });
  const sessionFile = join(folder, "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 0 });
  expect(lock.lockPath).toBe(lockPath);
  await lock.release();
});

test("an acquire with timeoutMs 0 does not wait for another process's lock, and names its owner", async () => {
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const holder = await startHolder(`${sessionFile}.lock`);
  const error = await refusalOf(acquireSessionWriteLock({ sessionFile, timeoutMs: 0 }));
  expect(error).toBeInstanceOf(SessionWriteLockTimeoutError);
  expect(error).toMatchObject({ timeoutMs: 0 });
  expect(String(error)).toContain(`(timeout 0ms): pid=${String(holder.pid)} alive=true ageMs=`);
});

test("an acquire with timeoutMs 0 does not wait for this thread's own lock", async () => {
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  await using held = await acquireSessionWriteLock({ sessionFile });
  const error = await refusalOf(acquireSessionWriteLock({ sessionFile, timeoutMs: 0 }));
  expect(error).toMatchObject({ code: "SESSION_WRITE_LOCK_TIMEOUT", lockPath: held.lockPath });
});

test("a directory is no session file, and nothing is made beside it", async () => {
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  mkdirSync(sessionFile);
  const error = await refusalOf(acquireSessionWriteLock({ sessionFile }));
  expect(error).toBeInstanceOf(SessionWriteLockFileError);
  expect(error).toMatchObject({ syscall: "open", cause: { code: "EISDIR", path: sessionFile } });
  expect(readdirSync(folder)).toEqual(["s.jsonl"]);
});

test("a link to a directory is no session file, and nothing is made beside it", async (context) => {
  requirePosix(context, "symbolic links without privilege");
  const folder = temporaryFolder();
  mkdirSync(join(folder, "d"));
  symlinkSync("d", join(folder, "s.jsonl"));
  const error = await refusalOf(acquireSessionWriteLock({ sessionFile: join(folder, "s.jsonl") }));
  expect(error).toMatchObject({ code: "SESSION_WRITE_LOCK_FILE", cause: { code: "EISDIR" } });
});
