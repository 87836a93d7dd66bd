/** Lock files that a tool truncates, or writes over, while their holders live: what they said is gone, the hold is not. */
import {
  existsSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { breakLock } from "../../lib/file-lock/break-lock.js";
import { checkFileLock } from "../../lib/file-lock/check-file-lock.js";
import { resolveFileLockOptions } from "../../lib/file-lock/options.js";
import { acquireLock, acquireLockAtOnce } from "../../lib/lock/acquire.js";
import { draftOf } from "../../lib/lock/payload-draft.js";
import { canGuardByInode } from "../../lib/lock/protocol/guard.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { tryPublish } from "../../lib/lock/protocol/publish.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { resolveSweepOptions } from "../../lib/session-lock/sweep/options.js";
import { sweepDirectory } from "../../lib/session-lock/sweep/sweep.js";
import { startHolding, tryElsewhere } from "../support/locks/acquirer.js";
import { runHere } from "../support/command-line.js";
import { endedOwner } from "../support/locks/lock-directory.js";
import { withGuardFiles } from "../support/locks/lock-kinds.js";
import { startHolder } from "../support/locks/lock-holder.js";
import { requireLinux, requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

// Beyond every grace.
const MINUTE = 60_000;
/** f_type (linux/magic.h): its locks have guard files, as those of macOS. */
const FUSE = 0x65735546;

const onFuse: LockFs = {
  ...withGuardFiles(),
  fileSystemType: () => FUSE,
  fileSystemTypeOf: () => FUSE,
};

function overwrite(lockPath: string, text: string): void {
  // In place: the file stays the one that its holder has.
  truncateSync(lockPath, 0);
  writeFileSync(lockPath, text, { flag: "r+" });
  const then = new Date(Date.now() - MINUTE);
  utimesSync(lockPath, then, then);
}

/** A lock that lay on the same disk. */
async function lockOfAnother(lockPath: string): Promise<string> {
  const createdAt = new Date(0).toISOString();
  const { pid, owner } = await endedOwner();
  const nonce = "0123456789abcdef0123456789abcdef";
  const kernelLock = `${String(statSync(lockPath).dev)}:1`;
  return JSON.stringify({ pid, createdAt, maxHoldMs: 1, owner, nonce, kernelLock });
}

const TEXTS: readonly (readonly [string, (lockPath: string) => string | Promise<string>])[] = [
  ["nothing", () => ""],
  ["no lock", () => "\0\0\0\0"],
  ["the beginning of a lock", () => '{\n  "pid": 47'],
  ["a lock that names no process", () => "{}"],
  ["another lock, of a process that has ended", lockOfAnother],
];

/** Each: it is kept, by contenders, sweeps, the doctor and breakLock. */
describe.for(TEXTS)("a held lock's file that says %s", ([, textOf]) => {
  async function heldAndOverwritten() {
    const sessionsDir = temporaryFolder();
    const sessionFile = join(sessionsDir, "s.jsonl");
    const lockPath = `${sessionFile}.lock`;
    const holder = await startHolding(sessionFile);
    const text = await textOf(lockPath);
    overwrite(lockPath, text);
    return { sessionsDir, sessionFile, lockPath, holder, text };
  }

  test("is waited for by contenders, and taken when its holder was killed", async (context) => {
    requireNative(context);
    const { sessionFile, lockPath, holder } = await heldAndOverwritten();
    const before = readFileSync(lockPath);
    expect(await tryElsewhere(sessionFile)).toMatchObject({ kind: "refused" });
    expect(readFileSync(lockPath)).toEqual(before);
    await holder.kill();
    expect(await tryElsewhere(sessionFile, { timeoutMs: 20_000 })).toEqual({ kind: "released" });
  });

  test("is kept by sweeps, by the doctor and by those who look", async (context) => {
    requireNative(context);
    const { sessionsDir, lockPath, text } = await heldAndOverwritten();
    const kept = {
      removable: false,
      removed: false,
      keptReason: "owner-alive",
      ownerState: "same",
      ownerReason: "kernel-lock-held",
    };
    // Elsewhere text that is a lock's is believed by those who only look: the kernel is asked inside the guard.
    const isAsked = canGuardByInode(process.platform);
    expect(await inspectSessionLock(lockPath)).toMatchObject(isAsked ? kept : { removed: false });
    const plan = resolveSweepOptions({ sessionsDir });
    expect(await sweepDirectory(plan, realLockFs)).toMatchObject({ locks: [kept], cleaned: [] });
    const doctor = await runHere(["locks", sessionsDir, "--fix", "--json"]);
    expect(JSON.parse(doctor.stdout)).toMatchObject({ locks: [kept] });
    expect(readFileSync(lockPath, "utf8")).toBe(text);
  });

  test("is kept by breakLock, unless that is overruled: then its holder finds it lost", async (context) => {
    requireNative(context);
    const { lockPath, holder, text } = await heldAndOverwritten();
    const wish = { expectedBytes: text, reason: "a test" };
    await expect(breakLock(lockPath, wish)).rejects.toMatchObject({
      refusal: expect.stringMatching(/^(?:owner-alive|not-a-lock)$/u) as string,
    });
    expect(existsSync(lockPath)).toBe(true);
    expect(await holder.write()).toMatchObject({ name: "SessionWriteLockLostError" });
  });
});

/** Takes a lock as another process would; its descriptor is that process's life. */
function publish(path: string, fs: LockFs): string {
  const plan = resolveFileLockOptions({ path });
  const lock = tryPublish(plan.lockPath, draftOf(plan), fs);
  if (lock.kind !== "published") throw new Error(`not published: ${lock.kind}`);
  onTestFinished(() => realLockFs.close(lock.fd));
  return plan.lockPath;
}

describe.for([
  ["of this disk's kind", realLockFs],
  ["of the kind with a guard file on this disk", withGuardFiles()],
  ["on FUSE, with a guard file", onFuse],
] as const)("a held file lock %s", ([kind, fs]) => {
  test(`a held file lock ${kind} whose file was truncated is kept by both forms of acquiring, and told as held`, async (context) => {
    requireNative(context);
    requireLinux(context, "kinds of file systems by number");
    const path = join(temporaryFolder(), "data");
    const lockPath = publish(path, fs);
    overwrite(lockPath, "");
    const plan = resolveFileLockOptions({ path, timeoutMs: 0 });
    await expect(acquireLock(plan, fs)).rejects.toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    expect(() => acquireLockAtOnce(plan, fs)).toThrow(
      expect.objectContaining({ code: "FILE_LOCK_TIMEOUT" }) as Error,
    );
    expect(existsSync(lockPath)).toBe(true);
  });

  test(`a held file lock ${kind} over which another lock was written is kept inside its guard`, async (context) => {
    requireNative(context);
    requireLinux(context, "kinds of file systems by number");
    const path = join(temporaryFolder(), "data");
    const lockPath = publish(path, fs);
    overwrite(lockPath, await lockOfAnother(lockPath));
    const plan = resolveFileLockOptions({ path, timeoutMs: 0 });
    await expect(acquireLock(plan, fs)).rejects.toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    expect(existsSync(lockPath)).toBe(true);
  });
});

test("a file without text is kept by a process that cannot ask who owns it", async (context) => {
  requireNative(context);
  requireLinux(context, "open-file-description locks");
  const path = join(temporaryFolder(), "data");
  // As a holder outside of the sandbox.
  const lockPath = publish(path, realLockFs);
  overwrite(lockPath, "");
  const plan = resolveFileLockOptions({ path, timeoutMs: 0 });
  await expect(acquireLock(plan, withGuardFiles())).rejects.toMatchObject({
    code: "FILE_LOCK_TIMEOUT",
  });
  expect(existsSync(lockPath)).toBe(true);
});

test("a truncated lock that is held reads as locked, by a process that is not named", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "data");
  const holder = await startHolder(`${path}.lock`);
  overwrite(`${path}.lock`, "");
  expect(await checkFileLock({ path })).toMatchObject({
    locked: true,
    available: false,
    holder: null,
  });
  await holder.kill();
  expect(await checkFileLock({ path })).toMatchObject({ available: true });
});
