/**
 * Every file-system call of every operation fails once, with every error that it might give. Each time the
 * operation ends in success or in an error of its documented kind; afterwards another process gets the
 * lock, no file is open that should not be, and locks of live holders are where they were.
 */
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { createSessionController } from "../../lib/session-controller/index.js";
import { acquireLock } from "../../lib/lock/acquire.js";
import {
  type AcquireSessionWriteLockOptions,
  resolveAcquireOptions,
} from "../../lib/session-lock/acquire-options.js";
import { SessionWriteLockError, SessionWriteLockFileError } from "../../lib/session-lock/errors.js";
import { heldLock } from "../../lib/lock/held-locks.js";
import { resolveSweepOptions } from "../../lib/session-lock/sweep/options.js";
import { sweepDirectory } from "../../lib/session-lock/sweep/sweep.js";
import type { SessionWriteLock } from "../../lib/session-lock/write-lock.js";
import type { LockFs } from "../../lib/lock/protocol/lock-fs.js";
import { nodeArguments, type RunningChild, start } from "../support/processes/child.js";
import { type Fault, failingFs, LOCKING } from "../support/locks/failing-fs.js";
import { LOCK_KINDS } from "../support/locks/lock-kinds.js";
import { endedOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const CODES = [
  "EIO",
  "ENOSPC",
  "EACCES",
  "EPERM",
  "EROFS",
  "EMFILE",
  "ENFILE",
  "ESTALE",
  "EBUSY",
  "ENOLCK",
  "ENOTSUP",
  "EINTR",
] as const;

const FAULTS: readonly Fault[] = [
  ...CODES.map((code) => ({ kind: "refused", code }) as const),
  ...(["EIO", "ESTALE"] as const).map((code) => ({ kind: "unanswered", code }) as const),
  { kind: "cut short" },
];

/** Out of locks, a server that does not answer, and a file system or a sandbox that has none by now. */
const LOCK_REFUSALS: readonly Fault[] = (["ENOLCK", "EIO", "ENOTSUP", "ENOSYS"] as const).map(
  (code) => ({ kind: "locks refused", code }),
);

/** Where one run of an operation takes place. */
interface Scene {
  readonly folder: string;
  readonly fs: LockFs;
  /** From here on calls count. */
  readonly arm: () => void;
}

interface Operation {
  /** What lies in the folder before it; `guard`: what locks in it say of their guard. */
  readonly prepare?: (folder: string, guard: string | undefined) => void;
  /** Does it; the lock that it leaves held, if any, is released by the test. */
  readonly run: (scene: Scene) => Promise<SessionWriteLock | null>;
  /** Its documented errors. Default: {@link SessionWriteLockError}. */
  readonly mayReject?: (error: unknown) => boolean;
  /** Without any fault, too. */
  readonly alwaysRejects?: true;
  /** It must not do its work when it is not let into its lock's guard. */
  readonly needsGuard?: true;
  /** It goes from one file to the next, whatever one says. */
  readonly isSweep?: true;
}

function acquire(
  { folder, fs }: Pick<Scene, "folder" | "fs">,
  options: Partial<AcquireSessionWriteLockOptions> = {},
): Promise<SessionWriteLock> {
  const sessionFile = join(folder, "s.jsonl");
  return acquireLock(
    resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 5000, ...options }),
    fs,
  );
}

/** The calls that follow are those of `operation` on a lock that is held. */
function onHeldLock(
  operation: (lock: SessionWriteLock, scene: Scene) => unknown,
  options: Partial<AcquireSessionWriteLockOptions> = {},
): Operation["run"] {
  return async (scene) => {
    const lock = await acquire(scene, options);
    scene.arm();
    try {
      await operation(lock, scene);
    } catch (error) {
      // A hold that failed to do something is still a hold.
      await lock.release();
      throw error;
    }
    return lock;
  };
}

function held(lock: SessionWriteLock): NonNullable<ReturnType<typeof heldLock>> {
  const found = heldLock(lock.lockPath);
  if (found === undefined) throw new Error(`not held: ${lock.lockPath}`);
  return found;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  acquire: {
    run: (scene) => {
      scene.arm();
      return acquire(scene);
    },
  },
  "acquire of a lock that its owner left": {
    prepare: (folder, guard) => leaveLock(folder, "s", guard),
    run: (scene) => {
      scene.arm();
      return acquire(scene);
    },
  },
  "acquire of a lock that a live owner holds": {
    alwaysRejects: true,
    run: async ({ folder, fs, arm }) => {
      arm();
      return await acquire({ folder, fs }, { sessionFile: liveSession(folder), timeoutMs: 12 });
    },
  },
  "fenced write": {
    needsGuard: true,
    run: onHeldLock((lock, { folder }) => {
      const session = join(folder, "s.jsonl");
      try {
        lock.withFence(() => writeFileSync(session, "{}\n"));
      } finally {
        // Whatever it says, it is one of the two: written and well, or refused and not written.
        wasWritten.set(folder, existsSync(session));
      }
    }),
  },
  "look at a lock": { run: onHeldLock((lock) => lock.assertHeld()) },
  "watchdog's look": { run: onHeldLock((lock) => held(lock).check()) },
  "watchdog's release": {
    run: onHeldLock(
      async (lock) => {
        await waitFor("the limit to pass", () => {
          if (heldLock(lock.lockPath)?.isHeld === true) held(lock).check();
          return lock.lost.aborted && heldLock(lock.lockPath) === undefined;
        });
      },
      { maxHoldMs: 1 },
    ),
  },
  release: { run: onHeldLock((lock) => lock.release()) },
  "exit cleanup": { run: onHeldLock((lock) => held(lock).releaseNow()) },
  "controller's release": {
    run: async (scene) => {
      const controller = await createSessionController({
        acquire: (options) => acquire(scene, { timeoutMs: options.timeoutMs }),
        sessionFile: join(scene.folder, "s.jsonl"),
        timeoutMs: 5000,
        env: {},
      });
      scene.arm();
      await controller.releaseForPrompt().finally(() => controller.dispose());
      return null;
    },
  },
  sweep: {
    isSweep: true,
    prepare: (folder, guard) => {
      leaveLock(folder, "s", guard);
      leaveLock(folder, "t", guard);
      writeFileSync(join(folder, `s.jsonl.lock.${"0".repeat(32)}.tmp`), "");
      writeFileSync(join(folder, "t.jsonl.lock.guard"), "");
      writePlainLock(folder, "plain", { pid: process.ppid });
    },
    run: async ({ folder, fs, arm }) => {
      arm();
      const nowMs = Date.now() + 60_000;
      const options = { sessionsDir: folder, env: {}, nowMs, isOwnerArgv: () => true };
      const { locks, counts } = await sweepDirectory(resolveSweepOptions(options), fs);
      expect(counts.total).toBe(locks.length);
      for (const { lockPath, removed } of locks) {
        if (/live|plain/u.test(lockPath)) expect(removed, lockPath).toBe(false);
      }
      return null;
    },
    // The directory's own listing fails with the file system's error.
    mayReject: (error) => error instanceof Error && "syscall" in error,
  },
};

const wasWritten = new Map<string, boolean>();

let dead: { readonly pid: number; readonly owner: string };

/** A lock as the dead process would have left it, on its own inode. */
function leaveLock(folder: string, name: string, guard: string | undefined): void {
  const path = join(folder, `${name}.jsonl.lock`);
  writeFileSync(path, "");
  const { dev, ino } = lstatSync(path, { bigint: true });
  const payload = { ...dead, createdAt: new Date().toISOString(), maxHoldMs: 300_000 };
  const nonce = "d".repeat(32);
  writeFileSync(path, JSON.stringify({ ...payload, nonce, kernelLock: `${dev}:${ino}`, guard }));
}

let holder: RunningChild;
let live: { readonly lockPath: string; readonly text: string };

function liveSession(folder: string): string {
  return join(folder, "live.jsonl");
}

/** Another process, which takes and gives back the lock of every session that it is told. */
const CONTENDER = `
  ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
  import { createInterface } from "node:readline";
  for await (const sessionFile of createInterface({ input: process.stdin })) {
    try {
      const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 10_000, env: {} });
      lock.withFence(() => {});
      await lock.release();
      console.log("got it");
    } catch (error) {
      console.log(String(error));
    }
  }`;

/** How many files this process has open; 0 where that is not easily told. */
function openFiles(): number {
  return process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
}

interface FaultRun {
  readonly folder: string;
  readonly what: string;
  /** Those that were made, by name. */
  readonly calls: readonly string[];
}

/** What is tried, on locks of which kind. */
interface Trial {
  readonly operation: Operation;
  readonly name: string;
  readonly fsOf: () => LockFs;
  /** What they say of their guard. */
  readonly guard: string | undefined;
}

async function runWithFault(
  { operation, name, fsOf, guard }: Trial,
  folder: string,
  n: number,
  fault: Fault,
): Promise<FaultRun> {
  const failing = failingFs(fsOf());
  mkdirSync(folder);
  operation.prepare?.(folder, guard);
  // A live holder's lock, under another name.
  linkSync(live.lockPath, join(folder, "live.jsonl.lock"));
  const arm = (): void => failing.arm(n, fault);
  let calls: readonly string[];
  let problem: unknown = null;
  try {
    const lock = await operation.run({ folder, fs: failing.fs, arm });
    calls = failing.disarm();
    await lock?.release();
  } catch (error) {
    calls = failing.disarm();
    problem = error;
  }
  const what = `${name}: call ${n} (${calls[n - 1] ?? "none"}) ${JSON.stringify(fault)}`;
  expect(wasWritten.get(folder) ?? problem === null, `${what}: written`).toBe(problem === null);
  // A short read is no fault: the rest comes with the next one.
  const isShortRead = fault.kind === "cut short" && calls[n - 1] === "read";
  const mustSucceed = isShortRead && operation.alwaysRejects !== true;
  expect(mustSucceed ? problem : null, `${what}: short read`).toBeNull();
  const mayReject = operation.mayReject ?? ((error) => error instanceof SessionWriteLockError);
  if (problem !== null && !mayReject(problem)) {
    throw new Error(`${what}: not one of its errors: ${inspect(problem)}`, { cause: problem });
  }
  const isGuarded =
    !isGuardRefused(calls, n, fault) || respectsRefusal(operation, calls.slice(n), problem);
  expect(isGuarded, `${what}: without the guard`).toBe(true);
  return { folder, what, calls };
}

/**
 * Whether what was not let into the guard was not done either, or asked anew before it was.
 *
 * @param later - The calls after the refused one, by name.
 */
function respectsRefusal(
  { needsGuard, isSweep }: Operation,
  later: readonly string[],
  problem: unknown,
): boolean {
  if (needsGuard === true) return problem instanceof SessionWriteLockFileError;
  // It goes on with the next lock.
  if (isSweep === true) return true;
  const removal = later.indexOf("unlink");
  return removal === -1 || later.slice(0, removal).includes("tryExclusive");
}

/** Whether the n-th call was to lock a guard, and the kernel did not. Right after tryOwn it is a new file's owner's. */
function isGuardRefused(calls: readonly string[], n: number, fault: Fault): boolean {
  return (
    fault.kind.includes("refused") && calls[n - 1] === "tryExclusive" && calls[n - 2] !== "tryOwn"
  );
}

async function checkNothingIsLost(
  { folder, what }: FaultRun,
  contender: RunningChild,
): Promise<void> {
  contender.say(join(folder, "s.jsonl"));
  expect(await contender.line(), `${what}: another process`).toBe("got it");
  const names = readdirSync(folder);
  expect(names, what).not.toContain("s.jsonl.lock");
  expect(names, what).toContain("live.jsonl.lock");
  expect(readFileSync(join(folder, "live.jsonl.lock"), "utf8"), what).toBe(live.text);
}

describe("one call that fails", () => {
  beforeEach(async (context) => {
    requireNative(context);
    // What is said on standard error is not this test's concern.
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const folder = temporaryFolder();
    // The first watcher of a process opens a file for all later ones.
    watch(folder).close();
    const lockPath = join(folder, "live.jsonl.lock");
    holder = await startHolder(lockPath);
    live = { lockPath, text: readFileSync(lockPath, "utf8") };
    dead = await endedOwner();
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const isOwnGuard = process.platform === "linux";
  const KINDS = LOCK_KINDS.filter(([kind]) => isOwnGuard || kind !== "with a guard file").map(
    ([kind, fsOf], index) => [kind, fsOf, isOwnGuard && index === 0 ? "inode" : undefined] as const,
  );
  const TRIALS = KINDS.flatMap(([kind, fsOf, guard]) =>
    Object.entries(OPERATIONS).map(
      ([name, operation]) => [name, kind, { operation, name, fsOf, guard }] as const,
    ),
  );

  test.for(TRIALS)(
    "no fault of a single file-system call of %s costs a live holder its lock or keeps others out: locks %s",
    { timeout: 600_000 },
    async ([name, kind, trial]) => {
      const root = temporaryFolder();
      const contender = await start(process.execPath, nodeArguments(CONTENDER));
      let runs = 0;
      const next = (): string => join(root, String(++runs));
      const none: Fault = { kind: "refused", code: "EIO" };
      const whole = await runWithFault(trial, next(), 0, none);
      expect(whole.calls.length).toBeGreaterThan(0);
      await checkNothingIsLost(whole, contender);
      // The calls of the other kind are none of this one's.
      const others = trial.guard === "inode" ? "openGuard" : "drop";
      expect(trial.name === "sweep" ? [] : whole.calls).not.toContain(others);
      const opened = openFiles();
      for (let n = 1; n <= whole.calls.length; n++) {
        // Side by side: after some faults an operation waits a while before it looks again.
        const faults = LOCKING.has(whole.calls[n - 1] ?? "")
          ? [...FAULTS, ...LOCK_REFUSALS]
          : FAULTS;
        const done = await Promise.all(
          faults.map((fault) => runWithFault(trial, next(), n, fault)),
        );
        expect(openFiles(), `${name}: call ${n}: open files`).toBeLessThanOrEqual(opened);
        for (const one of done) await checkNothingIsLost(one, contender);
      }
      // Windows removes no folder with an open file in it.
      await holder.kill();
      process.stdout.write(`${name}, ${kind}: ${whole.calls.length} calls, ${runs} runs\n`);
    },
  );
});
