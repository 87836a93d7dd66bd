/** Pid files that say nothing but the pid, and who holds them. */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { once } from "node:events";

import { describe, expect, onTestFinished, test } from "vitest";

import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { checkFileLock } from "../../lib/file-lock/check-file-lock.js";
import { FileLockLostError, FileLockTimeoutError } from "../../lib/file-lock/errors.js";
import type { FileLock } from "../../lib/file-lock/file-lock.js";
import { type AcquirePidFileOptions, resolvePidFileOptions } from "../../lib/file-lock/options.js";
import { readPidFile } from "../../lib/file-lock/read-pid-file.js";
import { acquireLock } from "../../lib/lock/acquire.js";
import { draftOf } from "../../lib/lock/payload-draft.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import {
  COMPILED,
  nodeArguments,
  type RunningChild,
  startReady,
} from "../support/processes/child.js";
import { tryPublish } from "../../lib/lock/protocol/publish.js";
import { publishBarePid } from "../support/locks/bare-pid-file.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { LOCK_KINDS, withGuardFiles } from "../support/locks/lock-kinds.js";
import { importDist, takeNameAway } from "../support/locks/lock-holder.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireRoot,
  requireRuntime,
} from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function pidFileIn(folder: string): string {
  return join(folder, "daemon.pid");
}

async function refusal(options: AcquirePidFileOptions): Promise<unknown> {
  return await acquirePidFile(options).then(
    (held) => held.release().then(() => "acquired"),
    (error: unknown) => error,
  );
}

const DAEMON = (path: string): readonly string[] =>
  nodeArguments(`
    ${importDist("acquirePidFile", "file-lock/index.js")}
    const path = ${JSON.stringify(path)};
    const held = await acquirePidFile({ path, format: "pid" }).catch((error) => error);
    console.log(held instanceof Error ? held.code : "running");
    process.stdin.resume();`);

function startDaemon(path: string): Promise<RunningChild & { readonly first: string }> {
  return startReady(process.execPath, DAEMON(path));
}

test("a bare pid file holds the decimal pid and a newline, and goes with its release", async () => {
  const folder = temporaryFolder();
  const path = pidFileIn(folder);
  const held = await acquirePidFile({ path, format: "pid", label: "not written" });
  expect(readFileSync(path, "utf8")).toBe(`${String(process.pid)}\n`);
  expect(readdirSync(folder)).toEqual(["daemon.pid"]);
  expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(30_000);
  held.assertHeld();
  expect(held.withFence(() => 42)).toBe(42);
  await held.release();
  expect(readdirSync(folder)).toEqual([]);
});

test("a bare pid file is what shell scripts expect", async (context) => {
  requirePosix(context, "a shell");
  const path = pidFileIn(temporaryFolder());
  const daemon = await startDaemon(path);
  const script =
    'read -r pid < "$1"; kill -0 "$(cat "$1")" && test "$(wc -l < "$1")" -eq 1 && echo "$pid"';
  const said = execFileSync("sh", ["-c", script, "sh", path], { encoding: "utf8" });
  expect(said).toBe(`${String(daemon.pid)}\n`);
});

test("a bare pid file reads as its holder's by the kernel lock, and as gone when it was killed", async (context) => {
  requireNative(context);
  const path = pidFileIn(temporaryFolder());
  const daemon = await startDaemon(path);
  expect(await readPidFile(path)).toMatchObject({
    pid: daemon.pid,
    state: "same",
    reason: "kernel-lock-held",
    token: null,
    label: null,
  });
  await daemon.kill("SIGKILL");
  expect(await readPidFile(path)).toMatchObject({ pid: daemon.pid, state: "gone" });
});

test.each<[string, AcquirePidFileOptions["format"], AcquirePidFileOptions["format"]]>([
  ["a bare pid file keeps out another one", "pid", "pid"],
  ["a bare pid file keeps out one in JSON", "pid", "json"],
  ["a pid file in JSON keeps out a bare one", "json", "pid"],
])("%s, and once its holder is killed it is taken over", async (_what, format, other) => {
  const path = pidFileIn(temporaryFolder());
  const daemon = await startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquirePidFile", "file-lock/index.js")}
      await acquirePidFile({ path: ${JSON.stringify(path)}, format: ${JSON.stringify(format)} });
      console.log("running");
      process.stdin.resume();`),
  );
  const error = await refusal({ path, format: other });
  expect(error).toBeInstanceOf(FileLockTimeoutError);
  expect(error).toMatchObject({ pid: daemon.pid });
  await daemon.kill("SIGKILL");
  expect(await refusal({ path, format: other })).toBe("acquired");
});

test.for(["Bun", "Deno"] as const)(
  "a bare pid file that %s wrote is known for this package's by its mark when its daemon is killed",
  async (runtime, context) => {
    requireNative(context);
    const [file = "", ...args] = requireRuntime(context, runtime);
    const folder = temporaryFolder();
    const path = pidFileIn(folder);
    const script = join(folder, "daemon.mjs");
    writeFileSync(
      script,
      `${importDist("acquirePidFile", "file-lock/index.js")}
      await acquirePidFile({ path: ${JSON.stringify(path)}, format: "pid" });
      console.log("running");
      process.stdin.resume();`,
    );
    const daemon = await startReady(file, [...args, script]);
    expect(await readPidFile(path)).toMatchObject({ pid: daemon.pid, reason: "kernel-lock-held" });
    await daemon.kill("SIGKILL");
    expect(await readPidFile(path)).toMatchObject({
      pid: daemon.pid,
      state: "gone",
      reason: "kernel-lock-free",
    });
  },
);

describe("a bare pid whose process is another one by now", () => {
  test("a bare pid file of this package is taken over although a stranger has its pid", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const { pid } = await liveOwner();
    realLockFs.close(publishBarePid(pid, path));
    expect(await readPidFile(path)).toMatchObject({
      pid,
      state: "gone",
      reason: "kernel-lock-free",
    });
    expect(await refusal({ path, plainLocks: "keep" })).toBe("acquired");
  });

  test("a bare pid file of this package is respected while its descriptor is open, whatever its pid looks like", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const fd = publishBarePid(await endedPid(), path);
    onTestFinished(() => realLockFs.close(fd));
    const told: unknown[] = [];
    const isOwnerArgv = (): boolean => false;
    expect(
      await refusal({ path, isOwnerArgv, onReclaimed: (one) => told.push(one) }),
    ).toMatchObject({
      code: "FILE_LOCK_TIMEOUT",
    });
    expect(told).toEqual([]);
    expect(existsSync(path)).toBe(true);
  });

  test.each<[string, (path: string) => void]>([
    [
      "another program wrote the same bytes into it",
      (path) => writeFileSync(path, readFileSync(path)),
    ],
    [
      "it is a copy with the same time",
      (path) => {
        const { atimeMs, mtimeMs } = statSync(path);
        // Its inode is not free to be used again.
        renameSync(path, `${path}.first`);
        copyFileSync(`${path}.first`, path);
        utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
      },
    ],
    ["another program gave it a time", (path) => utimesSync(path, 1e9, 1e9)],
  ])("a bare pid of a live process is kept where %s", async (_how, change) => {
    const path = pidFileIn(temporaryFolder());
    const { pid } = await liveOwner();
    realLockFs.close(publishBarePid(pid, path));
    change(path);
    expect(readFileSync(path, "utf8")).toBe(`${String(pid)}\n`);
    expect(await refusal({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT", pid });
    expect(await readPidFile(path)).toMatchObject({ pid, state: "unknown", reason: "unproven" });
  });
});

describe("this process's own pid", () => {
  test("a bare pid file with this process's pid, which another thread of it holds, is not taken for an orphan", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const script = `
      import { acquirePidFile } from ${JSON.stringify(`${COMPILED}file-lock/index.js`)};
      import { parentPort } from "node:worker_threads";
      await acquirePidFile({ path: ${JSON.stringify(path)}, format: "pid" });
      parentPort.postMessage("held");
      parentPort.on("message", () => {});`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    onTestFinished(async () => void (await worker.terminate()));
    await once(worker, "message");
    expect(readFileSync(path, "utf8")).toBe(`${String(process.pid)}\n`);
    expect(await refusal({ path, format: "pid" })).toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    await worker.terminate();
    expect(await refusal({ path, format: "pid", timeoutMs: 20_000 })).toBe("acquired");
  });

  test("a bare pid file that an earlier process with this process's pid left is taken over", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    realLockFs.close(publishBarePid(process.pid, path));
    expect(await refusal({ path, format: "pid" })).toBe("acquired");
  });
});

describe.each(LOCK_KINDS)("a bare pid file %s", (kind, of) => {
  const acquire = (path: string): Promise<FileLock> =>
    acquireLock(resolvePidFileOptions({ path, format: "pid" }), of());

  test(`a bare pid file ${kind} that was replaced by one with the same text is lost, and not removed`, async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const held = await acquire(path);
    takeNameAway(path);
    writeFileSync(path, `${String(process.pid)}\n`);
    expect(() => held.assertHeld()).toThrow(FileLockLostError);
    expect(() => held.withFence(() => "written")).toThrow(FileLockLostError);
    await held.release();
    expect(readFileSync(path, "utf8")).toBe(`${String(process.pid)}\n`);
  });

  test(`a bare pid file ${kind} is released over one of another container with the same pid`, async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const held = await acquire(path);
    takeNameAway(path);
    writeFileSync(path, `${String(process.pid)}\n`);
    await held.release();
    expect(existsSync(path)).toBe(true);
  });

  test(`a bare pid file ${kind} stays its holder's when a tool gives it a time or another mode`, async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const held = await acquire(path);
    utimesSync(path, 1e9, 1e9);
    held.assertHeld();
    expect(await refusal({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    await held.release();
    expect(existsSync(path)).toBe(false);
  });

  test(`a bare pid file ${kind} of a dead-looking holder is never removed while its descriptor is open`, async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const fd = publishBarePid(await endedPid(), path, of());
    expect(await refusal({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    expect(existsSync(path)).toBe(true);
    realLockFs.close(fd);
    expect(await refusal({ path })).toBe("acquired");
  });
});

/** f_type (linux/magic.h). */
const NFS = 0x6969;

test("of two publishers whose bare pid files have the same text one wins, also where links answer late", async (context) => {
  requireNative(context);
  requirePosix(context, "hard links");
  const path = pidFileIn(temporaryFolder());
  const first = publishBarePid(1, path, withGuardFiles());
  onTestFinished(() => realLockFs.close(first));
  // A network's file system, which may repeat a link that has worked: then what the name leads to tells.
  const network = { ...withGuardFiles(), fileSystemTypeOf: () => NFS };
  const blind: LockFs = { ...network, isNamed: () => false, exists: () => false };
  const draft = draftOf(resolvePidFileOptions({ path, format: "pid" }));
  expect(tryPublish(path, { ...draft, pid: 1 }, blind)).toEqual({ kind: "contended" });
});

test("a waiter behind a bare pid file looks now and then, and takes it when its holder is killed", async (context) => {
  requireNative(context);
  const path = pidFileIn(temporaryFolder());
  const daemon = await startDaemon(path);
  let reads = 0;
  const fs: LockFs = {
    ...realLockFs,
    read: (...args) => {
      reads++;
      return realLockFs.read(...args);
    },
  };
  const told: number[] = [];
  const plan = resolvePidFileOptions({
    path,
    format: "pid",
    timeoutMs: 30_000,
    onWait: ({ waitedMs }) => told.push(waitedMs),
  });
  const waiting = acquireLock(plan, fs);
  await expect.poll(() => told.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  // A few at once, one a second.
  expect(reads).toBeLessThan(20);
  await daemon.kill("SIGKILL");
  const held = await waiting;
  expect(readFileSync(path, "utf8")).toBe(`${String(process.pid)}\n`);
  await held.release();
});

describe("pid namespaces", () => {
  const INSIDE = ["--pid", "--fork", "--mount-proc", "--kill-child"] as const;

  test("of two daemons that are both pid 1 of their containers one holds the shared bare pid file", async (context) => {
    requireLinux(context, "pid namespaces");
    requireRoot(context, "makes pid namespaces");
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const inside = (): Promise<RunningChild & { readonly first: string }> =>
      startReady("unshare", [...INSIDE, process.execPath, ...DAEMON(path)]);
    const first = await inside();
    expect(first.first).toBe("running");
    expect(readFileSync(path, "utf8")).toBe("1\n");
    expect((await inside()).first).toBe("FILE_LOCK_TIMEOUT");
    // Seen from outside, too, pid 1 is another process.
    expect(await refusal({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT" });
    expect(await checkFileLock({ path: `${path}.x`, lockPath: path })).toMatchObject({
      locked: true,
      holder: { pid: 1, state: "same" },
    });
    await first.kill("SIGKILL");
    // Restarted, it finds its own pid in the file.
    expect((await inside()).first).toBe("running");
  });

  test("a container's bare pid file whose pid is nothing outside is respected there", async (context) => {
    requireLinux(context, "pid namespaces");
    requireRoot(context, "makes pid namespaces");
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    // A shell gives what it starts in the background nothing to read, at whose end the daemon would end.
    const script = `exec 3<&0; "$0" "$@" <&3 & wait`;
    const args = [...INSIDE, "sh", "-c", script, process.execPath, ...DAEMON(path)];
    const daemon = await startReady("unshare", args);
    expect(daemon.first).toBe("running");
    expect(await refusal({ path, isOwnerArgv: () => false })).toMatchObject({
      code: "FILE_LOCK_TIMEOUT",
    });
    await daemon.kill("SIGKILL");
    expect(await refusal({ path, timeoutMs: 20_000 })).toBe("acquired");
  });
});
