/**
 * What lies where a lock, its guard or its temp should be may be anything, put there by any user. Nothing is
 * followed, written or removed beyond the name itself; nothing hangs; every answer is a documented one.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterEach, beforeEach, describe, expect, test, type TestContext, vi } from "vitest";

import { acquireLock } from "../../lib/lock/acquire.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { resolveAcquireOptions } from "../../lib/session-lock/acquire-options.js";
import {
  SessionWriteLockFileError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import {
  cleanStaleLockFiles,
  type CleanStaleLockFilesResult,
} from "../../lib/session-lock/sweep/sweep.js";
import type { SessionWriteLock } from "../../lib/session-lock/write-lock.js";
import { errorCode } from "../../lib/util/error-code.js";
import { runNode, start } from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { withGuardFiles } from "../support/locks/lock-kinds.js";
import { startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { NOBODY, readablePackage } from "../support/processes/unprivileged.js";

const LONG_AGO = new Date(Date.now() - 3_600_000);

function acquire(folder: string, timeoutMs = 5000): Promise<SessionWriteLock> {
  return acquireSessionWriteLock({ sessionFile: join(folder, "s.jsonl"), env: {}, timeoutMs });
}

/** A lock whose guard is a file, on every disk. */
function acquireWithGuardFile(folder: string): Promise<SessionWriteLock> {
  const plan = resolveAcquireOptions({ sessionFile: join(folder, "s.jsonl"), env: {} });
  return acquireLock(plan, withGuardFiles());
}

function sweep(sessionsDir: string): Promise<CleanStaleLockFilesResult> {
  return cleanStaleLockFiles({ sessionsDir, env: {} });
}

/** A file outside of the sessions directory, which nothing here may touch. */
function makeOutsideFile(): { readonly path: string; readonly state: () => unknown } {
  const path = join(temporaryFolder(), "outside");
  writeFileSync(path, '{"pid": 1}');
  utimesSync(path, LONG_AGO, LONG_AGO);
  return {
    path,
    state: () => ({
      ...stateOf(path),
      text: readFileSync(path, "utf8"),
      beside: readdirSync(dirname(path)).filter((name) => name !== "sessions"),
    }),
  };
}

function stateOf(path: string): object {
  const { mtimeMs, size, mode, ino } = lstatSync(path);
  return { mtimeMs, size, mode, ino };
}

/** "written", or the code of what a fenced write throws. */
function fencedWrite(lock: SessionWriteLock): unknown {
  try {
    return lock.withFence(() => "written");
  } catch (error) {
    return errorCode(error);
  }
}

interface Obstacle {
  readonly name: string;
  readonly put: (path: string, outside: string) => void;
  readonly isRoots?: boolean;
  /** What it does as a guard: no process can enter, or it is as good as an empty file. */
  readonly asGuard: "refused" | "entered";
}

const IRREGULAR: readonly Obstacle[] = [
  {
    name: "a link to a file elsewhere",
    put: (path, outside) => symlinkSync(outside, path),
    asGuard: "refused",
  },
  {
    name: "a link to nothing",
    put: (path, outside) => symlinkSync(`${outside}-to-be`, path),
    asGuard: "refused",
  },
  { name: "a link to itself", put: (path) => symlinkSync(path, path), asGuard: "refused" },
  {
    name: "a FIFO",
    put: (path) => expect(spawnSync("mkfifo", [path]).status).toBe(0),
    asGuard: "entered",
  },
  { name: "a directory", put: (path) => mkdirSync(path), asGuard: "refused" },
  {
    name: "a device",
    // The number of /dev/full.
    put: (path) => expect(spawnSync("mknod", [path, "c", "1", "7"]).status).toBe(0),
    isRoots: true,
    asGuard: "entered",
  },
];

/** Puts an obstacle in a folder, with a file outside of it; the test is skipped where it cannot be made. */
function place(
  context: TestContext,
  { put, isRoots = false }: Obstacle,
  suffix: string,
): { readonly folder: string; readonly path: string; readonly state: () => unknown } {
  requirePosix(context, "such files");
  if (isRoots) requireRoot(context, "makes devices");
  const folder = temporaryFolder();
  const path = join(folder, `s.jsonl.lock${suffix}`);
  const outside = makeOutsideFile();
  put(path, outside.path);
  return {
    folder,
    path,
    state: () => ({
      outside: outside.state(),
      obstacle: existsSync(folder) && suffix !== ".guard" ? stateOf(path) : null,
    }),
  };
}

describe.each(IRREGULAR)("$name", (obstacle) => {
  test("an irregular file in a lock's place is kept by the sweep, is unreadable to a look, and is waited for", async (context) => {
    const { folder, path, state } = place(context, obstacle, "");
    const before = state();
    const { locks, counts } = await sweep(folder);
    expect({ locks, total: counts.total }).toEqual({ locks: [], total: 0 });
    const inspection = await inspectSessionLock(path);
    expect(inspection).toMatchObject({ keptReason: "unreadable", removable: false });
    await expect(acquire(folder, 150)).rejects.toThrow(SessionWriteLockTimeoutError);
    expect(state()).toEqual(before);
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("an irregular file in a temp's place is left alone", async (context) => {
    const { folder, state } = place(context, obstacle, `.${"0".repeat(32)}.tmp`);
    const before = state();
    await cleanStaleLockFiles({ sessionsDir: folder, env: {}, nowMs: Date.now() + 3_600_000 });
    expect(state()).toEqual(before);
  });
});

describe("an irregular file in a guard's place", () => {
  beforeEach((context) => {
    requireNative(context);
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  test.for(IRREGULAR.filter(({ asGuard }) => asGuard === "refused"))(
    "$name in a guard's place keeps all out, and none from seeing that a lock is free",
    async (obstacle, context) => {
      const { folder, path, state } = place(context, obstacle, ".guard");
      const before = state();
      await sweep(folder);
      const lock = await acquireWithGuardFile(folder);
      expect(fencedWrite(lock)).toBe("SESSION_WRITE_LOCK_FILE");
      // It cannot be removed safely; it can be left so that others see it to be free.
      await lock.release();
      expect(existsSync(lock.lockPath)).toBe(true);
      await expect(acquire(folder)).rejects.toThrow(SessionWriteLockFileError);
      rmSync(path, { recursive: true });
      expect(state()).toEqual(before);
      await (await acquire(folder)).release();
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test.for(IRREGULAR.filter(({ asGuard }) => asGuard === "entered"))(
    "$name in a guard's place is as good as an empty file",
    async (obstacle, context) => {
      const { folder, state } = place(context, obstacle, ".guard");
      const before = state();
      const lock = await acquireWithGuardFile(folder);
      expect(fencedWrite(lock)).toBe("written");
      await lock.release();
      expect(state()).toEqual(before);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test.for(IRREGULAR)(
    "$name in a guard's place is nothing to a lock that is its own guard",
    async (obstacle, context) => {
      requireLinux(context, "a lock that is its own guard");
      const { folder, state } = place(context, obstacle, ".guard");
      const before = state();
      const lock = await acquire(folder);
      expect(fencedWrite(lock)).toBe("written");
      await lock.release();
      writePlainLock(folder, "s", { pid: await endedPid() });
      await (await acquire(folder)).release();
      expect(state()).toEqual(before);
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock.guard"]);
    },
  );
});

test.each(["", ".guard", `.${"0".repeat(32)}.tmp`])(
  "a hard link to a file elsewhere as s.jsonl.lock%s costs that file nothing but the name",
  async (suffix) => {
    const outside = makeOutsideFile();
    const before = outside.state();
    const folder = join(dirname(outside.path), "sessions");
    mkdirSync(folder);
    linkSync(outside.path, join(folder, `s.jsonl.lock${suffix}`));
    await cleanStaleLockFiles({ sessionsDir: folder, env: {}, isOwnerArgv: () => true });
    const other = join(folder, suffix === "" ? "other.jsonl" : "s.jsonl");
    await (await acquireSessionWriteLock({ sessionFile: other, env: {} })).release();
    expect(outside.state()).toEqual(before);
  },
);

describe("files that are no locks", () => {
  test("a sparse file of 10 GB is not read, and kept", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "s.jsonl.lock");
    writeFileSync(path, "");
    truncateSync(path, 10 * 2 ** 30);
    utimesSync(path, LONG_AGO, LONG_AGO);
    const started = performance.now();
    const { locks } = await sweep(folder);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(locks).toMatchObject([{ keptReason: "unreadable", removed: false }]);
    await expect(acquire(folder, 100)).rejects.toThrow(SessionWriteLockTimeoutError);
    expect(lstatSync(path).size).toBe(10 * 2 ** 30);
  });

  const DEEP = 30_000;

  test.each<[string, (live: number, dead: number) => string, string | null]>([
    ["64 KiB of spaces", () => " ".repeat(65_536), "missing-pid"],
    ["brackets, 30 000 deep", () => "[".repeat(DEEP) + "]".repeat(DEEP), "missing-pid"],
    [
      "a live owner, and objects 10 000 deep",
      (live) => `{"pid": ${live}, "x": ${'{"x":'.repeat(10_000)}0${"}".repeat(10_000)}}`,
      null,
    ],
    ["two pids, the live one last", (live, dead) => `{"pid": ${dead}, "pid": ${live}}`, null],
    ["two pids, the dead one last", (live, dead) => `{"pid": ${live}, "pid": ${dead}}`, "dead-pid"],
    ["a prototype with a dead pid", (_, dead) => `{"__proto__": {"pid": ${dead}}}`, "missing-pid"],
    [
      "a live pid, and a prototype with a dead one",
      (live, dead) => `{"pid": ${live}, "__proto__": {"pid": ${dead}}, "constructor": 1}`,
      null,
    ],
    ["a live pid in UTF-16", (live) => `\uFEFF{"pid": ${live}}`, null],
    ["NULs after a live pid", (live) => `{"pid": ${live}}${"\0".repeat(100)}`, "missing-pid"],
  ])(
    "a file that is no lock, or an odd one, is judged as documented: %s",
    async (_, text, reason) => {
      const [{ pid }, dead] = [await liveOwner(), await endedPid()];
      const folder = temporaryFolder();
      const path = join(folder, "s.jsonl.lock");
      writeFileSync(path, text(pid, dead));
      utimesSync(path, LONG_AGO, LONG_AGO);
      const { locks } = await cleanStaleLockFiles({
        sessionsDir: folder,
        env: {},
        removeStale: false,
        isOwnerArgv: () => true,
      });
      const [inspection] = locks;
      expect(inspection?.staleReasons.includes("missing-pid")).toBe(reason === "missing-pid");
      expect(inspection?.staleReasons.includes("dead-pid")).toBe(reason === "dead-pid");
      expect(inspection?.removable).toBe(reason !== null);
    },
  );
});

describe("names", () => {
  beforeEach((context) => requireNative(context));

  const ODD = ["-rf", "..", "$(reboot)", "ünïcödé", "e\u0301", "\u202E", "a b", "%s"];
  // Windows has no such names.
  const ODDER = process.platform === "win32" ? [] : ["with\nnewline", "*", "\u0001", 'say "so"'];

  test.each([...ODD, ...ODDER])("a session may have any name: %j", async (session) => {
    const folder = temporaryFolder();
    writePlainLock(folder, session, { pid: await endedPid() });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([
      { lockPath: join(folder, `${session}.jsonl.lock`), removed: true },
    ]);
    const sessionFile = join(folder, `${session}.jsonl`);
    const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
    lock.withFence(() => {});
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a name whose bytes are not UTF-8 is not seen, not removed, and no obstacle", async (context) => {
    requireLinux(context, "names of any bytes");
    const folder = temporaryFolder();
    const name = Buffer.concat([
      Buffer.from(`${folder}/a`),
      Buffer.from([0xff]),
      Buffer.from(".jsonl.lock"),
    ]);
    const dead = await endedPid();
    writeFileSync(name, JSON.stringify({ pid: dead }));
    writePlainLock(folder, "b", { pid: dead });
    const { cleaned } = await sweep(folder);
    expect(cleaned.map(({ lockPath }) => lockPath)).toEqual([join(folder, "b.jsonl.lock")]);
    expect(existsSync(name)).toBe(true);
  });

  const LONGEST = "x".repeat(255 - ".jsonl.lock".length);

  test("a lock whose name is too long for a guard file needs none where it is its own guard", async (context) => {
    requireLinux(context, "a lock that is its own guard");
    const folder = temporaryFolder();
    writePlainLock(folder, LONGEST, { pid: await endedPid() });
    expect((await sweep(folder)).locks).toMatchObject([{ removed: true }]);
    const sessionFile = join(folder, `${LONGEST}.jsonl`);
    const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
    expect(fencedWrite(lock)).toBe("written");
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock whose name is too long for its guard file is kept with the error, and the sweep goes on", async () => {
    const folder = temporaryFolder();
    const holder = await startHolder(join(folder, `${LONGEST}.jsonl.lock`), { hasGuardFile: true });
    await holder.kill();
    writePlainLock(folder, "y", { pid: await endedPid() });
    const { locks } = await sweep(folder);
    expect(locks).toMatchObject([
      { keptReason: "error", removed: false, error: { code: expect.stringMatching(/^E/u) } },
      { removed: true },
    ]);
  });

  test.each([255 - ".jsonl".length, 255 - ".jsonl.lock".length + 1])(
    "a session whose name has %i letters has no room for a lock: a typed error, nothing left",
    async (letters) => {
      const folder = temporaryFolder();
      const sessionFile = join(folder, `${"x".repeat(letters)}.jsonl`);
      await expect(acquireSessionWriteLock({ sessionFile, env: {} })).rejects.toThrow(
        SessionWriteLockFileError,
      );
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

test("a sessions directory that becomes a link in the middle of a sweep costs no live lock and no other file", async (context) => {
  requirePosix(context, "links to directories");
  requireNative(context);
  const root = temporaryFolder();
  const [sessions, elsewhere] = [join(root, "sessions"), join(root, "elsewhere")];
  mkdirSync(sessions);
  mkdirSync(elsewhere);
  const dead = await endedPid();
  const owner = await liveOwner();
  writePlainLock(sessions, "a", { pid: owner.pid });
  for (const name of ["b", "c"]) writePlainLock(sessions, name, { pid: dead });
  // The same names, other locks.
  await startHolder(join(elsewhere, "b.jsonl.lock"));
  writePlainLock(elsewhere, "c", { pid: owner.pid, starttime: owner.starttime });
  writeFileSync(join(elsewhere, "b.jsonl"), "precious");
  const before = readdirSync(elsewhere).map((name) => readFileSync(join(elsewhere, name), "utf8"));
  const { cleaned } = await cleanStaleLockFiles({
    sessionsDir: sessions,
    env: {},
    readOwnerProcessArgs: () => {
      renameSync(sessions, `${sessions}.moved`);
      symlinkSync(elsewhere, sessions);
      return ["openclaw"];
    },
  });
  expect(cleaned).toEqual([]);
  expect(readdirSync(elsewhere).map((name) => readFileSync(join(elsewhere, name), "utf8"))).toEqual(
    before,
  );
});

describe("a directory that every user may write to", () => {
  /** What the user nobody does there, with the package at hand as `session` and the lock's path as `lockPath`. */
  async function asNobody(folder: string, script: string): Promise<unknown> {
    const { compiled, node } = readablePackage();
    const url = (path: string) => JSON.stringify(pathToFileURL(join(compiled, path)).href);
    const source = `
      const session = await import(${url("session-lock/index.js")});
      const { realLockFs } = await import(${url("lock/protocol/lock-fs.js")});
      const fs = await import("node:fs");
      const sessionFile = ${JSON.stringify(join(folder, "s.jsonl"))};
      const lockPath = sessionFile + ".lock";
      const attempt = (call) => { try { call(); return "done"; } catch (error) { return error.code; } };
      const acquire = () => session.acquireSessionWriteLock({ sessionFile, timeoutMs: 300, env: {} })
        .then((lock) => lock.release()).then(() => "acquired", (error) => error.cause?.code ?? error.code);
      ${script}`;
    const entry = join(compiled, "index.js");
    return await runNode(source, { entry, node, uid: NOBODY, gid: NOBODY, cwd: "/" });
  }

  function sharedFolder(mode: number): string {
    const folder = temporaryFolder();
    chmodSync(folder, mode);
    return folder;
  }

  beforeEach((context) => {
    requireRoot(context, "two users");
    requireNative(context);
  });

  test.each<[string, number, Readonly<Record<string, string>>, string]>([
    [
      "sticky: another user can neither take, remove, rename nor rewrite the lock",
      0o1777,
      { acquire: "SESSION_WRITE_LOCK_TIMEOUT", rename: "EPERM", write: "EACCES", unlink: "EPERM" },
      "written",
    ],
    [
      "not sticky: another user can remove it by force, not through the package",
      0o777,
      { acquire: "SESSION_WRITE_LOCK_TIMEOUT", rename: "done", write: "EACCES", unlink: "done" },
      // Force is noticed before a byte is written.
      "SESSION_WRITE_LOCK_LOST",
    ],
  ])("what another user can do to a held lock: %s", async (_, mode, expected, fence) => {
    const folder = sharedFolder(mode);
    await using lock = await acquire(folder);
    const seen = await asNobody(
      folder,
      `const write = attempt(() => fs.writeFileSync(lockPath, "{}"));
       const acquired = await acquire();
       const rename = attempt(() => { fs.renameSync(lockPath, lockPath + ".x"); fs.renameSync(lockPath + ".x", lockPath); });
       const unlink = attempt(() => fs.unlinkSync(lockPath));
       console.log(JSON.stringify({ acquire: acquired, rename, write, unlink }));`,
    );
    expect(seen).toEqual(expected);
    expect(fencedWrite(lock)).toBe(fence);
  });

  test.each<[string, number, string]>([
    [
      "sticky: a dead user's lock is not another's to remove: an error that says so",
      0o1777,
      "EPERM",
    ],
    ["not sticky: any user may reclaim a dead user's lock", 0o777, "acquired"],
  ])("what another user can do to a dead user's lock: %s", async (_, mode, expected) => {
    const folder = sharedFolder(mode);
    const holder = await startHolder(join(folder, "s.jsonl.lock"));
    await holder.kill();
    expect(await asNobody(folder, "console.log(JSON.stringify(await acquire()));")).toBe(expected);
    await (await acquire(folder)).release();
  });

  test.each([0o1777, 0o777])(
    "with mode %o a guard that another user left is no obstacle",
    async (mode) => {
      const folder = sharedFolder(mode);
      await asNobody(folder, `fs.writeFileSync(lockPath + ".guard", ""); console.log("{}");`);
      const lock = await acquireWithGuardFile(folder);
      expect(fencedWrite(lock)).toBe("written");
      await lock.release();
      expect(readdirSync(folder)).toEqual([]);
      await (await acquire(folder)).release();
    },
  );

  test("a user who stays in the guard delays other processes and stops none for good", async () => {
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const folder = sharedFolder(0o1777);
    const guard = join(folder, "s.jsonl.lock.guard");
    const flock = await start("setpriv", [
      `--reuid=${NOBODY}`,
      "--clear-groups",
      "flock",
      guard,
      "sh",
      "-c",
      "echo inside; read line",
    ]);
    expect(await flock.line()).toBe("inside");
    const lock = await acquireWithGuardFile(folder);
    expect(fencedWrite(lock)).toBe("SESSION_WRITE_LOCK_TIMEOUT");
    // Left for others, free to be seen so.
    await lock.release();
    await expect(acquire(folder, 100)).rejects.toThrow(/guard busy: .*\.guard/u);
    flock.say("");
    await flock.exited();
    await (await acquire(folder)).release();
    expect(existsSync(lock.lockPath)).toBe(false);
    vi.restoreAllMocks();
  });

  test("a user who stays in the guard that is the lock itself delays other processes and stops none for good", async () => {
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const folder = sharedFolder(0o1777);
    const lock = await acquire(folder);
    // A descriptor for reading is all that another user can have.
    const { compiled, node } = readablePackage();
    const url = pathToFileURL(join(compiled, "lock/protocol/lock-fs.js")).href;
    const script = `
      const { realLockFs } = await import(${JSON.stringify(url)});
      const fd = realLockFs.openForReading(${JSON.stringify(lock.lockPath)});
      console.log(realLockFs.tryExclusive(fd));
      process.stdin.once("data", () => process.exit());`;
    const user = [`--reuid=${NOBODY}`, "--clear-groups", node];
    const other = await start("setpriv", [...user, "--input-type=module", "--eval", script], {
      cwd: "/",
    });
    expect(await other.line()).toBe("acquired");
    expect(fencedWrite(lock)).toBe("SESSION_WRITE_LOCK_TIMEOUT");
    await lock.release();
    await expect(acquire(folder, 100)).rejects.toThrow(`guard busy: ${lock.lockPath}`);
    other.say("");
    await other.exited();
    await (await acquire(folder)).release();
    expect(readdirSync(folder)).toEqual([]);
    vi.restoreAllMocks();
  });
});
