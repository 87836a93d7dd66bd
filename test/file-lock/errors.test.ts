/** Every error of a file lock: that each kind of refusal has its own, in words that name what is locked. */
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { FileLockStaleError, inNeutralWords } from "../../lib/file-lock/errors.js";
import {
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { startHolder } from "../support/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.for(["file", "pid file"] as const)(
  "a stale %s lock that must be kept is said to be stale at once, with its reasons",
  async (thing, context) => {
    requireNative(context);
    const path = join(temporaryFolder(), "thing");
    const lockPath = thing === "file" ? `${path}.lock` : path;
    // Its holder saw it on another device: this may be a copy of a lock that is held.
    const holder = await startHolder(lockPath, { fields: { kernelLock: "1:1" } });
    await holder.kill();
    const acquire = thing === "file" ? acquireFileLock : acquirePidFile;
    const error: unknown = await acquire({ path, timeoutMs: 60_000 }).catch(
      (refusal: unknown) => refusal,
    );
    expect(error).toBeInstanceOf(FileLockStaleError);
    expect(error).toMatchObject({
      code: "FILE_LOCK_STALE",
      name: "FileLockStaleError",
      lockPath,
      pid: holder.pid,
      staleReasons: ["dead-pid"],
      keptReason: "other-view",
    });
    expect((error as Error).message).toMatch(
      new RegExp(`^${thing} lock stale \\(dead-pid\\): pid=${String(holder.pid)} alive=false `),
    );
  },
);

const CAUSE = Object.assign(new Error("EROFS: read-only file system"), { syscall: "open" });

test.for([
  [
    new SessionWriteLockTimeoutError(100, "owner=unknown", "/d/l"),
    { code: "FILE_LOCK_TIMEOUT", timeoutMs: 100, owner: "owner=unknown", pid: null },
    "pid file locked (timeout 100ms): owner=unknown /d/l",
  ],
  [
    new SessionWriteLockStaleError([], "owner=unknown", "/d/l"),
    { code: "FILE_LOCK_STALE", staleReasons: ["unknown"], keptReason: null, pid: null },
    "pid file lock stale (unknown): owner=unknown /d/l",
  ],
  [
    new SessionWriteLockLostError("taken over", "/d/l"),
    { code: "FILE_LOCK_LOST" },
    "pid file lock lost (taken over): /d/l",
  ],
  [
    new SessionWriteLockFileError("/d/l", CAUSE),
    { code: "FILE_LOCK_FILE", syscall: "open", cause: CAUSE },
    "cannot lock pid file (EROFS: read-only file system): /d/l",
  ],
] as const)("%s keeps its facts", ([error, facts, message]) => {
  const neutral = inNeutralWords(error, "pid file");
  expect(neutral).toMatchObject({ ...facts, lockPath: "/d/l" });
  expect((neutral as Error).message).toBe(message);
});

test("what is no error of the lock is passed on as it is", () => {
  const reason = new Error("the caller's own");
  expect(inNeutralWords(reason, "file")).toBe(reason);
});
