/** Locks that are taken away with their directory, or in whose place something else lies, while they are held. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { heldLock } from "../../lib/lock/held-locks.js";
import { startHolding } from "../support/locks/acquirer.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { AT_ONCE_MS, timed } from "../support/timed.js";

/** What happens to the folder of a held lock. */
const ENDS: readonly (readonly [string, (folder: string, lockPath: string) => void])[] = [
  ["its directory is deleted", (folder) => rmSync(folder, { recursive: true })],
  ["its directory is moved away", (folder) => renameSync(folder, `${folder}-moved`)],
  [
    "a file lies where its directory was",
    (folder) => {
      rmSync(folder, { recursive: true });
      writeFileSync(folder, "");
    },
  ],
  [
    "another directory lies where its own was",
    (folder) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    },
  ],
  ["its file is deleted", (_, lockPath) => rmSync(lockPath)],
  [
    "a directory lies in its place",
    (_, lockPath) => {
      rmSync(lockPath);
      mkdirSync(lockPath);
    },
  ],
  [
    "a symbolic link lies in its place",
    (folder, lockPath) => {
      rmSync(lockPath);
      symlinkSync(join(folder, "elsewhere"), lockPath);
    },
  ],
];

describe.for(ENDS)("when %s", ([, happens]) => {
  /** A held lock, and what then lies in its directory. */
  async function afterwards() {
    const root = temporaryFolder();
    const folder = mkdtempSync(join(root, "sessions-"));
    const sessionFile = join(folder, "s.jsonl");
    const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
    happens(folder, lock.lockPath);
    return { root, folder, lock };
  }

  test("a fenced write under a lost lock is refused, with nothing written", async (context) => {
    requireNative(context);
    requirePosix(context, "files that are open cannot be taken away there");
    const { lock } = await afterwards();
    let isWritten = false;
    expect(() => lock.withFence(() => (isWritten = true))).toThrow(
      expect.objectContaining({ code: "SESSION_WRITE_LOCK_LOST" }) as Error,
    );
    expect(isWritten).toBe(false);
    expect(lock.lost.aborted).toBe(true);
    await lock.release();
  });

  test("the holder's look and the watchdog's see that a lock is lost", async (context) => {
    requirePosix(context, "files that are open cannot be taken away there");
    const { lock } = await afterwards();
    heldLock(lock.lockPath)?.check();
    expect(lock.lost.aborted).toBe(true);
    expect(() => lock.assertHeld()).toThrow(
      expect.objectContaining({ code: "SESSION_WRITE_LOCK_LOST" }) as Error,
    );
    await lock.release();
  });

  test("the release of a lost lock is over at once and leaves alone what lies there", async (context) => {
    requireNative(context);
    requirePosix(context, "files that are open cannot be taken away there");
    const { root, folder, lock } = await afterwards();
    const before = readdirSync(root, { recursive: true });
    const { ms } = await timed(() => lock.release());
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect(readdirSync(root, { recursive: true })).toEqual(before);
    expect(existsSync(`${folder}/s.jsonl.lock.guard`)).toBe(false);
  });
});

test("a waiter for a lock whose directory is deleted makes the directory and gets the lock", async (context) => {
  requirePosix(context, "files that are open cannot be taken away there");
  const root = temporaryFolder();
  const folder = join(root, "sessions");
  const sessionFile = join(folder, "s.jsonl");
  const holder = await startHolding(sessionFile);
  const waiting = acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 10_000 });
  rmSync(folder, { recursive: true });
  const lock = await waiting;
  expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  // The lock that is there now is another's, and stays.
  expect(await holder.release()).toEqual({ kind: "released", lost: true });
  lock.assertHeld();
  await lock.release();
});
