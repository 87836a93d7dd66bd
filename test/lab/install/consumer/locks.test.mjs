// Run by Jest, twice over: the second file's realm begins where the first one's has just ended.
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { nativeStatus } from "pidentity";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  nativeStatus as nativeStatusOfLocks,
} from "pidentity/session-lock";

/* global expect, test */
test("a stale lock goes, and the last thing that the file does is to release one", async () => {
  expect(nativeStatus()).toMatchObject({ backend: "native" });
  expect(nativeStatusOfLocks()).toEqual(nativeStatus());
  const sessionsDir = mkdtempSync(join(process.env.FOLDER, "jest-"));
  const createdAt = new Date().toISOString();
  const stale = JSON.stringify({ pid: Number(process.env.DEAD_PID), createdAt });
  writeFileSync(join(sessionsDir, "dead.jsonl.lock"), stale);
  expect((await cleanStaleLockFiles({ sessionsDir })).counts.removed).toBe(1);
  const lock = await acquireSessionWriteLock({ sessionFile: join(sessionsDir, "s.jsonl") });
  await lock.release();
  expect(existsSync(lock.lockPath)).toBe(false);
});
