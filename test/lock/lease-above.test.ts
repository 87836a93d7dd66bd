/** A lease above a lock: one holder among several machines, behind the same handle. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { FileLockTimeoutError } from "../../lib/file-lock/errors.js";
import { acquireLease } from "../../lib/lease/acquire-lease.js";
import type { LockLeaseOptions } from "../../lib/lease/for-lock.js";
import { memoryLeases } from "../../lib/lease/memory-leases.js";
import { LeaseLostError } from "../../lib/lease/errors.js";
import type { LeaseGrant, LeaseStore } from "../../lib/lease/store.js";
import type { ReclaimedLock } from "../../lib/lock/plan.js";
import { parsePayload } from "../../lib/lock/protocol/payload.js";
import { tokenHost } from "../../lib/process/identity.js";
import { formatToken } from "../../lib/process/token.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import {
  SessionWriteLockLostError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import type { SessionWriteLock } from "../../lib/session-lock/write-lock.js";
import { acquireLock } from "../../lib/lock/acquire.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { resolveAcquireOptions } from "../../lib/session-lock/acquire-options.js";
import { resolveFileLockOptions } from "../../lib/file-lock/options.js";
import { importDist, startHolder } from "../support/locks/lock-holder.js";
import { runNode } from "../support/processes/child.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const env = {};

const payloadOf = (lockPath: string) => parsePayload(readFileSync(lockPath));

interface Options {
  readonly timeoutMs?: number;
  readonly allowReentrant?: boolean;
  readonly onReclaimed?: (reclaimed: ReclaimedLock) => void;
}

// What is on a disk of this machine has been written by this machine.
const overNfs: LockFs = {
  ...realLockFs,
  fileSystemType: () => 0x6969,
  fileSystemTypeOf: () => 0x6969,
};

/** Both faces, on a directory that several machines share. */
const FACES = [
  [
    "a session lock",
    (file: string, lease: LockLeaseOptions | undefined, options?: Options) =>
      acquireLock(
        resolveAcquireOptions({ sessionFile: file, env, lease, timeoutMs: 0, ...options }),
        overNfs,
      ),
  ],
  [
    "a file lock",
    (file: string, lease: LockLeaseOptions | undefined, options?: Options) =>
      acquireLock(resolveFileLockOptions({ path: file, lease, timeoutMs: 0, ...options }), overNfs),
  ],
] as const;

const session = (
  sessionFile: string,
  lease: LockLeaseOptions | undefined,
  options?: Options,
): Promise<SessionWriteLock> =>
  acquireSessionWriteLock({ sessionFile, env, lease, timeoutMs: 0, ...options });

/** The lock of a process on another machine, which holds a lease of that store. */
function writeForeignLock(file: string, lease: unknown): string {
  const lockPath = `${file}.lock`;
  const token = formatToken({
    platform: "linux",
    hostDigest: "0123456789abcdef",
    hostnameDigest: "01234567",
    boot: "c0ffee",
    pidNamespace: "4026531836",
    pid: 7,
    startTime: 1000,
    exactId: "55",
  });
  const payload = {
    pid: 7,
    createdAt: new Date(Date.now() - 1000).toISOString(),
    maxHoldMs: 300_000,
    owner: token,
    nonce: "f".repeat(32),
    lease,
  };
  writeFileSync(lockPath, JSON.stringify(payload));
  return lockPath;
}

/** The lease of a machine that has crashed: how its lock names it. */
async function endedLease(store: LeaseStore, key: string): Promise<object> {
  const lease = await acquireLease({ store, key });
  await lease.release();
  return { store: lease.storeId, key, epoch: String(lease.epoch) };
}

describe.each(FACES)("a lease above %s", (_what, acquire) => {
  test("is taken with it, is named in the lock file, and is given back after it", async () => {
    const store = memoryLeases();
    const file = join(temporaryFolder(), "s.jsonl");
    const lock = await acquire(file, { store });
    const { lease, lockPath } = lock;
    expect(lease).toMatchObject({ key: lockPath, epoch: 1n });
    expect(lease?.deadline()).toBeGreaterThan(0);
    expect(payloadOf(lockPath)?.lease).toEqual({
      store: lease?.storeId,
      key: lockPath,
      epoch: 1n,
    });
    await lock.release();
    expect(lease?.deadline()).toBe(0);
    const next = await acquire(file, { store, key: lockPath });
    expect(next.lease?.epoch).toBe(2n);
    await next.release();
    expect(readdirSync(join(file, ".."))).toEqual([]);
  });

  test("makes another machine's lock stale whose lease has ended, whatever its age", async () => {
    const store = memoryLeases();
    const file = join(temporaryFolder(), "s.jsonl");
    const lockPath = writeForeignLock(file, await endedLease(store, "session"));
    const told: ReclaimedLock[] = [];
    const onReclaimed = (one: ReclaimedLock): void => void told.push(one);
    const lock = await acquire(file, { store, key: "session" }, { onReclaimed });
    expect(told).toMatchObject([
      { lockPath, evidence: { ownerState: "gone", ownerReason: "lease-superseded" } },
    ]);
    lock.assertHeld();
    await lock.release();
  });

  test("makes a lock stale that was taken through another mount of this boot, such as a restarted pod's volume", async () => {
    const store = memoryLeases();
    const file = join(temporaryFolder(), "s.jsonl");
    const lockPath = `${file}.lock`;
    const payload = {
      pid: 7,
      createdAt: new Date().toISOString(),
      maxHoldMs: 300_000,
      owner: formatToken({
        ...tokenHost(),
        pidNamespace: "4026530000",
        pid: 7,
        startTime: 1000,
        exactId: "55",
      }),
      nonce: "f".repeat(32),
      // No mount has this device number.
      kernelLock: "1048575:131",
      fileSystem: "nfs",
      verified: true,
      lease: await endedLease(store, "session"),
    };
    writeFileSync(lockPath, JSON.stringify(payload));
    const told: ReclaimedLock[] = [];
    const onReclaimed = (one: ReclaimedLock): void => void told.push(one);
    const lock = await acquire(file, { store, key: "session" }, { onReclaimed });
    expect(told).toMatchObject([{ evidence: { ownerReason: "lease-superseded" } }]);
    lock.assertHeld();
    await lock.release();
    expect(readdirSync(join(file, ".."))).toEqual([]);
  });

  test("that another holds is a timeout which names the holder, and no lock is left", async () => {
    const store = memoryLeases();
    const folder = temporaryFolder();
    const file = join(folder, "s.jsonl");
    const other = await acquireLease({ store, key: "session", holder: "pod-7" });
    const error: unknown = await acquire(file, { store, key: "session" }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({
      code: expect.stringMatching(/_TIMEOUT$/u) as string,
      owner: `lease="pod-7" epoch=${String(other.epoch)}`,
    });
    expect(readdirSync(folder)).toEqual([]);
    await other.release();
  });
});

test("the errors are the face's own", async () => {
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  const other = await acquireLease({ store, key: "session" });
  const lease = { store, key: "session" };
  await expect(session(file, lease)).rejects.toThrow(SessionWriteLockTimeoutError);
  await expect(acquireFileLock({ path: file, lease, timeoutMs: 0 })).rejects.toThrow(
    FileLockTimeoutError,
  );
  await other.release();
});

const [[, shared]] = FACES;

describe("another machine's lock is kept", () => {
  test.each<[string, (mine: object) => unknown]>([
    ["that names no lease", () => undefined],
    ["of another store", (mine) => ({ ...mine, store: "another" })],
    ["of another key", (mine) => ({ ...mine, key: "another" })],
    ["of a later epoch", (mine) => ({ ...mine, epoch: "99" })],
    ["whose epoch cannot be read", (mine) => ({ ...mine, epoch: 0 })],
  ])("%s", async (_what, leaseOf) => {
    const store = memoryLeases();
    const file = join(temporaryFolder(), "s.jsonl");
    const lockPath = writeForeignLock(file, leaseOf(await endedLease(store, "session")));
    const before = readFileSync(lockPath, "utf8");
    await expect(shared(file, { store, key: "session" })).rejects.toThrow(
      SessionWriteLockTimeoutError,
    );
    expect(readFileSync(lockPath, "utf8")).toBe(before);
    // Nor is the lease kept.
    const lease = await acquireLease({ store, key: "session", timeoutMs: 0 });
    await lease.release();
  });

  test("by those who hold no lease, although it names one", async () => {
    const store = memoryLeases();
    const file = join(temporaryFolder(), "s.jsonl");
    const lockPath = writeForeignLock(file, await endedLease(store, "session"));
    const before = readFileSync(lockPath, "utf8");
    await expect(shared(file, undefined)).rejects.toThrow(SessionWriteLockTimeoutError);
    expect(readFileSync(lockPath, "utf8")).toBe(before);
  });
});

/** A store in which this key was granted to another before. */
function secondHolder(): LeaseStore {
  const grant = ({ key, holder }: Pick<LeaseGrant, "key" | "holder">): LeaseGrant => ({
    key,
    holder,
    epoch: 2n,
    storeId: "shared",
  });
  return {
    name: "second",
    tryAcquire: (request) => Promise.resolve({ kind: "acquired", grant: grant(request) }),
    renew: () => Promise.resolve(true),
    release: () => Promise.resolve(),
    watch: () => null,
  };
}

test("a live process of this machine that has lost the lease is displaced, and its next look tells it", async (context) => {
  requireNative(context);
  const file = join(temporaryFolder(), "s.jsonl");
  const lockPath = `${file}.lock`;
  const lease = { store: "shared", key: "k", epoch: "1" };
  const holder = await startHolder(lockPath, { fields: { lease } });
  const lock = await session(file, { store: secondHolder(), key: "k" });
  expect(payloadOf(lockPath)).toMatchObject({ pid: process.pid, lease: { epoch: 2n } });
  expect(holder.process.exitCode).toBeNull();
  await lock.release();
});

test("a live process of this machine whose lease is as late is not displaced", async (context) => {
  requireNative(context);
  const file = join(temporaryFolder(), "s.jsonl");
  const lease = { store: "shared", key: "k", epoch: "2" };
  await startHolder(`${file}.lock`, { fields: { lease } });
  await expect(session(file, { store: secondHolder(), key: "k" })).rejects.toThrow(
    SessionWriteLockTimeoutError,
  );
});

test("a lost lease ends the hold: lost aborts, the lock goes, and what follows throws", async () => {
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  const refuses: LeaseStore = {
    name: "refuses",
    tryAcquire: (request) => store.tryAcquire(request),
    renew: () => Promise.resolve(false),
    release: (grant, signal) => store.release(grant, signal),
    watch: () => null,
  };
  // Its first renewal, after a third of this, comes long before its deadline.
  const lock = await session(file, { store: refuses, ttlMs: 3000 });
  const reason = await new Promise((resolve) => {
    lock.lost.addEventListener("abort", () => resolve(lock.lost.reason));
  });
  expect(reason).toBeInstanceOf(SessionWriteLockLostError);
  expect(reason).toMatchObject({ why: "the lease above it is lost" });
  const { cause } = reason as Error;
  expect(cause).toBeInstanceOf(LeaseLostError);
  expect(cause).toMatchObject({ reason: "taken" });
  expect(() => lock.assertHeld()).toThrow(SessionWriteLockLostError);
  expect(() => lock.withFence(() => writeFileSync(file, "late"))).toThrow(
    SessionWriteLockLostError,
  );
  await vi.waitFor(() => expect(existsSync(lock.lockPath)).toBe(false));
  expect(existsSync(file)).toBe(false);
  await lock.release();
});

test("a holder whose event loop was blocked beyond its deadline writes nothing more", async () => {
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  const lock = await session(file, { store, ttlMs: 200 });
  const until = performance.now() + 250;
  while (performance.now() < until);
  expect(() => lock.withFence(() => writeFileSync(file, "late"))).toThrow(
    SessionWriteLockLostError,
  );
  expect(existsSync(file)).toBe(false);
  await lock.release();
});

test("a process that ends when it hears of the loss leaves no lock, even if it hears of it from the fence", async (context) => {
  requireNative(context);
  const file = join(temporaryFolder(), "s.jsonl");
  const told = await runNode(`
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    ${importDist("memoryLeases", "lease/index.js")}
    const lease = { store: memoryLeases(), ttlMs: 200 };
    const sessionFile = ${JSON.stringify(file)};
    const lock = await acquireSessionWriteLock({ sessionFile, env: {}, lease });
    lock.lost.addEventListener("abort", () => {
      console.log(JSON.stringify(lock.lost.reason.why));
      process.exit();
    });
    const until = performance.now() + 250;
    while (performance.now() < until);
    lock.withFence(() => console.log('"written"'));`);
  expect(told).toBe("the lease above it is lost");
  expect(readdirSync(join(file, ".."))).toEqual([]);
});

test("handles that share a lock share its lease, which goes with the last of them", async () => {
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  const first = await session(file, { store }, { allowReentrant: true });
  const second = await session(file, { store }, { allowReentrant: true });
  expect(second.lease?.epoch).toBe(first.lease?.epoch);
  await first.release();
  expect(second.lease?.deadline()).toBeGreaterThan(0);
  await second.release();
  expect(second.lease?.deadline()).toBe(0);
});

test("a lock of this machine that is not to be had gives the lease back", async (context) => {
  requireNative(context);
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  await startHolder(`${file}.lock`);
  await expect(session(file, { store, key: "k" }, { timeoutMs: 50 })).rejects.toThrow(
    SessionWriteLockTimeoutError,
  );
  const lease = await acquireLease({ store, key: "k", timeoutMs: 0 });
  await lease.release();
});

test("a lease that cannot be given back keeps no release from its end", async () => {
  const store = memoryLeases();
  const file = join(temporaryFolder(), "s.jsonl");
  const deaf: LeaseStore = {
    name: "deaf",
    tryAcquire: (request) => store.tryAcquire(request),
    renew: () => Promise.resolve(true),
    release: () => Promise.reject(new Error("no route to the store")),
    watch: () => null,
  };
  const lock = await session(file, { store: deaf, ttlMs: 300 });
  await lock.release();
  expect(existsSync(lock.lockPath)).toBe(false);
});

test("wrong options of the lease are named before anything is made", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "s.jsonl");
  const store = memoryLeases();
  const wrong: readonly [unknown, RegExp][] = [
    [{}, /options\.lease\.store must be a lease store/u],
    [{ store, key: "" }, /options\.lease\.key must be/u],
    [{ store, ttlMs: 1 }, /options\.lease\.ttlMs must be/u],
    [{ store, timeoutMs: 1 }, /options\.lease has no option "timeoutMs"/u],
    ["redis", /options\.lease must be an object/u],
  ];
  for (const [lease, message] of wrong) {
    await expect(session(file, lease as LockLeaseOptions)).rejects.toThrow(message);
  }
  expect(readdirSync(folder)).toEqual([]);
});
