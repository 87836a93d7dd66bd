/** A lock that the rules keep is removed by hand: that one, in its guard, and not its living owner's. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { breakLock as breakFileLock } from "../../lib/file-lock/break-lock.js";
import { FILE_LOCK_POLICY } from "../../lib/file-lock/policy.js";
import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { LockNotBrokenError } from "../../lib/lock/break-error.js";
import { breakByHand } from "../../lib/lock/break.js";
import { canGuardByInode } from "../../lib/lock/protocol/guard.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { parsePayload } from "../../lib/lock/protocol/payload.js";
import { breakLock as breakSessionLock } from "../../lib/session-lock/break-lock.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { startHolding } from "../support/locks/acquirer.js";
import { enterGuardOf, guardPathOf } from "../support/locks/enter-guard.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder, takeNameAway } from "../support/locks/lock-holder.js";
import { runNode } from "../support/processes/child.js";
import { requireLinux, requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const NONCE = "0123456789abcdef0123456789abcdef";

/** A lock whose owner nothing here can name: a newer version's token. */
function keptLock(fields: Readonly<Record<string, unknown>> = {}): {
  readonly lockPath: string;
  readonly text: string;
} {
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  const text = JSON.stringify({
    pid: process.ppid,
    createdAt: new Date().toISOString(),
    maxHoldMs: 300_000,
    owner: "pi9.of.another.version",
    nonce: NONCE,
    ...fields,
  });
  writeFileSync(lockPath, text);
  return { lockPath, text };
}

function nonceOf(lockPath: string): string {
  const nonce = parsePayload(readFileSync(lockPath))?.nonce;
  if (nonce == null) throw new Error(`no nonce: ${lockPath}`);
  return nonce;
}

/** Why it was kept. */
async function refusal(broken: Promise<unknown>): Promise<LockNotBrokenError> {
  const error = await broken.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LockNotBrokenError);
  return error as LockNotBrokenError;
}

const reason = "its host was scrapped";

describe.each([
  ["pidentity/file-lock", breakFileLock],
  ["pidentity/session-lock", breakSessionLock],
])("breakLock of %s", (_entry, breakLock) => {
  test("removes a lock that the rules keep, named by its nonce", async (context) => {
    requireNative(context);
    const { lockPath } = keptLock();
    expect(await inspectSessionLock(lockPath)).toMatchObject({ ownerReason: "malformed" });
    const broken = await breakLock(lockPath, { expectedNonce: NONCE, reason });
    expect(broken).toMatchObject({
      outcome: "removed",
      lockPath,
      inspection: { removed: true, ownerState: "unknown", ownerReason: "malformed" },
    });
    expect(existsSync(lockPath)).toBe(false);
    expect(existsSync(`${lockPath}.guard`)).toBe(false);
  });

  test("removes a lock that the rules keep, named by its bytes, as text or as bytes", async (context) => {
    requireNative(context);
    for (const asBytes of [false, true]) {
      const { lockPath, text } = keptLock();
      const expectedBytes = asBytes ? Buffer.from(text) : text;
      expect(await breakLock(lockPath, { expectedBytes, reason })).toMatchObject({
        outcome: "removed",
      });
      expect(existsSync(lockPath)).toBe(false);
    }
  });

  test("keeps a lock with another nonce or other bytes than those expected", async () => {
    const { lockPath, text } = keptLock();
    const others = [
      { expectedNonce: NONCE.replace("0", "f") },
      { expectedBytes: `${text}\n` },
      { expectedNonce: NONCE, expectedBytes: text.slice(1) },
      { expectedNonce: NONCE.replace("0", "f"), expectedBytes: text },
    ];
    for (const expected of others) {
      const error = await refusal(breakLock(lockPath, { ...expected, reason, force: true }));
      expect(error).toMatchObject({ refusal: "changed", lockPath, code: "LOCK_NOT_BROKEN" });
      expect(error.inspection).toMatchObject({ removed: false, ownerReason: "malformed" });
    }
    expect(readFileSync(lockPath, "utf8")).toBe(text);
  });

  test("says that a lock is gone that is not there any more", async () => {
    const lockPath = join(temporaryFolder(), "gone.lock");
    const broken = await breakLock(lockPath, { expectedNonce: NONCE, reason });
    expect(broken).toEqual({ outcome: "vanished", lockPath, inspection: null });
  });

  test("keeps what is no regular file", async () => {
    const lockPath = join(temporaryFolder(), "s.lock");
    mkdirSync(lockPath);
    const error = await refusal(breakLock(lockPath, { expectedBytes: "", reason, force: true }));
    expect(error).toMatchObject({ refusal: "unreadable" });
    expect(error.message).toContain(lockPath);
    expect(existsSync(lockPath)).toBe(true);
  });

  test("refuses a lock whose kernel lock is held, and removes it when that is overruled: the holder finds it lost", async (context) => {
    requireNative(context);
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const lockPath = `${sessionFile}.lock`;
    const holder = await startHolding(sessionFile);
    const expectedNonce = nonceOf(lockPath);
    const error = await refusal(breakLock(lockPath, { expectedNonce, reason }));
    expect(error).toMatchObject({
      refusal: "owner-alive",
      inspection: { pid: holder.pid, ownerReason: "kernel-lock-held" },
      evidence: { kernelLock: "held", ownerState: "same" },
    });
    expect(error.message).toContain(`pid ${String(holder.pid)} holds it`);
    expect(nonceOf(lockPath)).toBe(expectedNonce);

    const broken = await breakLock(lockPath, { expectedNonce, reason, force: true });
    expect(broken).toMatchObject({ outcome: "removed", inspection: { ownerState: "same" } });
    expect(existsSync(lockPath)).toBe(false);
    expect(await holder.write()).toMatchObject({
      kind: "refused",
      name: "SessionWriteLockLostError",
    });
    expect(existsSync(sessionFile)).toBe(false);
  });

  test("refuses a plain lock whose start time is its living owner's, and removes it when that is overruled", async (context) => {
    requireNative(context);
    const lockPath = join(temporaryFolder(), "s.jsonl.lock");
    const { pid, starttime } = await liveOwner();
    const text = JSON.stringify({ pid, createdAt: new Date().toISOString(), starttime });
    writeFileSync(lockPath, text);
    const error = await refusal(breakLock(lockPath, { expectedBytes: text, reason }));
    expect(error).toMatchObject({ refusal: "owner-alive", evidence: { pidAlive: true } });
    expect(existsSync(lockPath)).toBe(true);
    await breakLock(lockPath, { expectedBytes: text, reason, force: true });
    expect(existsSync(lockPath)).toBe(false);
  });

  test("never displaces a living holder that writes without a fence", async (context) => {
    requireNative(context);
    const lockPath = join(temporaryFolder(), "s.jsonl.lock");
    const holder = await startHolder(lockPath, { keep: false, fields: { kernelLock: null } });
    const expectedNonce = nonceOf(lockPath);
    const first = await refusal(breakLock(lockPath, { expectedNonce, reason }));
    expect(first).toMatchObject({ refusal: "owner-alive", inspection: { ownerReason: "running" } });
    const second = await refusal(breakLock(lockPath, { expectedNonce, reason, force: true }));
    expect(second).toMatchObject({ refusal: "no-guard", inspection: { ownerState: "same" } });
    expect(existsSync(lockPath)).toBe(true);

    await holder.kill();
    await breakLock(lockPath, { expectedNonce, reason });
    expect(existsSync(lockPath)).toBe(false);
  });

  test("keeps a lock whose guard is a later version's, whatever is overruled", async (context) => {
    requireNative(context);
    const { lockPath, text } = keptLock({ guard: "quantum" });
    const error = await refusal(breakLock(lockPath, { expectedNonce: NONCE, reason, force: true }));
    expect(error).toMatchObject({ refusal: "no-guard" });
    expect(error.message).toContain("ENOTSUP");
    expect(readFileSync(lockPath, "utf8")).toBe(text);
  });

  test("keeps a lock that this thread holds, whatever is overruled", async (context) => {
    requireNative(context);
    const lock = await acquireFileLock({ path: join(temporaryFolder(), "s.jsonl") });
    const { lockPath } = lock;
    const expectedNonce = nonceOf(lockPath);
    const error = await refusal(breakLock(lockPath, { expectedNonce, reason, force: true }));
    expect(error).toMatchObject({ refusal: "held-here" });
    expect(() => lock.assertHeld()).not.toThrow();
    await lock.release();
  });

  test("keeps a lock whose guard stays busy, and names the guard", async (context) => {
    requireNative(context);
    const { lockPath, text } = keptLock();
    const guardPath = guardPathOf(lockPath);
    const leave = enterGuardOf(lockPath);
    onTestFinished(leave);
    const error = await refusal(breakLock(lockPath, { expectedNonce: NONCE, reason }));
    expect(error).toMatchObject({ refusal: "guard-busy", guardPath });
    expect(error.message).toContain(guardPath);
    expect(readFileSync(lockPath, "utf8")).toBe(text);
  });

  test("waits for a guard that is left within its patience", async (context) => {
    requireNative(context);
    const { lockPath } = keptLock();
    const leave = enterGuardOf(lockPath);
    const broken = breakLock(lockPath, { expectedNonce: NONCE, reason });
    setTimeout(leave, 50);
    expect(await broken).toMatchObject({ outcome: "removed" });
  });

  test("tells every attempt, with the reason, the evidence and what came of it", async (context) => {
    requireNative(context);
    const seen: unknown[] = [];
    const record = (message: unknown): void => void seen.push({ ...(message as object) });
    subscribe("tracing:pidentity:reclaim:asyncEnd", record);
    onTestFinished(() => void unsubscribe("tracing:pidentity:reclaim:asyncEnd", record));
    const { lockPath, text } = keptLock();
    await refusal(breakLock(lockPath, { expectedBytes: "other", reason, force: true }));
    await breakLock(lockPath, { expectedBytes: text, reason });
    const evidence: unknown = expect.objectContaining({
      kernelLock: "silent",
      ownerState: "unknown",
      ownerReason: "malformed",
    });
    const inspection: unknown = expect.objectContaining({ lockPath, pid: process.ppid });
    expect(seen).toEqual([
      {
        lockPath,
        by: "break",
        reason,
        force: true,
        result: { outcome: "changed", inspection, evidence },
      },
      {
        lockPath,
        by: "break",
        reason,
        force: false,
        result: { outcome: "removed", inspection, evidence },
      },
    ]);
  });
});

const REQUEST = { expectedNonce: NONCE, expectedBytes: null, reason, force: true };

test("a lock that changes hands between the look and the guard is kept", async (context) => {
  requireNative(context);
  const { lockPath } = keptLock();
  const successor = keptLock({ nonce: NONCE.replace("0", "f") }).text;
  let isSwapped = false;
  const swap = (): void => {
    if (isSwapped) return;
    isSwapped = true;
    takeNameAway(lockPath);
    writeFileSync(lockPath, successor);
  };
  // The first call of a removal, before its guard is entered.
  const fs = {
    ...realLockFs,
    exists: (path: string) => {
      swap();
      return realLockFs.exists(path);
    },
  };
  const error = await refusal(breakByHand({ ...REQUEST, lockPath }, FILE_LOCK_POLICY, fs));
  expect(error).toMatchObject({ refusal: "changed" });
  expect(isSwapped).toBe(true);
  expect(readFileSync(lockPath, "utf8")).toBe(successor);
});

test("an owner that turns out to live inside the guard keeps its lock", async (context) => {
  requireNative(context);
  requireLinux(context, "a descriptor that gets the kernel lock later");
  const folder = temporaryFolder();
  const lockPath = join(folder, "s.jsonl.lock");
  const holder = await startHolder(lockPath);
  const expectedNonce = nonceOf(lockPath);
  // To the first look the kernel and the token say nothing.
  let looks = 0;
  const fs = {
    ...realLockFs,
    probeOwner: (fd: number) => (looks++ === 0 ? "acquired" : realLockFs.probeOwner(fd)) as never,
  };
  const request = { ...REQUEST, expectedNonce, force: false, lockPath };
  const error = await refusal(breakByHand(request, FILE_LOCK_POLICY, fs));
  expect(looks).toBeGreaterThan(1);
  expect(error).toMatchObject({ refusal: "owner-alive", inspection: { pid: holder.pid } });
  expect(existsSync(lockPath)).toBe(true);
});

test("a lock that is gone when its guard was entered has vanished", async (context) => {
  requireNative(context);
  const { lockPath } = keptLock();
  const fs = {
    ...realLockFs,
    exists: (path: string) => {
      if (existsSync(lockPath)) takeNameAway(lockPath);
      return realLockFs.exists(path);
    },
  };
  const broken = await breakByHand({ ...REQUEST, lockPath }, FILE_LOCK_POLICY, fs);
  expect(broken).toMatchObject({ outcome: "vanished", inspection: { removed: false } });
});

test("a file that has the form of no lock is none to be broken as a file lock", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "thesis.txt");
  writeFileSync(path, "Chapter 1");
  const options = { expectedBytes: "Chapter 1", reason, force: true };
  expect(await refusal(breakFileLock(path, options))).toMatchObject({ refusal: "not-a-lock" });
  expect(readFileSync(path, "utf8")).toBe("Chapter 1");
});

test("a bare pid is a lock that can be broken where nothing proves whose pid it is", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "daemon.pid");
  const { pid } = await liveOwner();
  writeFileSync(path, `${String(pid)}\n`);
  const broken = await breakFileLock(path, { expectedBytes: `${String(pid)}\n`, reason });
  expect(broken).toMatchObject({
    outcome: "removed",
    inspection: { pid, ownerReason: "unproven" },
  });
});

test("an empty lock of any age is broken by its bytes", async (context) => {
  requireNative(context);
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  writeFileSync(lockPath, "");
  const broken = await breakSessionLock(lockPath, { expectedBytes: "", reason });
  expect(broken).toMatchObject({ outcome: "removed", inspection: { keptReason: "in-grace" } });
});

describe("another view of a holder's file", () => {
  async function heldElsewhere() {
    const lockPath = join(temporaryFolder(), "s.jsonl.lock");
    const holder = await startHolder(lockPath, { fields: { kernelLock: "1:1" }, keep: false });
    return { lockPath, holder, wish: { expectedNonce: nonceOf(lockPath), reason } };
  }

  test("another view of a living holder's file is not removed, whatever is overruled", async (context) => {
    requireNative(context);
    requireLinux(context, "device numbers");
    const { lockPath, wish } = await heldElsewhere();
    const error = await refusal(breakSessionLock(lockPath, { ...wish, force: true }));
    expect(error).toMatchObject({ refusal: "other-view", evidence: { kernelLock: "other-view" } });
    expect(error.message).not.toContain("force");
    expect(existsSync(lockPath)).toBe(true);
  });

  test("another view of a dead holder's file is removed when that is overruled, as the refusal says", async (context) => {
    requireNative(context);
    requireLinux(context, "device numbers");
    const { lockPath, holder, wish } = await heldElsewhere();
    await holder.kill();
    const error = await refusal(breakSessionLock(lockPath, wish));
    expect(error).toMatchObject({ refusal: "other-view", evidence: { kernelLock: "other-view" } });
    expect(error.message).toContain("force would remove it");
    expect(existsSync(lockPath)).toBe(true);
    expect(await breakSessionLock(lockPath, { ...wish, force: true })).toMatchObject({
      outcome: "removed",
    });
    expect(existsSync(lockPath)).toBe(false);
  });

  test("another view of a file whose holder cannot be judged is not removed, whatever is overruled", async (context) => {
    requireNative(context);
    requireLinux(context, "device numbers");
    const { lockPath, wish } = await heldElsewhere();
    const payload = JSON.parse(readFileSync(lockPath, "utf8")) as { owner: string };
    // Its pid is alive, and nothing tells whether it is that process.
    const owner = payload.owner.split(".").with(7, "-").with(8, "-").join(".");
    writeFileSync(lockPath, JSON.stringify({ ...payload, owner }));
    const error = await refusal(breakSessionLock(lockPath, { ...wish, force: true }));
    expect(error).toMatchObject({ refusal: "other-view", evidence: { ownerState: "unknown" } });
    expect(existsSync(lockPath)).toBe(true);
  });
});

test("without the addon no lock is broken, not even a dead owner's", async () => {
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  const text = JSON.stringify({ pid: await endedPid(), createdAt: new Date().toISOString() });
  writeFileSync(lockPath, text);
  const script = `
    ${importDist("breakLock", "session-lock/index.js")}
    const error = await breakLock(${JSON.stringify(lockPath)}, {
      expectedBytes: ${JSON.stringify(text)}, reason: "test", force: true,
    }).catch((thrown) => thrown);
    const { name, code, refusal, cause } = error;
    console.log(JSON.stringify({ name, code, refusal, cause: cause.message }));`;
  const env = { ...process.env, PIDENTITY_NO_NATIVE: "1" };
  const answer = await runNode(script, { env });
  expect(answer).toMatchObject({
    name: "LockNotBrokenError",
    code: "LOCK_NOT_BROKEN",
    refusal: "no-guard",
    cause: expect.stringContaining("PIDENTITY_NO_NATIVE") as unknown,
  });
  expect(existsSync(lockPath)).toBe(true);
});

test("where the lock file is its own guard none is made to break it", async (context) => {
  requireNative(context);
  if (!canGuardByInode(process.platform)) context.skip("guards are files here");
  const lockPath = join(temporaryFolder(), "s.jsonl.lock");
  const holder = await startHolder(lockPath);
  await holder.kill();
  if (guardPathOf(lockPath) !== lockPath) context.skip("guards are files on this disk");
  const made: string[] = [];
  const fs = {
    ...realLockFs,
    openGuard: (path: string) => {
      made.push(path);
      return realLockFs.openGuard(path);
    },
  };
  const request = { ...REQUEST, expectedNonce: nonceOf(lockPath), lockPath };
  expect(await breakByHand(request, FILE_LOCK_POLICY, fs)).toMatchObject({ outcome: "removed" });
  expect(made).toEqual([]);
});
