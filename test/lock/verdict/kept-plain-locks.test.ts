/** `plainLocks: "keep"`: no entry point removes a lock of another program, whatever its pid says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, expect, test } from "vitest";

import { acquireFileLock } from "../../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../../lib/file-lock/acquire-pid-file.js";
import { getProcessStartTime } from "../../../lib/process/inspect.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { inspectSessionLock } from "../../../lib/session-lock/inspect.js";
import type { PlainLocks } from "../../../lib/lock/verdict/plain-owner.js";
import { cleanStaleLockFiles } from "../../../lib/session-lock/sweep/sweep.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

beforeEach((context) => {
  requireNative(context);
  requirePosix(context, "start times that tests can write");
});

const LONG_AGO = new Date(Date.now() - 3_600_000).toISOString();

/** A plain lock's keys, for an owner that `judge` takes for gone. */
const OWNERS: Readonly<Record<string, () => Promise<Record<string, unknown>>>> = {
  dead: async () => ({ pid: await endedPid() }),
  "of a recycled pid": async () => ({ pid: (await liveOwner()).pid, starttime: 1 }),
  foreign: async () => ({ pid: (await liveOwner()).pid }),
  overdue: async () => {
    const { pid, starttime } = await liveOwner();
    return { pid, starttime: inUnit(starttime), createdAt: LONG_AGO, maxHoldMs: 1 };
  },
  "an orphan of this process's pid": () => {
    const starttime = getProcessStartTime(process.pid) ?? Number.NaN;
    return Promise.resolve({ pid: process.pid, starttime: inUnit(starttime) });
  },
  "an orphan of this process's pid without start time": () => Promise.resolve({ pid: process.pid }),
};

/** As plain locks have it. */
function inUnit(starttime: number): number {
  return process.platform === "linux" ? starttime : Math.floor(starttime / 1_000_000);
}

interface Place {
  readonly folder: string;
  readonly lockPath: string;
  readonly plainLocks: PlainLocks;
}

/** Each gives whether the lock was, or would be, taken away. */
const ENTRIES: Readonly<Record<string, (place: Place) => Promise<boolean>>> = {
  inspectSessionLock: async ({ lockPath, plainLocks }) =>
    (await inspectSessionLock(lockPath, { plainLocks }))?.removable ?? true,
  cleanStaleLockFiles: async ({ folder, plainLocks }) =>
    (await cleanStaleLockFiles({ sessionsDir: folder, plainLocks, env: {} })).counts.removed === 1,
  acquireSessionWriteLock: ({ folder, plainLocks }) =>
    isTaken(
      acquireSessionWriteLock({
        sessionFile: join(folder, "s.jsonl"),
        timeoutMs: 200,
        plainLocks,
        env: {},
      }),
    ),
  acquireFileLock: ({ folder, plainLocks }) =>
    isTaken(acquireFileLock({ path: join(folder, "s.jsonl"), timeoutMs: 200, plainLocks })),
  acquirePidFile: ({ lockPath, plainLocks }) =>
    isTaken(acquirePidFile({ path: lockPath, timeoutMs: 200, plainLocks })),
};

async function isTaken(
  acquiring: Promise<{ readonly release: () => Promise<void> }>,
): Promise<boolean> {
  const held = await acquiring.catch((error: unknown) => {
    if (error instanceof TypeError) throw error;
    return null;
  });
  await held?.release();
  return held !== null;
}

/** What `judge` does not remove there: a sweep asks for no limit, a file lock's owner is never foreign. */
const KEPT_ANYWAY: readonly (readonly [entry: string, owner: string])[] = [
  ["inspectSessionLock", "overdue"],
  ["cleanStaleLockFiles", "overdue"],
  ["acquireFileLock", "foreign"],
  ["acquirePidFile", "foreign"],
];

const COMBINATIONS = Object.keys(ENTRIES).flatMap((entry) =>
  Object.keys(OWNERS).map((owner) => [entry, owner] as const),
);

test.each(COMBINATIONS)("%s keeps a plain lock whose owner is %s", async (entry, owner) => {
  const isTakenBy = ENTRIES[entry];
  const fields = await OWNERS[owner]?.();
  if (isTakenBy === undefined || fields === undefined) throw new Error("no such combination");
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", fields);
  const written = readFileSync(lockPath, "utf8");
  expect(await isTakenBy({ folder, lockPath, plainLocks: "keep" })).toBe(false);
  expect(readFileSync(lockPath, "utf8")).toBe(written);
  // By default it goes.
  const isKeptAnyway = KEPT_ANYWAY.some(([a, b]) => a === entry && b === owner);
  expect(await isTakenBy({ folder, lockPath, plainLocks: "judge" })).toBe(!isKeptAnyway);
});

test.each(Object.entries(ENTRIES))(
  "%s refuses a value of plainLocks that it does not know",
  async (_, act) => {
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    await expect(act({ folder, lockPath, plainLocks: "never" as PlainLocks })).rejects.toThrow(
      /^options\.plainLocks must be one of judge, keep, got 'never'$/,
    );
  },
);
