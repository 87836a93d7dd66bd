import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { machineMonotonicMs } from "../../lib/process/machine-clock.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();

test("inspecting a lock that does not exist gives null", async () => {
  expect(await inspectSessionLock(join(temporaryFolder(), "s.jsonl.lock"))).toBeNull();
});

test("a holder past its own limit is overdue only for callers that ask", async (context) => {
  requireNative(context);
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  await startHolder(lockPath, { fields: { maxHoldMs: 1000, createdAt: ago(5000) } });
  expect(await inspectSessionLock(lockPath)).toMatchObject({ stale: false, removable: false });
  expect(await inspectSessionLock(lockPath, { respectMaxHold: true })).toMatchObject({
    staleReasons: ["hold-exceeded"],
    removable: true,
    ownerState: "same",
  });
  expect(existsSync(lockPath)).toBe(true);
});

test("the monotonic clock tells how long a lock was held, when it is this boot's", async (context) => {
  requireNative(context);
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  const monotonicMs = machineMonotonicMs();
  // The wall clock was set forward by an hour: that is not holding.
  const fields = { maxHoldMs: 60_000, createdAt: ago(3_600_000), monotonicMs };
  await startHolder(lockPath, { fields });
  expect(await inspectSessionLock(lockPath, { respectMaxHold: true })).toMatchObject({
    stale: true,
    staleReasons: ["too-old"],
  });
});

test("inspecting takes a clock and an age limit", async () => {
  const lockPath = writePlainLock(temporaryFolder(), "s", { pid: process.ppid });
  const isOwnerArgv = (): boolean => true;
  const nowMs = Date.now() + 60_000;
  expect(await inspectSessionLock(lockPath, { nowMs, staleMs: 50_000, isOwnerArgv })).toMatchObject(
    {
      staleReasons: ["too-old"],
      keptReason: "owner-alive",
    },
  );
  expect(await inspectSessionLock(lockPath, { nowMs, isOwnerArgv })).toMatchObject({
    stale: false,
  });
});

test("inspecting takes another way to the owner's command line", async () => {
  const lockPath = writePlainLock(temporaryFolder(), "s", { pid: process.ppid });
  const answer = await inspectSessionLock(lockPath, {
    readOwnerProcessArgs: (pid) => Promise.resolve(["sleep", String(pid)]),
  });
  expect(answer).toMatchObject({
    staleReasons: ["non-openclaw-owner"],
    removable: true,
    removed: false,
  });
});

test("a file that is no lock is inspected like one without pid", async () => {
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  writeFileSync(lockPath, "hello");
  expect(await inspectSessionLock(lockPath)).toMatchObject({
    pid: null,
    pidAlive: false,
    ageMs: null,
    staleReasons: ["missing-pid", "invalid-createdAt"],
    keptReason: "in-grace",
  });
});
