import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { describe, expect, test, vi } from "vitest";

import { getProcessStartTime } from "../../../lib/index.js";
import { tokenHost } from "../../../lib/process/identity.js";
import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import { isDiskOfThisMachine } from "../../../lib/lock/verdict/kernel-evidence.js";
import { cleanStaleLockFiles, sweepDirectory } from "../../../lib/session-lock/sweep/sweep.js";
import {
  type CleanStaleLockFilesOptions,
  resolveSweepOptions,
} from "../../../lib/session-lock/sweep/options.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runNode, start, startReady } from "../../support/processes/child.js";
import { enterGuardOf } from "../../support/locks/enter-guard.js";
import { runHere } from "../../support/command-line.js";
import { endedPid } from "../../support/locks/lock-directory.js";
import { importDist, startHolder, writePlainLock } from "../../support/locks/lock-holder.js";
import { requireLinux, requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

const HOUR = 3_600_000;
const longAgo = new Date(Date.now() - 2 * HOUR).toISOString();
const foreign = (): string[] => ["sleep", "1000"];
const recognised = (): string[] => ["openclaw-gateway"];

function sweep(
  sessionsDir: string,
  options: Partial<CleanStaleLockFilesOptions> = {},
): ReturnType<typeof cleanStaleLockFiles> {
  return cleanStaleLockFiles({ sessionsDir, env: {}, ...options });
}

function sweepOn(
  fs: Partial<LockFs>,
  sessionsDir: string,
  options: Partial<CleanStaleLockFilesOptions> = {},
): ReturnType<typeof cleanStaleLockFiles> {
  return sweepDirectory(resolveSweepOptions({ sessionsDir, env: {}, ...options }), {
    ...realLockFs,
    ...fs,
  });
}

/** A real process of another program. */
async function startSleep(): Promise<number> {
  const child = await startReady(process.execPath, [
    "-e",
    "console.log(1); setInterval(()=>{},1e6)",
  ]);
  return child.pid;
}

/** A pid that has just died and been reaped. */
async function deadPid(): Promise<number> {
  const child = await start(process.execPath, ["-e", ""]);
  await child.exited();
  return child.pid;
}

describe("on real locks of real processes", () => {
  test("a killed holder's lock is swept, a live one's stays", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const dead = join(folder, "dead.jsonl.lock");
    const live = join(folder, "live.jsonl.lock");
    const holder = await startHolder(dead);
    const alive = await startHolder(live);
    await holder.kill("SIGKILL");

    const { locks, cleaned, counts } = await sweep(folder);

    expect(locks.map(({ lockPath }) => lockPath)).toEqual([dead, live]);
    expect(locks[0]).toMatchObject({
      pid: holder.pid,
      pidAlive: false,
      staleReasons: ["dead-pid"],
      removed: true,
      ownerState: "gone",
      ownerReason: "kernel-lock-free",
    });
    expect(locks[1]).toMatchObject({
      pid: alive.pid,
      pidAlive: true,
      stale: false,
      removed: false,
      ownerState: "same",
      ownerReason: "kernel-lock-held",
    });
    expect(cleaned[0]).toBe(locks[0]);
    expect(counts).toEqual({ total: 2, stale: 1, removed: 1, kept: 1 });
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock"]);
  });

  test("a live owner's lock is never swept for its age", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    await startHolder(lockPath, { fields: { createdAt: longAgo, maxHoldMs: 1 } });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([{ staleReasons: ["too-old"], keptReason: "owner-alive" }]);
    expect(existsSync(lockPath)).toBe(true);
  });

  test("a holder that lives but let go of its kernel lock has lost it", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    await startHolder(join(folder, "s.jsonl.lock"), { keep: false });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([{ staleReasons: ["holder-gone"], pidAlive: true, removed: true }]);
  });

  test("a plain lock of a recycled pid is swept: alive, but started at another time", async () => {
    const folder = temporaryFolder();
    const pid = await startSleep();
    const starttime = (getProcessStartTime(pid) ?? 0) - 100;
    writePlainLock(folder, "s", { pid, starttime });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([
      { staleReasons: ["recycled-pid"], pidAlive: true, removed: true },
    ]);
  });

  test("a plain lock with its owner's start time is proven, whatever its command line", async () => {
    const folder = temporaryFolder();
    const pid = await startSleep();
    writePlainLock(folder, "s", { pid, starttime: getProcessStartTime(pid) });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([{ stale: false, ownerReason: "start-time-equal" }]);
  });

  test("a plain lock whose pid is another program's is swept", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: await startSleep() });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([{ staleReasons: ["non-openclaw-owner"], removed: true }]);
  });

  test("a plain lock of an earlier process with this process's pid is swept", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", {
      pid: process.pid,
      starttime: getProcessStartTime(process.pid),
    });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([{ staleReasons: ["orphan-self-pid"], removed: true }]);
  });

  test("a worker thread leaves the main thread's plain lock alone", async () => {
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", {
      pid: process.pid,
      starttime: getProcessStartTime(process.pid),
    });
    const code = `
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      import { parentPort, workerData } from "node:worker_threads";
      parentPort.postMessage(await cleanStaleLockFiles({ sessionsDir: workerData, env: {} }));`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: folder,
    });
    const report = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    expect(report).toMatchObject({ locks: [{ lockPath, stale: false }] });
    expect(existsSync(lockPath)).toBe(true);
    await worker.terminate();
  });

  test("two sweeps at once remove every lock once and never a live one", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await deadPid();
    for (let n = 0; n < 300; n++) writePlainLock(folder, `dead${n}`, { pid });
    const live = join(folder, "live.jsonl.lock");
    await startHolder(live);
    const script = `
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      const { counts } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)} });
      console.log(JSON.stringify(counts.removed));`;
    const removed = (await Promise.all([runNode(script), runNode(script)])) as number[];
    expect(removed.reduce((sum, count) => sum + count)).toBe(300);
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock"]);
  });
});

describe("the report", () => {
  test("a dry run reports the same as a sweep and touches nothing", async () => {
    const folder = temporaryFolder();
    const pid = await deadPid();
    writePlainLock(folder, "a", { pid });
    const warn = vi.fn();
    const dry = await sweep(folder, { removeStale: false, log: { warn } });
    expect(dry.locks).toMatchObject([
      { staleReasons: ["dead-pid"], removable: true, removed: false, keptReason: "dry-run" },
    ]);
    expect(dry.cleaned).toEqual([]);
    expect(dry.counts).toEqual({ total: 1, stale: 1, removed: 0, kept: 1 });
    expect(readdirSync(folder)).toEqual(["a.jsonl.lock"]);
    expect(warn).not.toHaveBeenCalled();
    const real = await sweep(folder, { log: { warn } });
    expect(real.counts).toEqual({ total: 1, stale: 1, removed: 1, kept: 0 });
    const lockPath = join(folder, "a.jsonl.lock");
    expect(warn.mock.calls).toEqual([[`removed stale session lock: ${lockPath} (dead-pid)`]]);
  });

  test("a report is sorted by name, not recursive, and has nothing but session locks", async () => {
    const folder = temporaryFolder();
    for (const name of ["b", "a", "C", "ä"]) writePlainLock(folder, name, { pid: 1 });
    writeFileSync(join(folder, "s.jsonl"), "");
    writeFileSync(join(folder, "other.lock"), "");
    mkdirSync(join(folder, "deeper"));
    writePlainLock(join(folder, "deeper"), "x", { pid: 1 });
    const { locks } = await sweep(folder, { removeStale: false });
    const names = ["C", "a", "b", "ä"].map((name) => join(folder, `${name}.jsonl.lock`));
    expect(locks.map(({ lockPath }) => lockPath)).toEqual(names);
  });

  test('a report with report: "stale" leaves the other locks out, and its counts cover all', async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "dead", { pid: await deadPid() });
    writePlainLock(folder, "live", { pid: process.pid });
    const { locks, counts } = await sweep(folder, {
      report: "stale",
      readOwnerProcessArgs: recognised,
    });
    expect(locks.map(({ lockPath }) => lockPath)).toEqual([join(folder, "dead.jsonl.lock")]);
    expect(counts).toEqual({ total: 2, stale: 1, removed: 1, kept: 1 });
  });

  test("a directory and a link with a lock's name are skipped and said so", async (context) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "a.jsonl.lock"));
    const target = join(folder, "nowhere");
    if (process.platform === "win32") mkdirSync(target);
    try {
      // Windows: the one kind of link that takes no privilege.
      symlinkSync(target, join(folder, "b.jsonl.lock"), "junction");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTSUP") throw error;
      return context.skip("needs junctions, which Wine 8 lacks");
    }
    writePlainLock(folder, "c", { pid: await deadPid() });
    const warn = vi.fn<(message: string) => void>();
    const { counts } = await sweep(folder, { log: { warn } });
    expect(counts).toEqual({ total: 1, stale: 1, removed: 1, kept: 0 });
    const skipped = warn.mock.calls.flat().filter((line) => line.includes("not a regular file"));
    expect(skipped).toHaveLength(2);
    expect(existsSync(join(folder, "a.jsonl.lock"))).toBe(true);
  });

  test("a lock whose name is not valid UTF-8 is told, not passed over", async (context) => {
    requireLinux(context, "names of any bytes");
    const folder = temporaryFolder();
    const name = Buffer.concat([
      Buffer.from(`${folder}/`),
      Buffer.from([0xff]),
      Buffer.from(".jsonl.lock"),
    ]);
    writeFileSync(name, JSON.stringify({ pid: await endedPid() }));
    // One that only looks like it.
    const well = writePlainLock(folder, "\uFFFDwell", { pid: await endedPid() });
    const { locks, notices } = await cleanStaleLockFiles({ sessionsDir: folder });
    expect(locks.map(({ lockPath }) => lockPath)).toEqual([well]);
    const path = join(folder, "\uFFFD.jsonl.lock");
    expect(notices.filter(({ kind }) => kind !== "removed-lock")).toEqual([
      { kind: "undecodable-name", path },
    ]);
    expect(existsSync(name)).toBe(true);
    for (const options of [[], ["--fix"], ["--all"]]) {
      const { code, stderr } = await runHere(["locks", folder, ...options]);
      expect(stderr).toContain(`its name is not valid UTF-8: ${path}`);
      expect(code).toBe(2);
    }
  });

  test("dryRun is the opposite of removeStale", async () => {
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await deadPid() });
    const dry = await sweep(folder, { dryRun: true });
    expect(dry.locks).toMatchObject([{ removable: true, removed: false, keptReason: "dry-run" }]);
    const again = await sweep(folder, { dryRun: true, removeStale: false });
    expect(again.counts).toEqual(dry.counts);
    expect(existsSync(lockPath)).toBe(true);
    const { locks, missing } = await sweep(folder, { dryRun: false, removeStale: true });
    expect(locks).toMatchObject([{ removed: true }]);
    expect(missing).toBe(false);
    expect(existsSync(lockPath)).toBe(false);
  });

  test("a missing directory is an empty result that says so", async () => {
    expect(await sweep(join(temporaryFolder(), "none"))).toEqual({
      locks: [],
      cleaned: [],
      counts: { total: 0, stale: 0, removed: 0, kept: 0 },
      missing: true,
      notices: [],
    });
  });

  test("a file where a directory is expected rejects with ENOTDIR and the path", async () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    await expect(sweep(file)).rejects.toMatchObject({ code: "ENOTDIR", path: file });
  });

  test("a sweep's progress ends with every lock checked", async () => {
    const folder = temporaryFolder();
    const pid = await deadPid();
    for (let n = 0; n < 50; n++) writePlainLock(folder, `s${n}`, { pid });
    const onProgress = vi.fn();
    await sweep(folder, { onProgress, sliceMs: 0 });
    expect(onProgress.mock.calls.length).toBeGreaterThan(10);
    expect(onProgress.mock.lastCall).toEqual([{ checked: 50, total: 50, removed: 50 }]);
  });
});

describe("locks without a pid", () => {
  test("young locks without a pid are in grace, older ones go, by the file's time", async () => {
    const folder = temporaryFolder();
    const files = { young: "", old: "", torn: '{"pid": 1' };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, `${name}.jsonl.lock`), content);
    }
    const past = new Date(Date.now() - 31_000);
    utimesSync(join(folder, "old.jsonl.lock"), past, past);
    utimesSync(join(folder, "torn.jsonl.lock"), past, past);
    const { locks } = await sweep(folder);
    const reasons = ["missing-pid", "invalid-createdAt"];
    expect(locks).toMatchObject([
      { staleReasons: reasons, removed: true },
      { staleReasons: reasons, removed: true },
      { staleReasons: reasons, removed: false, keptReason: "in-grace" },
    ]);
    expect(readdirSync(folder)).toEqual(["young.jsonl.lock"]);
  });
});

describe("an owner in doubt", () => {
  /** A lock that another machine's process might have written, and let go of. */
  async function ofOtherHost(folder: string): Promise<string> {
    const lockPath = join(folder, "s.jsonl.lock");
    const holder = await startHolder(lockPath);
    await holder.kill();
    const payload = JSON.parse(readFileSync(lockPath, "utf8")) as { owner: string };
    const fields = payload.owner.split(".");
    fields[2] = "ffffffffffffffff";
    fields[4] = "0".repeat(32);
    const foreignHost = { ...payload, owner: fields.join("."), createdAt: longAgo };
    writeFileSync(lockPath, JSON.stringify(foreignHost));
    return lockPath;
  }

  // statfs numbers: NFS, FUSE, and one that nothing is known of.
  test.for([0x6969, 0x65735546, 0x12345678])(
    "a lock of another host stays on a file system that others may use: 0x%x",
    async (type, context) => {
      requireNative(context);
      requireLinux(context, "kinds of file systems by number");
      const folder = temporaryFolder();
      const lockPath = await ofOtherHost(folder);
      const { locks } = await sweepOn({ fileSystemType: () => type }, folder);
      expect(locks).toMatchObject([
        { staleReasons: ["too-old"], keptReason: "owner-unknown", ownerReason: "other-host" },
      ]);
      expect(existsSync(lockPath)).toBe(true);
    },
  );

  test("a lock of another host that was brought along on a disk of this machine is swept", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = await ofOtherHost(folder);
    const { kernelLock } = JSON.parse(readFileSync(lockPath, "utf8")) as { kernelLock: string };
    if (!isDiskOfThisMachine(kernelLock, null, tokenHost())) {
      return context.skip("the temporary folder lies on no disk of its own");
    }
    // Windows' file systems have no names here: only the kernel lock tells, and nothing of the pid.
    const end = process.platform === "win32" ? "holder-gone" : "dead-pid";
    expect((await sweep(folder)).locks).toMatchObject([
      { staleReasons: [end, "too-old"], removed: true, ownerReason: "kernel-lock-free" },
    ]);
  });

  test("a lock with an owner token that cannot be read stays", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", {
      pid: await deadPid(),
      owner: "pi9.whatever",
      createdAt: longAgo,
    });
    expect((await sweep(folder)).locks).toMatchObject([
      { keptReason: "owner-unknown", ownerReason: "malformed", removed: false },
    ]);
  });

  test("a lock whose resolver throws stays, and the next lock asks again", async () => {
    const folder = temporaryFolder();
    for (const name of ["a", "b", "c"]) writePlainLock(folder, name, { pid: process.ppid });
    let calls = 0;
    const { locks } = await sweep(folder, {
      readOwnerProcessArgs: () => {
        if (calls++ === 0) throw new Error("not now");
        return Promise.resolve(["openclaw"]);
      },
    });
    expect(calls).toBe(2);
    expect(locks.map(({ stale }) => stale)).toEqual([false, false, false]);
  });

  test("a null from a resolver is an answer and not asked for again", async () => {
    const folder = temporaryFolder();
    for (const name of ["a", "b"]) writePlainLock(folder, name, { pid: process.ppid });
    const readOwnerProcessArgs = vi.fn(() => null);
    const { counts } = await sweep(folder, { readOwnerProcessArgs });
    expect(readOwnerProcessArgs).toHaveBeenCalledTimes(1);
    expect(counts.stale).toBe(0);
  });

  test("a predicate is asked once about one process's arguments, whatever the number of its locks", async () => {
    const folder = temporaryFolder();
    for (const name of ["a", "b", "c"]) writePlainLock(folder, name, { pid: process.ppid });
    const isOwnerArgv = vi.fn(() => true);
    await sweep(folder, { isOwnerArgv, readOwnerProcessArgs: foreign });
    expect(isOwnerArgv.mock.calls).toEqual([[foreign()]]);
  });

  test("a predicate that threw is asked again for the next lock", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    for (const name of ["a", "b"]) writePlainLock(folder, name, { pid: process.ppid });
    const isOwnerArgv = vi
      .fn(() => false)
      .mockImplementationOnce(() => {
        throw new Error("predicate");
      });
    const { locks } = await sweep(folder, { isOwnerArgv, readOwnerProcessArgs: foreign });
    expect(locks.map(({ removed }) => removed)).toEqual([false, true]);
  });

  test("a predicate that throws has not said foreign", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "a", { pid: process.ppid });
    const { counts } = await sweep(folder, {
      isOwnerArgv: () => {
        throw new Error("predicate");
      },
    });
    expect(counts).toMatchObject({ total: 1, stale: 0 });
  });

  test("a removal without the addon is refused with the reason", async (context) => {
    requirePosix(context, "Windows has a guard without the addon");
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: await deadPid() });
    const script = `
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      const { locks } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)} });
      console.log(JSON.stringify({ ...locks[0], error: locks[0].error.message }));`;
    const env = { ...process.env, PIDENTITY_NO_NATIVE: "1" };
    expect(await runNode(script, { env })).toMatchObject({
      staleReasons: ["dead-pid"],
      removed: false,
      keptReason: "no-guard",
      error: expect.stringContaining("ENOSYS") as string,
    });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a lock stays whose guard stays busy, this package's or another library's", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await deadPid();
    const guarded = writePlainLock(folder, "a", { pid });
    const reclaimed = writePlainLock(folder, "b", { pid });
    writeFileSync(`${reclaimed}.reclaim`, "");
    const leave = enterGuardOf(guarded);
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([
      { keptReason: "guard-busy", removed: false },
      { keptReason: "guard-busy", removed: false },
    ]);
    leave();
    rmSync(`${reclaimed}.reclaim`);
    expect((await sweep(folder)).counts.removed).toBe(2);
  });

  test("a lock whose guard becomes free while the sweep waits is removed", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "a", { pid: await deadPid() });
    const leave = enterGuardOf(lockPath);
    let looks = 0;
    const exists: LockFs["exists"] = (path) => {
      if (path.endsWith(".reclaim") && ++looks === 2) leave();
      return realLockFs.exists(path);
    };
    expect((await sweepOn({ exists }, folder)).counts.removed).toBe(1);
  });
});

describe("between the look and the removal", () => {
  /** Runs `change` when the sweep is about to enter the guard of the lock it wants to remove. */
  function beforeGuard(change: (lockPath: string) => void): Partial<LockFs> {
    return {
      exists: (path) => {
        if (path.endsWith(".reclaim")) change(path.slice(0, -".reclaim".length));
        return realLockFs.exists(path);
      },
    };
  }

  test("a lock that changes hands between the look and the removal survives", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await deadPid() });
    const successor = JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() });
    const { locks } = await sweepOn(
      beforeGuard((path) => writeFileSync(path, successor)),
      folder,
    );
    expect(locks).toMatchObject([{ removed: false, keptReason: "changed" }]);
    expect(readFileSync(lockPath, "utf8")).toBe(successor);
  });

  test("a lock that is released between the look and the removal is reported as changed", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: await deadPid() });
    const { locks } = await sweepOn(
      beforeGuard((path) => rmSync(path)),
      folder,
    );
    expect(locks).toMatchObject([{ removed: false, keptReason: "changed" }]);
  });

  test("an unlink that fails is reported on that lock, and the sweep goes on", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await deadPid();
    const stuck = writePlainLock(folder, "a", { pid });
    writePlainLock(folder, "b", { pid });
    const refuse = (path: string): void => {
      if (path === stuck) throw Object.assign(new Error("EPERM: stuck"), { code: "EPERM" });
    };
    const unlink: LockFs["unlink"] = (path) => {
      refuse(path);
      realLockFs.unlink(path);
    };
    // What Windows does first.
    const rename: LockFs["rename"] = (from, to) => {
      refuse(from);
      realLockFs.rename(from, to);
    };
    const { locks } = await sweepOn({ unlink, rename }, folder);
    expect(locks).toMatchObject([
      { removed: false, keptReason: "error", error: { code: "EPERM" } },
      { removed: true },
    ]);
  });
});

describe("what a sweep costs its process", () => {
  test("a sweep asks about each pid once, and afresh before its lock is removed", async () => {
    const folder = temporaryFolder();
    for (let n = 0; n < 20; n++) writePlainLock(folder, `s${n}`, { pid: process.ppid });
    const readOwnerProcessArgs = vi.fn(recognised);
    await sweep(folder, { readOwnerProcessArgs });
    expect(readOwnerProcessArgs.mock.calls).toEqual([[process.ppid]]);
  });

  test("a sweep remembers nothing of the one before it", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "s", { pid: process.ppid });
    const readOwnerProcessArgs = vi.fn(recognised);
    await sweep(folder, { readOwnerProcessArgs });
    await sweep(folder, { readOwnerProcessArgs });
    expect(readOwnerProcessArgs).toHaveBeenCalledTimes(2);
  });

  test("a sweep gives the event loop a turn before the first lock and after every resolver call", async () => {
    const folder = temporaryFolder();
    const pids = [await startSleep(), await startSleep(), await startSleep()];
    for (const [n, pid] of pids.entries()) writePlainLock(folder, `s${n}`, { pid });
    let turns = 0;
    const seen: number[] = [];
    const count = (): void => {
      turns++;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await sweep(folder, {
      sliceMs: 1e9,
      removeStale: false,
      readOwnerProcessArgs: () => {
        seen.push(turns);
        return foreign();
      },
    });
    clearImmediate(immediate);
    expect(seen[0]).toBeGreaterThan(0);
    expect(seen[1]).toBeGreaterThan(seen[0] ?? 0);
    expect(seen[2]).toBeGreaterThan(seen[1] ?? 0);
    expect(turns).toBeGreaterThan(seen[2] ?? 0);
  });

  test("an aborted sweep rejects with the signal's reason and removes no more", async () => {
    const folder = temporaryFolder();
    const pid = await deadPid();
    for (let n = 0; n < 20; n++) writePlainLock(folder, `s${10 + n}`, { pid });
    const abort = new AbortController();
    const reason = new Error("enough");
    const log = {
      warn: (): void => {
        if (readdirSync(folder).length === 15) abort.abort(reason);
      },
    };
    await expect(sweep(folder, { signal: abort.signal, log })).rejects.toBe(reason);
    expect(readdirSync(folder)).toHaveLength(15);
    await expect(sweep(folder, { signal: abort.signal })).rejects.toBe(reason);
  });
});

describe("leftovers of the protocol", () => {
  const nonce = "0123456789abcdef0123456789abcdef";
  const past = new Date(Date.now() - HOUR);

  test("old leftovers are swept, young, held and unknown ones stay, none is listed", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const base = join(folder, "s.jsonl.lock");
    const old = [`${base}.${nonce}.tmp`, `${base}.${nonce}.gone`, `${base}.guard`];
    for (const path of old) {
      writeFileSync(path, "");
      utimesSync(path, past, past);
    }
    const young = `${base}.${nonce.replace("0", "1")}.tmp`;
    const odd = `${base}.short.tmp`;
    for (const path of [young, odd]) writeFileSync(path, "");
    utimesSync(odd, past, past);
    const held = ["2", "3"].map((digit) => `${base}.${nonce.replace("0", digit)}.tmp`);
    for (const [index, path] of held.entries()) {
      await startHolder(path, { hasGuardFile: index === 1 });
      utimesSync(path, past, past);
    }

    const dry = await sweep(folder, { removeStale: false });
    expect(readdirSync(folder)).toHaveLength(7);
    expect(dry.counts.total).toBe(0);
    const { counts } = await sweep(folder);
    expect(counts.total).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(
      [young, odd, ...held].map((path) => path.slice(folder.length + 1)).sort(),
    );
  });

  test("a guard that another process is in stays", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    const guard = tryEnterGuardFile(lockPath, realLockFs);
    if (guard.kind !== "entered") throw new Error("guard");
    await sweep(folder, { nowMs: Date.now() + HOUR });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock.guard"]);
    guard.leave();
  });
});

test("sweeping beside a gateway that takes and releases locks takes none of them", async (context) => {
  requireNative(context);
  const folder = mkdtempSync(join(temporaryFolder(), "s-"));
  const lockPath = join(folder, "s.jsonl.lock");
  const script = `
    ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
    let removed = 0;
    for (let round = 0; round < 200; round++) {
      removed += (await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)} })).counts.removed;
    }
    console.log(JSON.stringify(removed));`;
  let ended = false;
  const sweeper = runNode(script).finally(() => (ended = true));
  let held = 0;
  await waitFor(
    "the sweeper's end",
    async () => {
      const holder = await startHolder(lockPath);
      expect(existsSync(lockPath)).toBe(true);
      held++;
      rmSync(lockPath);
      await holder.kill();
      return ended;
    },
    { deadlineMs: 25_000 },
  );
  expect(await sweeper).toBe(0);
  expect(held).toBeGreaterThan(0);
});
