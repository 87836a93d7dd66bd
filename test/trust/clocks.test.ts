/**
 * Clocks that are wrong, step, stand still or disagree. Whatever the wall clock says, no live
 * owner's lock is removed for it, and no dead owner's stays. Never the machine's own clock: it is injected, faked for
 * one process (faketime), or shifted by a time namespace.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test, type TestContext } from "vitest";

import { machineMonotonicMs } from "../../lib/process/machine-clock.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import {
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import {
  nodeArguments,
  type RunningChild,
  runNode,
  startReady,
} from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const HOUR = 3_600_000;
const TEN_YEARS = 10 * 365.25 * 24 * HOUR;

const STEPS: readonly (readonly [string, number])[] = [
  ["an hour slow", -HOUR],
  ["an hour fast", HOUR],
  ["ten years slow", -TEN_YEARS],
  ["ten years fast", TEN_YEARS],
];

describe.each(STEPS)("a wall clock that is %s", (_, step) => {
  test("a wrong wall clock costs no live owner its lock in a sweep, and saves no dead one's", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    await startHolder(join(folder, "held.jsonl.lock"), { fields: { maxHoldMs: 1000 } });
    const { pid, starttime } = await liveOwner();
    writePlainLock(folder, "plain", { pid, starttime, maxHoldMs: 1000 });
    writePlainLock(folder, "unproven", { pid, maxHoldMs: 1000 });
    const dead = await startHolder(join(folder, "dead.jsonl.lock"));
    await dead.kill();
    writePlainLock(folder, "dead-plain", { pid: dead.pid });
    const { cleaned, locks } = await cleanStaleLockFiles({
      sessionsDir: folder,
      env: {},
      nowMs: Date.now() + step,
      isOwnerArgv: () => true,
    });
    expect(cleaned.map(({ pid: owner }) => owner)).toEqual([dead.pid, dead.pid]);
    const kept = locks.filter(({ removed }) => !removed);
    expect(kept).toHaveLength(3);
    for (const { ageMs, keptReason, staleReasons } of kept) {
      expect(ageMs).toBeGreaterThanOrEqual(0);
      expect({ keptReason, staleReasons }).toEqual(
        step > 0
          ? { keptReason: "owner-alive", staleReasons: ["too-old"] }
          : { keptReason: null, staleReasons: [] },
      );
    }
  });

  test("a wrong wall clock makes no holder overdue before its time: its own clock does not step", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    await using lock = await acquireSessionWriteLock({ sessionFile, env: {}, maxHoldMs: 60_000 });
    const script = `
      ${importDist("inspectSessionLock", "session-lock/index.js")}
      const nowMs = Date.now() + ${step};
      console.log(JSON.stringify(await inspectSessionLock(
        ${JSON.stringify(lock.lockPath)}, { nowMs, respectMaxHold: true, staleMs: ${2 * TEN_YEARS} })));`;
    expect(await runNode(script)).toMatchObject({ staleReasons: [], removable: false });
  });
});

test("a holder past its limit by one of the two clocks only is not overdue", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = join(folder, "s.jsonl.lock");
  const createdAt = Date.now() - HOUR;
  const now = machineMonotonicMs() ?? Number.NaN;
  const holder = await startHolder(lockPath, {
    fields: { maxHoldMs: 60_000, createdAt: new Date(createdAt).toISOString(), monotonicMs: now },
  });
  // The wall clock was set forward, or the machine slept.
  const slept = await inspectSessionLock(lockPath, { respectMaxHold: true, staleMs: 2 * HOUR });
  expect(slept).toMatchObject({ staleReasons: [], removable: false });
  // The wall clock was set back, or the reading is another clock's, which began with some process.
  const written = JSON.parse(readFileSync(lockPath, "utf8")) as object;
  writeFileSync(lockPath, JSON.stringify({ ...written, monotonicMs: 1 }));
  const stepped = await inspectSessionLock(lockPath, {
    respectMaxHold: true,
    nowMs: createdAt + 1000,
  });
  expect(stepped).toMatchObject({ staleReasons: [], removable: false });
  // By both.
  const overdue = await inspectSessionLock(lockPath, { respectMaxHold: true });
  expect(overdue).toMatchObject({
    staleReasons: now > 60_000 ? ["too-old", "hold-exceeded"] : ["too-old"],
    ownerReason: "kernel-lock-held",
  });
  await holder.kill();
});

describe("a lock from the future", () => {
  test("a lock from the future is new, however far ahead, and its owner's end is seen all the same", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const createdAt = new Date(Date.now() + TEN_YEARS).toISOString();
    const { pid, starttime } = await liveOwner();
    const lockPath = writePlainLock(folder, "s", { pid, starttime, createdAt, maxHoldMs: 1 });
    expect(await inspectSessionLock(lockPath, { respectMaxHold: true })).toMatchObject({
      ageMs: 0,
      staleReasons: [],
    });
    writePlainLock(folder, "dead", { pid: await endedPid(), createdAt });
    const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(cleaned).toMatchObject([{ ageMs: 0, staleReasons: ["dead-pid"] }]);
  });

  test("a lock of no owner whose file is from the future is in grace and waited for", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "s.jsonl.lock");
    writeFileSync(path, "");
    const future = new Date(Date.now() + HOUR);
    utimesSync(path, future, future);
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([{ keptReason: "in-grace", removed: false }]);
    const waiting = acquireSessionWriteLock({
      sessionFile: join(folder, "s.jsonl"),
      env: {},
      timeoutMs: 100,
    });
    await expect(waiting).rejects.toThrow(SessionWriteLockTimeoutError);
    // Once its time has come it goes.
    const nowMs = Date.now() + 2 * HOUR;
    const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder, env: {}, nowMs });
    expect(cleaned).toMatchObject([{ staleReasons: ["missing-pid", "invalid-createdAt"] }]);
  });

  test("a leftover from the future is left alone", async () => {
    const folder = temporaryFolder();
    const path = join(folder, `s.jsonl.lock.${"0".repeat(32)}.tmp`);
    writeFileSync(path, "");
    const future = new Date(Date.now() + HOUR);
    utimesSync(path, future, future);
    await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(existsSync(path)).toBe(true);
  });
});

test.each([
  ["the clocks go forward", "2025-03-30T00:30:00.000Z"],
  ["the clocks go back", "2025-10-26T00:30:00.000Z"],
])("an hour is an hour in summer time when %s", async (_, createdAt) => {
  const folder = temporaryFolder();
  const { pid, starttime } = await liveOwner();
  const lockPath = writePlainLock(folder, "s", { pid, starttime, createdAt });
  const script = `
    ${importDist("inspectSessionLock", "session-lock/index.js")}
    const then = Date.parse(${JSON.stringify(createdAt)});
    const shift = new Date(then).getTimezoneOffset() - new Date(then + ${HOUR}).getTimezoneOffset();
    const { ageMs } = await inspectSessionLock(${JSON.stringify(lockPath)}, { nowMs: then + ${HOUR} });
    console.log(JSON.stringify({ ageMs, isShifted: shift !== 0 }));`;
  const seen = await runNode(script, { env: { ...process.env, TZ: "Europe/Berlin" } });
  expect(seen).toEqual({ ageMs: HOUR, isShifted: true });
});

/** A process that takes the lock and says so, and tells what became of a fenced write when it is asked. */
function holderScript(folder: string, maxHoldMs: number): string[] {
  return nodeArguments(`
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    const sessionFile = ${JSON.stringify(join(folder, "s.jsonl"))};
    const lock = await acquireSessionWriteLock({ sessionFile, env: {}, maxHoldMs: ${maxHoldMs} });
    console.log(new Date().getFullYear());
    process.stdin.once("data", async () => {
      let wrote = false;
      let code = "written";
      try { lock.withFence(() => { wrote = true; }); } catch (error) { code = error.code; }
      await lock.release();
      console.log(JSON.stringify({ code, wrote }));
    });`);
}

describe("under faketime", () => {
  /** Wall clock only: no step of it moves the monotonic one. */
  const ENV = { ...process.env, FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1" };

  function requireFaketime(context: TestContext): void {
    requireLinux(context, "faketime");
    requireNative(context);
    const { error, status } = spawnSync("faketime", ["-f", "+0", "true"]);
    if (error !== undefined || status !== 0)
      context.skip("needs faketime (apt-get install faketime)");
  }

  /** A child that is going to be killed: faketime removes its shared memory only when it ends by itself. */
  async function startFaked(args: readonly string[]): Promise<RunningChild & { first: string }> {
    const child = await startReady("faketime", args, { env: ENV });
    onTestFinished(() => {
      for (const name of ["faketime_shm", "sem.faketime_sem"]) {
        rmSync(`/dev/shm/${name}_${child.pid}`, { force: true });
      }
    });
    return child;
  }

  test.for([
    ["+10y", SessionWriteLockTimeoutError],
    ["-10y", SessionWriteLockStaleError],
    ["+1h", SessionWriteLockTimeoutError],
    ["-1h", SessionWriteLockStaleError],
  ] as const)(
    "a holder under faketime whose clock says %s is respected, and its death is seen",
    async ([offset, error], context) => {
      requireFaketime(context);
      const folder = temporaryFolder();
      const sessionFile = join(folder, "s.jsonl");
      const args = ["-f", offset, process.execPath, ...holderScript(folder, 60_000)];
      const holder = await startFaked(args);
      const years = offset.endsWith("y") ? Number(offset.slice(0, -1)) : 0;
      expect(Math.abs(Number(holder.first) - new Date().getFullYear() - years)).toBeLessThanOrEqual(
        1,
      );
      const waiting = acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 200 });
      await expect(waiting).rejects.toThrow(error);
      const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
      expect(cleaned).toEqual([]);
      holder.say("write");
      expect(JSON.parse(await holder.line())).toEqual({ code: "written", wrote: true });
      await holder.kill();

      const second = await startFaked(args);
      await second.kill();
      await (await acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 5000 })).release();
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test.for(["+10y", "-10y"])(
    "a sweep under faketime whose clock says %s takes a dead owner's lock, and no other",
    async (offset, context) => {
      requireFaketime(context);
      const folder = temporaryFolder();
      await startHolder(join(folder, "live.jsonl.lock"));
      const dead = await startHolder(join(folder, "dead.jsonl.lock"));
      await dead.kill();
      const script = `
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      const { cleaned } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
      console.log(JSON.stringify(cleaned.map(({ pid }) => pid)));`;
      const cleaned = await runNode(script, { prefix: ["faketime", "-f", offset], env: ENV });
      expect(cleaned).toEqual([dead.pid]);
      expect(readdirSync(folder)).toEqual(["live.jsonl.lock"]);
    },
  );
});

describe("suspended processes", () => {
  test("a holder that is stopped beyond its limit finds its lock gone and writes nothing", async (context) => {
    requirePosix(context, "SIGSTOP");
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startReady(process.execPath, holderScript(folder, 500));
    holder.process.kill("SIGSTOP");
    const lock = await acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 20_000 });
    holder.say("write");
    holder.process.kill("SIGCONT");
    expect(JSON.parse(await holder.line())).toEqual({
      code: "SESSION_WRITE_LOCK_LOST",
      wrote: false,
    });
    lock.assertHeld();
    await lock.release();
  });

  test("a holder that is stopped within its limit still has its lock when it goes on", async (context) => {
    requirePosix(context, "SIGSTOP");
    requireNative(context);
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startReady(process.execPath, holderScript(folder, 120_000));
    holder.process.kill("SIGSTOP");
    const waiting = acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 200 });
    await expect(waiting).rejects.toThrow(SessionWriteLockTimeoutError);
    holder.say("write");
    holder.process.kill("SIGCONT");
    expect(JSON.parse(await holder.line())).toEqual({ code: "written", wrote: true });
  });

  // After a suspension the boot clock is ahead of the monotonic one, which is the one that counts a hold.
  describe.each([
    ["--boottime", "36000"],
    ["--monotonic", "36000"],
    ["--boottime", "-60"],
  ])("seen from a time namespace with %s %s", (clock, offset) => {
    beforeEach((context) => {
      requireRoot(context, "to make a time namespace");
      requireNative(context);
    });

    const PREFIX = ["unshare", "--time", clock, offset, "--fork", "--kill-child"];

    test("a holder within its limit is respected from another time namespace, a dead one is not", async () => {
      const folder = temporaryFolder();
      const holder = await startReady(process.execPath, holderScript(folder, 600_000));
      const script = `
        ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
        const sessionFile = ${JSON.stringify(join(folder, "s.jsonl"))};
        const acquire = (timeoutMs) => acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs })
          .then((lock) => lock.release()).then(() => "acquired", (error) => error.code);
        const first = await acquire(200);
        process.kill(${holder.pid}, "SIGKILL");
        console.log(JSON.stringify([first, await acquire(10_000)]));`;
      const seen = await runNode(script, { prefix: PREFIX });
      expect(seen).toEqual(["SESSION_WRITE_LOCK_TIMEOUT", "acquired"]);
    });

    test("a holder in another time namespace is respected outside", async () => {
      const folder = temporaryFolder();
      const [file = "", ...args] = PREFIX;
      const holder = await startReady(file, [
        ...args,
        process.execPath,
        ...holderScript(folder, 600_000),
      ]);
      const sessionFile = join(folder, "s.jsonl");
      const waiting = acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 200 });
      await expect(waiting).rejects.toThrow(SessionWriteLockTimeoutError);
      holder.say("write");
      expect(JSON.parse(await holder.line())).toEqual({ code: "written", wrote: true });
      await waitFor("its release", () => readdirSync(folder).length === 0);
    });
  });
});
