/** What a takeover says of itself: as a fact, and in its message. On real locks, files and leases. */
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/index.js";
import {
  createSessionController,
  SessionTakeoverError,
  type SessionTakeoverReason,
} from "../../lib/session-controller/index.js";
import { releaseAllLocks } from "../../lib/session-lock/index.js";
import { nodeArguments, startReady } from "../support/processes/child.js";
import { importDist, startHolder, takeNameAway } from "../support/locks/lock-holder.js";
import { onRealLock, sessionFileWith } from "../support/locks/run-controller.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const LINE = '{"role":"user"}\n';

describe("a takeover says how the lock was lost", () => {
  test("another process has taken it: the message and the fact name its pid", async (context) => {
    requireNative(context);
    const { controller, sessionFile } = await onRealLock({ maxHoldMs: 20 });
    let pid = 0;
    const writing = controller.withWriteLock(async ({ appendFenced }) => {
      const taker = await startReady(
        process.execPath,
        nodeArguments(
          `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
           await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)}, env: {} });
           console.log("taken");
           process.stdin.resume();`,
        ),
      );
      pid = taker.process.pid ?? 0;
      appendFenced(LINE);
    });
    const takeover: unknown = await writing.catch((error: unknown) => error);
    expect(takeover).toMatchObject({
      reason: "lock-lost",
      found: "lock-taken",
      pid,
      message: `session lock taken over by pid ${String(pid)}: ${sessionFile}`,
      cause: { code: "SESSION_WRITE_LOCK_LOST", loss: "taken-over", pid },
    });
  });

  test("its file is gone", async () => {
    const { controller, sessionFile, lockPath } = await onRealLock();
    takeNameAway(lockPath);
    await expect(
      controller.withWriteLock(({ appendFenced }) => appendFenced(LINE)),
    ).rejects.toMatchObject({
      reason: "lock-lost",
      found: "lock-removed",
      pid: null,
      message: `session lock lost, its file is gone: ${sessionFile}`,
    });
  });

  test("the process has given it up", async () => {
    const { controller, sessionFile } = await onRealLock();
    await releaseAllLocks();
    await expect(controller.withWriteLock(() => {})).rejects.toMatchObject({
      reason: "lock-lost",
      found: "lock-released",
      message: `session lock given up by its process: ${sessionFile}`,
    });
  });

  test("a file lock in the session lock's place is understood as well", async () => {
    const path = join(temporaryFolder(), "s.jsonl");
    const controller = await createSessionController({
      acquire: ({ sessionFile }) => acquireFileLock({ path: sessionFile }),
      sessionFile: path,
      env: {},
    });
    takeNameAway(`${path}.lock`);
    await expect(
      controller.withWriteLock(({ appendFenced }) => appendFenced(LINE)),
    ).rejects.toMatchObject({ reason: "lock-lost", found: "lock-removed" });
    await controller.dispose();
  });

  test("a lock of another make that does not say how is lost, and no more", async () => {
    const lost = new AbortController();
    const sessionFile = sessionFileWith();
    const controller = await createSessionController({
      acquire: () => Promise.resolve({ release: () => {}, lost: lost.signal }),
      sessionFile,
      env: {},
    });
    lost.abort(new Error("gone"));
    await expect(controller.withWriteLock(() => {})).rejects.toMatchObject({
      reason: "lock-lost",
      found: "lock-lost",
      pid: null,
      message: `session lock lost: ${sessionFile}`,
    });
  });
});

test("a lock that is not to be had names the process that holds it", async (context) => {
  requireNative(context);
  const { controller, sessionFile, lockPath } = await onRealLock({ timeoutMs: 0 });
  await controller.releaseForPrompt();
  const holder = await startHolder(lockPath);
  const pid = holder.process.pid ?? 0;
  await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject({
    reason: "lock-unavailable",
    found: "lock-held",
    pid,
    message: `session lock held by pid ${String(pid)}: ${sessionFile}`,
  });
});

test.each<[SessionTakeoverReason, string]>([
  ["file-changed", "session file changed while embedded prompt lock was released: /s"],
  ["lock-lost", "session lock lost: /s"],
  ["lock-unavailable", "session lock held by another holder: /s"],
  ["write-abandoned", "session lock given up under a write that did not settle in time: /s"],
])("a %s of which no more is known says so", (reason, message) => {
  expect(new SessionTakeoverError("/s", reason)).toMatchObject({ message, pid: null });
});
