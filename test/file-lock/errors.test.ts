/** Every error of a file lock: each kind of failure has its own, which names what is locked. */
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { fileLockError, FileLockStaleError } from "../../lib/file-lock/errors.js";
import type { LockFailure } from "../../lib/lock/failure.js";
import { startHolder } from "../support/locks/lock-holder.js";
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
      new RegExp(
        `^${thing} lock stale \\(dead-pid\\): pid=${String(holder.pid)} alive=false .* \\(kept, other-view: .*breakLock`,
      ),
    );
  },
);

const CAUSE = Object.assign(new Error("EROFS: read-only file system"), { syscall: "open" });
const UNKNOWN = { kind: "unknown", ageMs: null } as const;

test.for([
  [
    { kind: "timeout", lockPath: "/d/l", timeoutMs: 100, holder: UNKNOWN, obstacle: null },
    { code: "FILE_LOCK_TIMEOUT", timeoutMs: 100, owner: "owner=unknown", pid: null },
    "pid file locked (timeout 100ms): owner=unknown /d/l",
  ],
  [
    {
      kind: "timeout",
      lockPath: "/d/l",
      timeoutMs: 0,
      holder: { kind: "process", pid: 7, alive: true, ageMs: 12.4 },
      obstacle: "directory",
    },
    { owner: "pid=7 alive=true ageMs=12", pid: 7, obstacle: "directory" },
    "pid file locked (timeout 0ms): pid=7 alive=true ageMs=12 /d/l (a directory: another library's lock, held or left)",
  ],
  [
    {
      kind: "timeout",
      lockPath: "/d/l",
      timeoutMs: 50,
      holder: { kind: "guard", guardPath: "/d/l.guard" },
      obstacle: null,
    },
    { owner: "guard busy: /d/l.guard", pid: null },
    "pid file locked (timeout 50ms): guard busy: /d/l.guard /d/l",
  ],
  [
    {
      kind: "timeout",
      lockPath: "/d/l",
      timeoutMs: 50,
      holder: { kind: "guard", guardPath: "/d/l.guard", error: new Error("EBUSY: busy\n'l'") },
      obstacle: null,
    },
    { owner: "guard busy: /d/l.guard (EBUSY: busy; 'l')", pid: null },
    "pid file locked (timeout 50ms): guard busy: /d/l.guard (EBUSY: busy; 'l') /d/l",
  ],
  [
    { kind: "stale", lockPath: "/d/l", staleReasons: [], holder: UNKNOWN, keptReason: null },
    { code: "FILE_LOCK_STALE", staleReasons: ["unknown"], keptReason: null, pid: null },
    "pid file lock stale (unknown): owner=unknown /d/l",
  ],
  [
    {
      kind: "stale",
      lockPath: "/d/l",
      staleReasons: ["too-old", "foreign-owner"],
      holder: { kind: "process", pid: 7, alive: true, ageMs: null },
      keptReason: "no-guard",
    },
    { staleReasons: ["too-old", "non-openclaw-owner"], keptReason: "no-guard", pid: 7 },
    "pid file lock stale (too-old, non-openclaw-owner): pid=7 alive=true /d/l (kept, no-guard: no kernel locks keep its removal safe here; nativeStatus() says whether the addon is missing)",
  ],
  [
    { kind: "lost", lockPath: "/d/l", loss: "taken-over", pid: null, why: "taken over" },
    { code: "FILE_LOCK_LOST" },
    "pid file lock lost (taken over): /d/l",
  ],
  [
    { kind: "file", lockPath: "/d/l", cause: CAUSE },
    { code: "FILE_LOCK_FILE", syscall: "open", cause: CAUSE },
    "cannot lock pid file (EROFS: read-only file system): /d/l",
  ],
] as const satisfies readonly (readonly [LockFailure, object, string])[])(
  "the failure %j becomes an error with its facts",
  ([failure, facts, message]) => {
    const error = fileLockError("pid file", failure);
    expect(error).toMatchObject({ ...facts, lockPath: "/d/l" });
    expect(error.message).toBe(message);
  },
);
