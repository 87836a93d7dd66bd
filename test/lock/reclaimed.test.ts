/** What an acquisition tells of the stale lock that it took over. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import type { ReclaimedLock } from "../../lib/lock/plan.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { nodeArguments, startReady } from "../support/processes/child.js";
import { endedOwner, endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder, takeNameAway } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

type OnReclaimed = (reclaimed: ReclaimedLock) => void;

interface Entry {
  readonly acquire: (
    file: string,
    onReclaimed: OnReclaimed,
  ) => Promise<{ readonly lockPath: string; release(): Promise<void> }>;
  readonly lockOf: (file: string) => string;
}

const ENTRIES: readonly (readonly [string, Entry])[] = [
  [
    "acquireFileLock",
    {
      acquire: (path, onReclaimed) => acquireFileLock({ path, onReclaimed, timeoutMs: 5000 }),
      lockOf: (file) => `${file}.lock`,
    },
  ],
  [
    "acquirePidFile",
    {
      acquire: (path, onReclaimed) => acquirePidFile({ path, onReclaimed, timeoutMs: 5000 }),
      lockOf: (file) => file,
    },
  ],
  [
    "acquireSessionWriteLock",
    {
      acquire: (sessionFile, onReclaimed) =>
        acquireSessionWriteLock({ sessionFile, onReclaimed, timeoutMs: 5000, env: {} }),
      lockOf: (file) => `${file}.lock`,
    },
  ],
];

describe.each(ENTRIES)("%s", (name, { acquire, lockOf }) => {
  test(`${name} tells once, when it has the lock, which dead owner's lock it took over and why`, async (context) => {
    requireNative(context);
    const file = join(temporaryFolder(), "s.jsonl");
    const { pid, owner } = await endedOwner();
    const createdAt = new Date(Date.now() - 90_000).toISOString();
    const old = { pid, createdAt, owner, nonce: "0".repeat(32), label: "nightly run" };
    writeFileSync(lockOf(file), JSON.stringify(old));
    const told: ReclaimedLock[] = [];
    const lock = await acquire(file, (reclaimed) => {
      expect(existsSync(lockOf(file))).toBe(true);
      told.push(reclaimed);
    });
    expect(told).toEqual([
      {
        lockPath: lock.lockPath,
        evidence: {
          pid,
          staleReasons: ["dead-pid"],
          createdAt,
          ageMs: expect.any(Number) as number,
          token: owner,
          label: "nightly run",
          kernelLock: "silent",
          ownerState: "gone",
          ownerReason: expect.stringMatching(/^(?:no-such-process|exited)$/u) as string,
          pidAlive: false,
          heldMs: expect.any(Number) as number,
          maxHoldMs: null,
          ownerArgs: null,
        },
      },
    ]);
    expect(told[0]?.evidence.ageMs).toBeGreaterThanOrEqual(90_000);
    await lock.release();
  });

  test(`${name} tells nothing when the lock was free or its holder let it go`, async (context) => {
    requireNative(context);
    const file = join(temporaryFolder(), "s.jsonl");
    const onReclaimed = vi.fn<OnReclaimed>();
    await (await acquire(file, onReclaimed)).release();
    await startHolder(lockOf(file));
    const waiting = acquire(file, onReclaimed);
    takeNameAway(lockOf(file));
    await (await waiting).release();
    expect(onReclaimed).not.toHaveBeenCalled();
  });

  test(`${name} rejects with what its callback throws, and holds no lock then`, async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const file = join(folder, "s.jsonl");
    writeFileSync(lockOf(file), JSON.stringify({ pid: await endedPid(), createdAt: "x" }));
    const thrown = new Error("not in a mood to log");
    const refused = acquire(file, () => {
      throw thrown;
    });
    await expect(refused).rejects.toBe(thrown);
    expect(readdirSync(folder)).toEqual([]);
    const onReclaimed = vi.fn<OnReclaimed>();
    await (await acquire(file, onReclaimed)).release();
    expect(onReclaimed).not.toHaveBeenCalled();
  });
});

test("an acquisition that waited for a holder which was then killed is told so", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "ledger");
  const holder = await startHolder(`${path}.lock`);
  const onReclaimed = vi.fn<OnReclaimed>();
  const waiting = acquireFileLock({ path, onReclaimed, timeoutMs: 20_000 });
  await holder.kill("SIGKILL");
  const lock = await waiting;
  expect(onReclaimed.mock.calls).toMatchObject([
    [{ lockPath: lock.lockPath, evidence: { pid: holder.pid, ownerState: "gone" } }],
  ]);
  await lock.release();
});

test("an acquisition that displaced an overdue holder is told the holder's limit, and that it lives", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "ledger");
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquireFileLock", "file-lock/index.js")}
      await acquireFileLock({ path: ${JSON.stringify(path)}, maxHoldMs: 20, label: "slow" });
      console.log("held");
      process.stdin.resume();`),
  );
  const onReclaimed = vi.fn<OnReclaimed>();
  const lock = await acquireFileLock({ path, onReclaimed, timeoutMs: 20_000 });
  expect(onReclaimed.mock.calls).toMatchObject([
    [
      {
        evidence: {
          pid: holder.pid,
          staleReasons: ["hold-exceeded"],
          label: "slow",
          kernelLock: "held",
          ownerState: "same",
          pidAlive: true,
          maxHoldMs: 20,
        },
      },
    ],
  ]);
  await lock.release();
});

test("an acquisition that took a stranger's pid for none of its owners is told the stranger's command line", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "daemon.pid");
  const { pid } = await liveOwner();
  writeFileSync(path, `${String(pid)}\n`);
  const onReclaimed = vi.fn<OnReclaimed>();
  const held = await acquirePidFile({ path, onReclaimed, isOwnerArgv: () => false });
  expect(onReclaimed.mock.calls).toMatchObject([
    [{ evidence: { pid, staleReasons: ["non-openclaw-owner"], token: null } }],
  ]);
  expect(basename(onReclaimed.mock.calls[0]?.[0].evidence.ownerArgs?.[0] ?? "")).toBe(
    basename(process.execPath),
  );
  await held.release();
});

test("acquisitions of one thread that wait behind one whose callback throws get their turn", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "ledger");
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: await endedPid(), createdAt: "x" }));
  const refused = acquireFileLock({
    path,
    onReclaimed: () => {
      throw new Error("no");
    },
  });
  const next = acquireFileLock({ path, timeoutMs: 20_000 });
  await expect(refused).rejects.toThrow("no");
  const lock = await next;
  lock.assertHeld();
  await lock.release();
  await waitFor("the lock's end", () => !existsSync(`${path}.lock`));
});
