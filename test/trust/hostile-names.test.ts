/**
 * Any user may give a file any name. In messages and log lines a name that would start a line of its own or drive a
 * terminal is shown with escapes; fields keep it as it is.
 */
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, type TestContext, test, vi } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { waitForProcessExit } from "../../lib/process/wait.js";
import { createSessionAttentionMonitor } from "../../lib/session-attention/index.js";
import { acquireSessionFileOwner } from "../../lib/session-controller/file-owner.js";
import { createSessionController } from "../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { sweepSessionLocks } from "../../lib/session-lock/sweep/startup-sweep.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { FakeTime } from "../session-attention/fake-time.js";
import { runHere } from "../support/command-line.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const HOSTILE = "a\u001B[2J\nall is well\r\u0085\u009B1m\u202Eb\u2028c\u2029\u007F";
const SHOWN = String.raw`a\x1b[2J\nall is well\r\x85\x9b1m\u202eb\u2028c\u2029\x7f`;
const ORDINARY = "Grüße 漢字 👩\u200d💻 e\u0301";

const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

function hostileFolder(context: TestContext): string {
  requirePosix(context, "names with control characters");
  const folder = join(temporaryFolder(), HOSTILE);
  mkdirSync(folder);
  return folder;
}

/** One line, with the name in escapes. */
function expectEscaped(text: unknown): void {
  expect(text).toEqual(expect.stringContaining(SHOWN));
  expect(text).not.toMatch(OBEYED);
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("nothing was thrown");
  return error;
}

function dateBack(path: string): void {
  utimesSync(path, 1e9, 1e9);
}

/** Fields that an error may have. */
interface Paths {
  readonly lockPath?: string;
  readonly sessionFile?: string;
}

/** Ways to an error that names a path, each in a folder with a hostile name. */
const ERRORS: readonly (readonly [string, (folder: string) => Promise<Error>])[] = [
  [
    "a session lock that is held",
    async (folder) => {
      const sessionFile = join(folder, "s.jsonl");
      await using held = await acquireSessionWriteLock({ sessionFile, env: {} });
      const error = await failureOf(
        acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 1 }),
      );
      held.assertHeld();
      return error;
    },
  ],
  [
    "a stale session lock that is kept",
    async (folder) => {
      const { pid, starttime } = await liveOwner();
      const sessionFile = join(folder, "s.jsonl");
      const payload = { pid, createdAt: "2001-01-01T00:00:00.000Z", starttime };
      writeFileSync(`${sessionFile}.lock`, JSON.stringify(payload));
      return await failureOf(acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 50 }));
    },
  ],
  [
    "a session lock whose file was taken away",
    async (folder) => {
      const sessionFile = join(folder, "s.jsonl");
      await using held = await acquireSessionWriteLock({ sessionFile, env: {} });
      rmSync(held.lockPath);
      return await failureOf(Promise.resolve().then(() => held.assertHeld()));
    },
  ],
  [
    "a session lock below a file, in the system's message",
    async (folder) => {
      writeFileSync(join(folder, "file"), "");
      const sessionFile = join(folder, "file", "s.jsonl");
      return await failureOf(acquireSessionWriteLock({ sessionFile, env: {} }));
    },
  ],
  [
    "a file lock that is held",
    async (folder) => {
      const path = join(folder, "ledger.csv");
      await using held = await acquireFileLock({ path });
      const error = await failureOf(acquireFileLock({ path, timeoutMs: 1 }));
      held.assertHeld();
      return error;
    },
  ],
  [
    "a file lock whose file was taken away",
    async (folder) => {
      await using held = await acquireFileLock({ path: join(folder, "ledger.csv") });
      rmSync(held.lockPath);
      return await failureOf(Promise.resolve().then(() => held.assertHeld()));
    },
  ],
  ["a pid file that is a directory", (folder) => failureOf(acquirePidFile({ path: folder }))],
  [
    "a pid file that is another file",
    async (folder) => {
      const path = join(folder, "daemon.pid");
      writeFileSync(path, "[daemon]");
      dateBack(path);
      return await failureOf(acquirePidFile({ path }));
    },
  ],
  [
    "a session that another run of this process owns",
    async (folder) => {
      const sessionFile = join(folder, "s.jsonl");
      const { release } = await acquireSessionFileOwner({ sessionFile });
      const error = await failureOf(acquireSessionFileOwner({ sessionFile, timeoutMs: 1 }));
      release();
      return error;
    },
  ],
  [
    "a session that was taken over",
    async (folder) => {
      const sessionFile = join(folder, "s.jsonl");
      const acquire = async (): Promise<{ release: () => Promise<void> }> => ({
        release: async () => {},
      });
      await using controller = await createSessionController({ acquire, sessionFile, env: {} });
      await controller.releaseForPrompt();
      writeFileSync(sessionFile, "another run's");
      return await failureOf(controller.withWriteLock(() => {}));
    },
  ],
  [
    "a session file that is a directory",
    async (folder) => {
      const acquire = async (): Promise<{ release: () => Promise<void> }> => ({
        release: async () => {},
      });
      const controller = await createSessionController({ acquire, sessionFile: folder, env: {} });
      return await failureOf(controller.releaseForPrompt());
    },
  ],
  [
    "a lock that is a directory",
    async (folder) => {
      mkdirSync(join(folder, "s.jsonl.lock"));
      const lock = await inspectSessionLock(join(folder, "s.jsonl.lock"));
      return await failureOf(Promise.reject(lock?.error ?? new Error("no error")));
    },
  ],
  [
    "a directory that cannot be listed",
    async (folder) => {
      return await failureOf(
        Promise.resolve().then(() => realLockFs.list(join(folder, "missing"))),
      );
    },
  ],
  ["a token", (folder) => failureOf(waitForProcessExit(basename(folder)))],
];

describe("an error that names a hostile path", () => {
  test.for(ERRORS)(
    "an error's message is one line with escapes, its fields are as they are: %s",
    async ([, fail], context) => {
      const folder = hostileFolder(context);
      const error = (await fail(folder)) as Error & Paths;
      expectEscaped(error.message);
      const fields = [error.lockPath, error.sessionFile].filter((path) => path !== undefined);
      expect(fields.filter((path) => !path.includes(HOSTILE))).toEqual([]);
    },
  );
});

describe("log lines", () => {
  test("a sweep's log lines are one line each with escapes: what it removed, and what it left alone", async (context) => {
    requireNative(context);
    const sessionsDir = hostileFolder(context);
    writePlainLock(sessionsDir, "dead", {
      pid: await endedPid(),
      createdAt: new Date().toISOString(),
    });
    mkdirSync(join(sessionsDir, "odd.jsonl.lock"));
    const lines: string[] = [];
    const warn = (line: string): number => lines.push(line);
    const { notices } = await cleanStaleLockFiles({ sessionsDir, env: {}, log: { warn } });
    expect(lines).toHaveLength(2);
    for (const line of lines) expectEscaped(line);
    for (const { path } of notices) expect(path).toContain(HOSTILE);
  });

  test("a start-up sweep's log line on a directory that it could not look into is one line with escapes", async (context) => {
    const file = join(hostileFolder(context), "file");
    writeFileSync(file, "");
    const lines: string[] = [];
    const warn = (line: string): number => lines.push(line);
    const swept = await sweepSessionLocks({ sessionsDirs: [file], env: {}, log: { warn } });
    expect(lines).toHaveLength(1);
    expectEscaped(lines[0]);
    expect(swept.directories.map(({ sessionsDir }) => sessionsDir)).toEqual([file]);
  });

  test("the watchdog's log line on a lock that was held for too long is one line with escapes", async (context) => {
    const sessionFile = join(hostileFolder(context), "s.jsonl");
    const written: string[] = [];
    const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      written.push(String(text));
      return true;
    });
    try {
      const first = await acquireSessionWriteLock({ sessionFile, env: {}, maxHoldMs: 20 });
      // A waiter makes the watchdog look at the limit at once, not a minute later.
      const second = await acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 10_000 });
      await second.release();
      await first.release();
    } finally {
      stderr.mockRestore();
    }
    const [line = "", ...more] = written;
    expect(more).toEqual([]);
    expect(line).toMatch(/^\[session-write-lock\] releasing lock held for /u);
    expectEscaped(line.replace(/\n$/u, ""));
  });

  test("the attention monitor's log line with a session's key, and what the host threw, is one line with escapes", (context) => {
    const folder = hostileFolder(context);
    const lines: string[] = [];
    const log = { warn: (line: string): number => lines.push(line) };
    const time = new FakeTime();
    using monitor = createSessionAttentionMonitor({
      log,
      clock: time.clock,
      startTimer: time.startTimer,
    });
    const hasActiveEmbeddedRun = (): boolean => {
      throw new Error(`cannot look: ${folder}`);
    };
    monitor.register({ sessionKey: HOSTILE, state: "processing", hasActiveEmbeddedRun });
    time.advance(150_000);
    expect(lines.length).toBeGreaterThan(0);
    const [head, ...frames] = (lines[0] ?? "").split("\n");
    expectEscaped(head);
    expect(head).toContain(`${SHOWN}: Error: cannot look: `);
    expect(frames.filter((frame) => !/^ {4}at /u.test(frame))).toEqual([]);
    expect(() => monitor.register({ sessionKey: HOSTILE })).toThrow(
      /^options\.sessionKey must be that of no registered session, got '[ -~]+'$/u,
    );
  });
});

describe("the command", () => {
  test.for([
    ["for a pipe", []],
    ["as JSON", ["--json"]],
  ] as const)(
    "the command tells of a missing directory on one line with escapes, %s",
    async ([, options], context) => {
      const folder = join(hostileFolder(context), "missing");
      const { code, stdout, stderr } = await runHere(["locks", folder, ...options]);
      expect(code).toBe(2);
      expectEscaped(stderr.replace(/\n$/u, ""));
      const answer = stdout === "" ? {} : (JSON.parse(stdout) as { readonly problems?: string[] });
      const lines = answer.problems ?? [];
      expect(lines).toHaveLength(options.length);
      for (const line of lines) expectEscaped(line);
    },
  );

  test("the command's JSON has the path as it is, and the error's text on one line with escapes", async (context) => {
    const folder = hostileFolder(context);
    writeFileSync(join(folder, "s.jsonl.lock"), "x".repeat(70_000));
    const { stdout } = await runHere(["locks", folder, "--json"]);
    const { locks } = JSON.parse(stdout) as {
      readonly locks: readonly { readonly lockPath: string; readonly error: string }[];
    };
    expect(locks).toHaveLength(1);
    expect(locks[0]?.lockPath).toContain(HOSTILE);
    expectEscaped(locks[0]?.error);
  });

  test("an option that the command's parser gives up on is one line with escapes", async () => {
    const { code, stderr } = await runHere(["locks", `--${HOSTILE}`]);
    expect(code).toBe(2);
    for (const line of stderr.trimEnd().split("\n")) expect(line).not.toMatch(OBEYED);
    expect(stderr).toContain(`unknown option: --${SHOWN}`);
  });
});

test("ordinary names stay as they are in messages", async () => {
  const folder = join(temporaryFolder(), ORDINARY);
  mkdirSync(folder);
  const sessionFile = join(folder, "s.jsonl");
  await using held = await acquireSessionWriteLock({ sessionFile, env: {} });
  const error = await failureOf(acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 1 }));
  expect(error.message).toContain(held.lockPath);
  expect(held.lockPath).toContain(ORDINARY);
});
