/** What callers, file systems and processes hand in: sizes, relative paths, links, directories, throwing callbacks. */
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { describeSessionLockFailure } from "../../lib/session-lock/errors.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { parsePayload } from "../../lib/lock/protocol/payload.js";
import { tryPublish } from "../../lib/lock/protocol/publish.js";
import {
  type CleanedDirectory,
  sweepSessionLocks,
} from "../../lib/session-lock/sweep/startup-sweep.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { createSessionController } from "../../lib/session-controller/controller.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { startReady } from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Works in that directory until the test ends. */
function workIn(directory: string): void {
  const before = process.cwd();
  process.chdir(directory);
  onTestFinished(() => process.chdir(before));
}

async function refusalOf(attempt: Promise<unknown>): Promise<unknown> {
  return await attempt.then(
    () => "no refusal",
    (error: unknown) => error,
  );
}

describe("a label", () => {
  test.each([
    ["of ASCII", "x".repeat(1025)],
    ["of characters that take more bytes than units", "é".repeat(513)],
    ["of a hundred thousand characters", "x".repeat(100_000)],
  ])(
    "a label %s that has more than 1 024 bytes is refused before anything is created",
    async (_of, label) => {
      const folder = temporaryFolder();
      const sessionFile = join(folder, "new", "s.jsonl");
      const error = await refusalOf(acquireSessionWriteLock({ sessionFile, label }));
      expect(error).toBeInstanceOf(RangeError);
      expect(String(error)).toMatch(
        /^RangeError: options.label must be at most 1024 bytes long as UTF-8, not \d+, got /,
      );
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test.each([
    ["of ASCII", "x".repeat(1024)],
    ["of characters that JSON escapes", "\u0001".repeat(1024)],
    ["of halves of characters", "\ud800".repeat(341)],
  ])("a label %s with 1 024 bytes is read by every reader", async (_of, label) => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await using lock = await acquireSessionWriteLock({ sessionFile, label });
    expect(parsePayload(readFileSync(lock.lockPath))?.label).toBe(label);
    expect((await inspectSessionLock(lock.lockPath))?.keptReason).toBeNull();
  });
});

test("a payload that its readers would call unreadable is never published", () => {
  const folder = temporaryFolder();
  const draft = {
    pid: process.pid,
    createdAt: new Date().toISOString(),
    maxHoldMs: 1000,
    starttime: null,
    owner: null,
    monotonicMs: null,
    lease: null,
    label: "x".repeat(66_000),
  };
  expect(() => tryPublish(join(folder, "s.jsonl.lock"), draft, realLockFs)).toThrow(RangeError);
  expect(readdirSync(folder)).toEqual([]);
});

describe("a relative path", () => {
  /** Two directories in which the same relative paths exist, each with a lock of a process that has ended. */
  async function twoPlaces(): Promise<{ here: string; there: string }> {
    const folder = temporaryFolder();
    const [here, there] = [join(folder, "here"), join(folder, "there")];
    const pid = await endedPid();
    for (const place of [here, there]) {
      for (const agent of ["a", "b"]) {
        const sessions = join(place, "agents", agent, "sessions");
        mkdirSync(sessions, { recursive: true });
        writePlainLock(sessions, "s", { pid });
      }
    }
    return { here, there };
  }

  const SESSIONS = join("agents", "a", "sessions");

  test("a relative path of acquire means what it meant at the call", async () => {
    const { here, there } = await twoPlaces();
    workIn(here);
    const acquiring = acquireSessionWriteLock({ sessionFile: "new.jsonl" });
    process.chdir(there);
    await using lock = await acquiring;
    expect(lock.sessionFile).toBe(join(here, "new.jsonl"));
    expect(lock.lockPath).toBe(join(here, "new.jsonl.lock"));
  });

  test("a relative path of a controller's lock means what it meant at the call when a prompt is appended", async () => {
    const { here, there } = await twoPlaces();
    workIn(here);
    const lock = await acquireSessionWriteLock({ sessionFile: "new.jsonl" });
    process.chdir(there);
    lock.withFence(() => writeFileSync(lock.sessionFile, "line\n", { flag: "a" }));
    await lock.release();
    expect([existsSync(join(here, "new.jsonl")), existsSync(join(there, "new.jsonl"))]).toEqual([
      true,
      false,
    ]);
  });

  test("a relative path of inspect means what it meant at the call, also while a command line is asked for", async () => {
    const { here, there } = await twoPlaces();
    const owner = await liveOwner();
    writePlainLock(join(here, SESSIONS), "live", { pid: owner.pid });
    workIn(here);
    const inspection = await inspectSessionLock(join(SESSIONS, "live.jsonl.lock"), {
      readOwnerProcessArgs: (pid) => {
        process.chdir(there);
        return pid === owner.pid ? ["openclaw"] : null;
      },
    });
    expect(inspection).toMatchObject({
      lockPath: join(here, SESSIONS, "live.jsonl.lock"),
      pid: owner.pid,
    });
  });

  test("a relative path of the sweep means what it meant at the call", async (context) => {
    requireNative(context);
    const { here, there } = await twoPlaces();
    workIn(here);
    const sweeping = cleanStaleLockFiles({ sessionsDir: SESSIONS, env: {} });
    process.chdir(there);
    const { cleaned } = await sweeping;
    expect(cleaned.map(({ lockPath }) => lockPath)).toEqual([join(here, SESSIONS, "s.jsonl.lock")]);
    expect(readdirSync(join(here, SESSIONS))).toEqual([]);
    expect(readdirSync(join(there, SESSIONS))).toEqual(["s.jsonl.lock"]);
  });

  test.each([
    ["of a state directory", { stateDir: "." }],
    ["of directories", { sessionsDirs: [SESSIONS, join("agents", "b", "sessions")] }],
  ])(
    "a relative path in the start-up sweep %s means what it meant at the call",
    async (_of, where) => {
      const { here, there } = await twoPlaces();
      workIn(here);
      const cleaned: string[] = [];
      const { counts } = await sweepSessionLocks({
        ...where,
        env: {},
        concurrency: 1,
        onDirectoryCleaned: ({ sessionsDir }) => {
          process.chdir(there);
          cleaned.push(sessionsDir);
        },
      });
      expect(counts.removed).toBe(2);
      expect(cleaned).toEqual(["a", "b"].map((agent) => join(here, "agents", agent, "sessions")));
      expect(readdirSync(join(there, SESSIONS))).toEqual(["s.jsonl.lock"]);
    },
  );
});

describe("`..` behind a symbolic link", () => {
  /** `<folder>/link/..` is `<folder>/far`. */
  function linkedAway(): string {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "far", "target"), { recursive: true });
    symlinkSync(join(folder, "far", "target"), join(folder, "link"));
    return folder;
  }

  test("`..` behind a symbolic link leads a session's lock to where the kernel finds the session file", async (context) => {
    requirePosix(context, "Windows shortens paths before it follows links");
    const folder = linkedAway();
    workIn(folder);
    for (const start of ["link/..", `${folder}/link/..`]) {
      await using lock = await acquireSessionWriteLock({ sessionFile: `${start}/s.jsonl` });
      expect(lock.lockPath).toBe(join(folder, "far", "s.jsonl.lock"));
    }
  });

  test("`..` behind a symbolic link leads a sweep to judge the locks that it lists", async (context) => {
    requirePosix(context, "Windows shortens paths before it follows links");
    const folder = linkedAway();
    const pid = await endedPid();
    writePlainLock(join(folder, "far"), "s", { pid });
    writePlainLock(folder, "s", { pid });
    workIn(folder);
    const { counts } = await cleanStaleLockFiles({ sessionsDir: "link/..", env: {} });
    expect(counts).toMatchObject({ total: 1, stale: 1 });
    expect(existsSync(join(folder, "s.jsonl.lock"))).toBe(true);
  });
});

describe("a callback that throws", () => {
  async function deadLocks(count: number): Promise<string> {
    const folder = temporaryFolder();
    const pid = await endedPid();
    for (let index = 0; index < count; index++)
      writePlainLock(folder, `s${String(index)}`, { pid });
    return folder;
  }

  test("a sweep whose log throws removes every lock, and rejects with the error when it is done", async (context) => {
    requireNative(context);
    const folder = await deadLocks(3);
    const warn = vi.fn<() => void>(() => {
      throw new Error("log");
    });
    await expect(
      cleanStaleLockFiles({ sessionsDir: folder, env: {}, log: { warn } }),
    ).rejects.toThrow("log");
    expect(readdirSync(folder)).toEqual([]);
    expect(warn).toHaveBeenCalledTimes(3);
  });

  test("a start-up sweep whose log throws reports what was removed, and tells the host of it", async (context) => {
    requireNative(context);
    const folder = await deadLocks(2);
    const told: CleanedDirectory[] = [];
    const { directories, counts } = await sweepSessionLocks({
      sessionsDirs: [folder],
      env: {},
      log: {
        warn: () => {
          throw new Error("log");
        },
      },
      onDirectoryCleaned: (directory) => void told.push(directory),
    });
    expect(counts).toEqual({ total: 2, stale: 2, removed: 2, kept: 0 });
    expect(directories).toMatchObject([
      {
        result: { cleaned: [{ removed: true, keptReason: null }, { removed: true }] },
        error: { message: "log" },
      },
    ]);
    expect(told[0]?.cleaned).toHaveLength(2);
  });

  test("a start-up sweep whose log throws on a directory's failure sweeps the other directories all the same", async (context) => {
    requireNative(context);
    const folder = await deadLocks(1);
    writeFileSync(join(folder, "file"), "");
    const { directories } = await sweepSessionLocks({
      sessionsDirs: [join(folder, "file"), folder],
      env: {},
      concurrency: 1,
      log: {
        warn: () => {
          throw new Error("log");
        },
      },
    });
    expect(directories).toMatchObject([
      { result: null, error: { code: "ENOTDIR" } },
      { result: { counts: { removed: 1 } }, error: { message: "log" } },
    ]);
  });

  test("a sweep whose onProgress throws goes on to its end, and then rejects with the error", async (context) => {
    requireNative(context);
    const folder = await deadLocks(20);
    const checked: number[] = [];
    const sweeping = cleanStaleLockFiles({
      sessionsDir: folder,
      env: {},
      sliceMs: 0,
      onProgress: (progress) => {
        checked.push(progress.checked);
        throw new Error(`progress ${String(progress.checked)}`);
      },
    });
    await expect(sweeping).rejects.toThrow("progress 0");
    expect(checked.at(-1)).toBe(20);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("an error of onDirectoryCleaned stands beside the result, before a log's", async (context) => {
    requireNative(context);
    const fail = (message: string) => (): never => {
      throw new Error(message);
    };
    const { directories } = await sweepSessionLocks({
      sessionsDirs: [await deadLocks(1)],
      env: {},
      log: { warn: fail("log") },
      onDirectoryCleaned: fail("marking"),
    });
    expect(directories).toMatchObject([
      { result: { counts: { removed: 1 } }, error: { message: "marking" } },
    ]);
  });
});

test("what the log of a sweep says is in the result, as fields", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  writePlainLock(folder, "dead", { pid: await endedPid() });
  mkdirSync(join(folder, "odd.jsonl.lock"));
  const warn = vi.fn<(message: string) => void>();
  const { notices } = await cleanStaleLockFiles({ sessionsDir: folder, env: {}, log: { warn } });
  expect(notices).toEqual([
    { kind: "odd-file", path: join(folder, "odd.jsonl.lock") },
    {
      kind: "removed-lock",
      path: join(folder, "dead.jsonl.lock"),
      staleReasons: ["dead-pid"],
    },
  ]);
  expect(warn).toHaveBeenCalledTimes(notices.length);
});

test.each([
  ["without the error", null],
  ["with the error last of all", { code: "OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT" }],
])("an AggregateError of 200 000 members, %s, is searched", (_how, last) => {
  const members: unknown[] = Array.from({ length: 200_000 }, () => ({ message: "model" }));
  if (last !== null) members.push(last);
  const failure = describeSessionLockFailure(new AggregateError(members));
  expect(failure?.kind ?? null).toBe(last === null ? null : "timeout");
});

describe("a session file that is a symbolic link", () => {
  /** Whether a holder of `other` keeps `path` from being taken. */
  async function isOneLock(path: string, other: string): Promise<boolean> {
    await using held = await acquireSessionWriteLock({ sessionFile: other });
    const second = acquireSessionWriteLock({ sessionFile: path, timeoutMs: 30 });
    const error = await refusalOf(second.then((lock) => lock.release()));
    held.assertHeld();
    return describeSessionLockFailure(error)?.kind === "timeout";
  }

  test("a symbolic link's lock is its target's, by one link, by several, and across directories", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    mkdirSync(join(folder, "elsewhere"));
    const target = join(folder, "elsewhere", "target.jsonl");
    writeFileSync(target, "");
    symlinkSync(target, join(folder, "one.jsonl"));
    symlinkSync("one.jsonl", join(folder, "two.jsonl"));
    symlinkSync(join("elsewhere", "..", "two.jsonl"), join(folder, "three.jsonl"));
    for (const name of ["one", "two", "three"]) {
      const link = join(folder, `${name}.jsonl`);
      await using lock = await acquireSessionWriteLock({ sessionFile: link });
      expect(lock).toMatchObject({ lockPath: `${target}.lock`, sessionFile: link });
      await lock.release();
      expect(await isOneLock(link, target)).toBe(true);
    }
    expect(readdirSync(folder).sort()).toEqual([
      "elsewhere",
      "one.jsonl",
      "three.jsonl",
      "two.jsonl",
    ]);
  });

  test("a dangling symbolic link's lock is that of the file that writing through it would make", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    const target = join(folder, "not", "yet", "there.jsonl");
    const link = join(folder, "link.jsonl");
    symlinkSync(join("not", "yet", "there.jsonl"), link);
    expect(await isOneLock(link, target)).toBe(true);
    // Now the directory is there, and the file is not.
    expect(await isOneLock(link, target)).toBe(true);
    writeFileSync(link, "");
    expect(await isOneLock(link, target)).toBe(true);
  });

  test("a symbolic link in a circle guards its own name", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    symlinkSync("b.jsonl", join(folder, "a.jsonl"));
    symlinkSync("a.jsonl", join(folder, "b.jsonl"));
    await using lock = await acquireSessionWriteLock({ sessionFile: join(folder, "a.jsonl") });
    expect(lock.lockPath).toBe(join(folder, "a.jsonl.lock"));
    lock.assertHeld();
  });

  test("a symbolic link and its target have one lock for a controller, too", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    const target = join(folder, "target.jsonl");
    writeFileSync(target, "");
    symlinkSync("target.jsonl", join(folder, "link.jsonl"));
    const controller = await createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile: join(folder, "link.jsonl"),
    });
    expect(existsSync(`${target}.lock`)).toBe(true);
    await controller.dispose();
    expect(readdirSync(folder).sort()).toEqual(["link.jsonl", "target.jsonl"]);
  });
});

describe("another library's lock directory", () => {
  test("another library's lock directory is waited for like any lock, and its disappearance is noticed", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    mkdirSync(`${sessionFile}.lock`);
    // Held by a process, as such libraries do: it keeps the directory young.
    const holder = await startReady(process.execPath, [
      "-e",
      `const fs = require("node:fs");
      const timer = setInterval(() => fs.utimesSync(process.argv[1], new Date(), new Date()), 5);
      console.log("holding");
      process.stdin.once("data", () => { clearInterval(timer); fs.rmdirSync(process.argv[1]); process.exit(); });`,
      `${sessionFile}.lock`,
    ]);
    const acquiring = acquireSessionWriteLock({ sessionFile, timeoutMs: 60_000 });
    const early = await Promise.race([acquiring, delay(50, "waiting")]);
    expect(early).toBe("waiting");
    const gone = once(holder.process, "exit").then(() => performance.now());
    holder.say("let go");
    await using lock = await acquiring;
    lock.assertHeld();
    expect(performance.now() - (await gone)).toBeLessThan(10_000);
  });

  test("another library's lock directory that stays ends in a timeout that names it as what it is, and is never removed", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    mkdirSync(`${sessionFile}.lock`);
    const both = [1, 2].map(() =>
      refusalOf(acquireSessionWriteLock({ sessionFile, timeoutMs: 60 })),
    );
    for (const error of await Promise.all(both)) {
      expect(error).toMatchObject({
        name: "SessionWriteLockTimeoutError",
        code: "SESSION_WRITE_LOCK_TIMEOUT",
        timeoutMs: 60,
        owner: "owner=unknown",
        lockPath: `${sessionFile}.lock`,
        obstacle: "directory",
      });
      expect((error as Error).message).toBe(
        `session file locked (timeout 60ms): owner=unknown ${sessionFile}.lock` +
          " (a directory: another library's lock, held or left)",
      );
    }
    rmdirSync(`${sessionFile}.lock`);
    await (await acquireSessionWriteLock({ sessionFile, timeoutMs: 0 })).release();
  });

  test("another library's lock directory is no obstacle that a waiter for this package's lock is told of", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    await using held = await acquireSessionWriteLock({ sessionFile });
    const error = await refusalOf(acquireSessionWriteLock({ sessionFile, timeoutMs: 10 }));
    expect(error).toMatchObject({ obstacle: null, lockPath: held.lockPath });
    expect((error as Error).message).toMatch(/\.lock$/);
  });
});
