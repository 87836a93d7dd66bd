import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { checkFileLock } from "../../lib/file-lock/check-file-lock.js";
import { FileLockFileError, FileLockTimeoutError } from "../../lib/file-lock/errors.js";
import { type AcquirePidFileOptions } from "../../lib/file-lock/options.js";
import { readPidFile } from "../../lib/file-lock/read-pid-file.js";
import { nodeArguments, type RunningChild, startReady } from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist } from "../support/locks/lock-holder.js";
import { ROOT } from "../support/processes/programs.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const sessionLockUrl = pathToFileURL(join(ROOT, "dist", "session-lock", "index.js")).href;

function pidFileIn(folder: string): string {
  return join(folder, "daemon.pid");
}

async function refusal(options: AcquirePidFileOptions): Promise<unknown> {
  return await acquirePidFile(options).then(
    (held) => held.release().then(() => "acquired"),
    (error: unknown) => error,
  );
}

/** A process with a held pid file; `more` runs in it before it says so. */
function startDaemon(path: string, more = ""): Promise<RunningChild> {
  return startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquirePidFile", "file-lock/index.js")}
      const pidFile = await acquirePidFile({ path: ${JSON.stringify(path)} });
      ${more}
      console.log("running");
      process.stdin.resume();`),
  );
}

test("a pid file is the lock itself, pid first, and goes with its release", async () => {
  const path = join(temporaryFolder(), "run", "daemon.pid");
  const held = await acquirePidFile({ path, label: "mydaemon 1.0" });
  expect(held).toMatchObject({ path, lockPath: path });
  const text = readFileSync(path, "utf8");
  expect(text.startsWith(`{\n  "pid": ${String(process.pid)},\n`)).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ pid: process.pid, label: "mydaemon 1.0" });
  expect(await refusal({ path })).toMatchObject({ pid: process.pid });
  await held.release();
  expect(existsSync(path)).toBe(false);
});

test("a second daemon is told at once which one runs, and after a crash the third takes over", async (context) => {
  requireNative(context);
  const path = pidFileIn(temporaryFolder());
  const first = await startDaemon(path);
  const error = await refusal({ path });
  expect(error).toBeInstanceOf(FileLockTimeoutError);
  expect(error).toMatchObject({ pid: first.pid });
  expect(String(error)).toMatch(
    /pid file locked \(timeout 0ms\): pid=\d+ alive=true .*daemon\.pid$/,
  );
  await first.kill("SIGKILL");
  expect(existsSync(path)).toBe(true);
  expect(await refusal({ path })).toBe("acquired");
});

test("of daemons that start at the same time one holds the pid file", async (context) => {
  requireNative(context);
  const path = pidFileIn(temporaryFolder());
  writeFileSync(path, String(await endedPid()));
  const script = nodeArguments(`
    ${importDist("acquirePidFile", "file-lock/index.js")}
    process.stdin.resume();
    console.log("ready");
    process.stdin.once("data", async () => {
      const held = await acquirePidFile({ path: ${JSON.stringify(path)}, timeoutMs: 300 }).catch(() => null);
      console.log(held === null ? "refused" : "running");
    });`);
  const starts = [1, 2, 3, 4].map(() => startReady(process.execPath, script));
  const daemons = await Promise.all(starts);
  for (const daemon of daemons) daemon.say("go");
  const said = await Promise.all(daemons.map((daemon) => daemon.line()));
  expect(said.filter((line) => line === "running")).toHaveLength(1);
});

describe("a bare pid that another program wrote", () => {
  test("a bare pid that another program wrote is respected while that process lives", async () => {
    const path = pidFileIn(temporaryFolder());
    const owner = await liveOwner();
    writeFileSync(path, `${String(owner.pid)}\n`);
    // As old as it likes.
    utimesSync(path, 1e9, 1e9);
    const error = await refusal({ path });
    expect(error).toBeInstanceOf(FileLockTimeoutError);
    expect(error).toMatchObject({ pid: owner.pid });
    expect(readFileSync(path, "utf8")).toBe(`${String(owner.pid)}\n`);
  });

  test("a bare pid that another program wrote is taken over when there is no such process", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    writeFileSync(path, `${String(await endedPid())}\n`);
    expect(await refusal({ path })).toBe("acquired");
  });

  test("a bare pid of an earlier process with this process's pid is taken over", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    writeFileSync(path, String(process.pid));
    expect(await refusal({ path })).toBe("acquired");
  });

  test("a bare pid is taken over when its command line shows another program", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const owner = await liveOwner();
    writeFileSync(path, String(owner.pid));
    const isOwnerArgv = (args: readonly string[]): boolean => args.includes("mydaemon");
    expect(await refusal({ path, isOwnerArgv })).toBe("acquired");
  });
});

describe("a pid in the first of several lines", () => {
  const linesOf = (pid: number): string => `${String(pid)}\n/var/lib/postgresql/17/main\n5432\n`;

  test("a pid in the first of several lines is respected while its process lives, and named", async () => {
    const path = pidFileIn(temporaryFolder());
    const owner = await liveOwner();
    writeFileSync(path, linesOf(owner.pid));
    const error = await refusal({ path });
    expect(error).toBeInstanceOf(FileLockTimeoutError);
    expect(error).toMatchObject({ pid: owner.pid, timeoutMs: 0, lockPath: path, obstacle: null });
    expect(await readPidFile(path)).toMatchObject({ pid: owner.pid, state: "unknown" });
    expect(await checkFileLock({ path: `${path}.x`, lockPath: path })).toMatchObject({
      locked: true,
      available: false,
      holder: { pid: owner.pid, state: "unknown", reason: "unproven" },
      obstacle: "no-lock",
    });
    expect(readFileSync(path, "utf8")).toBe(linesOf(owner.pid));
  });

  test("a pid in the first of several lines whose process has ended is told, and the file stays", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const pid = await endedPid();
    writeFileSync(path, linesOf(pid));
    utimesSync(path, 1e9, 1e9);
    const error = await refusal({ path });
    expect(error).toBeInstanceOf(FileLockFileError);
    expect(String(error)).toContain(`process ${String(pid)} has ended`);
    expect(await readPidFile(path)).toMatchObject({ pid, state: "gone" });
    expect(await checkFileLock({ path: `${path}.x`, lockPath: path })).toMatchObject({
      locked: false,
      available: false,
      holder: { pid, state: "gone" },
      obstacle: "no-lock",
    });
    expect(readFileSync(path, "utf8")).toBe(linesOf(pid));
  });
});

describe("a broken pid file", () => {
  test.each([
    ["empty", ""],
    ["torn", '{\n  "pid": 47'],
  ])(
    "a broken pid file that is %s may still be being written while it is young; later it is taken over",
    async (_how, text) => {
      const path = pidFileIn(temporaryFolder());
      writeFileSync(path, text);
      expect(await refusal({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT", pid: null });
      expect(readFileSync(path, "utf8")).toBe(text);
      const longAgo = Date.now() / 1000 - 60;
      utimesSync(path, longAgo, longAgo);
      expect(await refusal({ path })).toBe("acquired");
    },
  );
});

describe("a path that was given by mistake", () => {
  test.each([
    ["another program's file", '{"pid":"none of yours"}'],
    ["a configuration", "[daemon]\npid = 4711\n"],
  ])("a path that was given by mistake keeps its content, however old: %s", async (_what, text) => {
    const path = pidFileIn(temporaryFolder());
    writeFileSync(path, text);
    utimesSync(path, 1e9, 1e9);
    const error = await refusal({ path });
    expect(error).toBeInstanceOf(FileLockFileError);
    expect(String(error)).toMatch(/cannot lock pid file \(this file is no lock\): .*daemon\.pid$/);
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a directory that was given by mistake is no pid file, and stays", async () => {
    const path = pidFileIn(temporaryFolder());
    mkdirSync(path);
    expect(await refusal({ path })).toBeInstanceOf(FileLockFileError);
    expect(existsSync(path)).toBe(true);
  });
});

describe("a signal", () => {
  test("a signal that the daemon handles does not take its pid file away; its exit does", async (context) => {
    requirePosix(context, "signals that can be handled");
    const path = pidFileIn(temporaryFolder());
    const handlers = `
      process.on("SIGHUP", () => console.log("reloaded"));
      process.on("SIGTERM", () => { console.log("finishing"); setTimeout(() => process.exit(3), 20); });`;
    const daemon = await startDaemon(path, handlers);
    daemon.process.kill("SIGHUP");
    expect(await daemon.line()).toBe("reloaded");
    expect(existsSync(path)).toBe(true);
    daemon.process.kill("SIGTERM");
    expect(await daemon.line()).toBe("finishing");
    expect(await daemon.exited()).toBe(3);
    expect(existsSync(path)).toBe(false);
  });

  test("a signal that the daemon handles ends neither its pid file nor its session lock; its exit ends both", async (context) => {
    requirePosix(context, "signals that can be handled");
    const folder = temporaryFolder();
    const [path, sessionFile] = [pidFileIn(folder), join(folder, "s.jsonl")];
    const daemon = await startDaemon(
      path,
      `const { acquireSessionWriteLock } = await import(${JSON.stringify(sessionLockUrl)});
      await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)} });
      process.on("SIGHUP", () => console.log("reloaded"));
      process.on("SIGTERM", () => process.exit(3));`,
    );
    expect(existsSync(`${sessionFile}.lock`)).toBe(true);
    daemon.process.kill("SIGHUP");
    expect(await daemon.line()).toBe("reloaded");
    expect([existsSync(`${sessionFile}.lock`), existsSync(path)]).toEqual([true, true]);
    // Raised again, the signal would have been handled twice by the time of this one.
    daemon.process.kill("SIGTERM");
    await expect(daemon.line()).rejects.toThrow("ended");
    expect(await daemon.exited()).toBe(3);
    expect([existsSync(`${sessionFile}.lock`), existsSync(path)]).toEqual([false, false]);
  });

  test("a signal that is not handled removes the pid file and ends the daemon", async (context) => {
    requirePosix(context, "signals that can be handled");
    const path = pidFileIn(temporaryFolder());
    const daemon = await startDaemon(path);
    daemon.process.kill("SIGTERM");
    expect(await daemon.exited()).toBeNull();
    expect(daemon.process.signalCode).toBe("SIGTERM");
    expect(existsSync(path)).toBe(false);
  });
});

test.each<[string, unknown, string]>([
  ["options", null, "options must be an object, got null"],
  ["path", { path: 7 }, "options.path must be a file path (string or URL), got 7"],
  [
    "timeoutMs",
    { path: "a", timeoutMs: Number.NaN },
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got NaN",
  ],
])("a bad %s is refused by name", async (_name, options, message) => {
  await expect(acquirePidFile(options as AcquirePidFileOptions)).rejects.toThrow(message);
});
