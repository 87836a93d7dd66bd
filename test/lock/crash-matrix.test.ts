/**
 * SIGKILL before every single file-system call of every operation: afterwards a fresh contender gets the
 * lock, and a sweep removes whatever the crash left.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { nodeArguments } from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { type CallsOf, numberedCalls, writeDeadLock } from "../support/locks/numbered-calls.js";
import { endedOwner } from "../support/locks/lock-directory.js";
import { requireLinux, requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const OPERATIONS = {
  acquire: `await acquireLock(plan, fs);`,
  release: `const lock = await acquireLock(plan, fs); await lock.release();`,
  "acquire at once": `acquireLockAtOnce(plan, fs);`,
  "release at once": `acquireLockAtOnce(plan, fs).releaseSync();`,
  "fenced write": `const lock = await acquireLock(plan, fs); lock.withFence(() => {});`,
  reclaim: `const lock = await acquireLock(plan, fs); await lock.release();`,
  sweep: `await sweepDirectory(resolveSweepOptions({ sessionsDir, env: {} }), fs);`,
} as const;

type Operation = keyof typeof OPERATIONS;

/** Runs an operation and kills the process before its n-th file-system call; n = 0 lets it end. */
function scriptOf(operation: Operation, kind: CallsOf): string {
  return `
    ${importCompiled("acquireLock, acquireLockAtOnce", "lock/acquire.js")}
    ${importCompiled("resolveAcquireOptions", "session-lock/acquire-options.js")}
    ${importCompiled("sweepDirectory", "session-lock/sweep/sweep.js")}
    ${importCompiled("resolveSweepOptions", "session-lock/sweep/options.js")}
    import { join } from "node:path";
    const [sessionsDir, fatal] = [process.argv[1], Number(process.argv[2])];
    ${numberedCalls(`process.kill(process.pid, "SIGKILL");`, kind)}
    const plan = resolveAcquireOptions({ sessionFile: join(sessionsDir, "s.jsonl"), env: {} });
    ${OPERATIONS[operation]}
    process.stdout.write(String(calls));
    // Whatever is still held is left behind, as by a crash after the last call.
    process.kill(process.pid, "SIGKILL");`;
}

type Owner = Awaited<ReturnType<typeof endedOwner>>;

interface Crash {
  readonly operation: Operation;
  readonly kind: CallsOf;
  readonly folder: string;
  /** Before which call; 0: after the last one. */
  readonly fatal: number;
  /** Whose lock a reclaim and a sweep find. */
  readonly dead: Owner;
}

/** @returns how many calls were made, NaN when it was killed before it could tell. */
async function runAndCrash({ operation, kind, folder, fatal, dead }: Crash): Promise<number> {
  if (operation === "reclaim" || operation === "sweep") {
    writeDeadLock(folder, kind, dead);
  }
  const args = [...nodeArguments(scriptOf(operation, kind)), folder, String(fatal)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  return Number(output);
}

async function checkNothingIsWedged({ folder, kind }: Crash, when: string): Promise<void> {
  // Where a lock is its own guard a crash leaves nothing behind but, if it was there, the lock.
  const isOwnGuard = process.platform === "linux" && kind === "real";
  const beside = readdirSync(folder).filter((name) => name !== "s.jsonl.lock");
  expect(isOwnGuard ? beside : [], `${when}: left behind`).toEqual([]);
  const lock = await acquireSessionWriteLock({
    sessionFile: join(folder, "s.jsonl"),
    timeoutMs: 5000,
    env: {},
  }).catch((cause: unknown) => {
    throw new Error(`${when}: no process gets the lock`, { cause });
  });
  lock.assertHeld();
  await lock.release();
  const leftovers = readdirSync(folder);
  for (const name of leftovers) {
    expect(name, when).toMatch(/^s\.jsonl\.lock\.(?:[0-9a-f]{32}\.(?:tmp|gone)|guard)$/);
  }
  await cleanStaleLockFiles({ sessionsDir: folder, env: {}, nowMs: Date.now() + 3_600_000 });
  expect(readdirSync(folder), when).toEqual([]);
}

const CRASHES = (Object.keys(OPERATIONS) as Operation[]).flatMap((operation) => [
  [operation, "on this machine's disk", "real"] as const,
  [operation, "with guard files", "guardFiles"] as const,
]);

describe("crashes", () => {
  test.for(CRASHES)(
    "a process killed before any file-system call of %s %s leaves nothing that keeps others from the lock",
    // Each call starts a process or two, which takes seconds where the system is emulated.
    { timeout: 900_000 },
    async ([operation, , kind], context) => {
      requireNative(context);
      if (kind === "guardFiles") requireLinux(context, "elsewhere that is this machine's disk");
      const root = temporaryFolder();
      const dead = await endedOwner();
      const crashAt = async (fatal: number): Promise<number> => {
        const crash = { operation, kind, folder: join(root, String(fatal)), fatal, dead };
        mkdirSync(crash.folder);
        const calls = await runAndCrash(crash);
        await checkNothingIsWedged(crash, `${operation} killed before call ${fatal}`);
        return calls;
      };
      const calls = await crashAt(0);
      expect(calls).toBeGreaterThan(4);
      for (let fatal = 1; fatal <= calls; fatal += 4) {
        const batch = [fatal, fatal + 1, fatal + 2, fatal + 3].filter((call) => call <= calls);
        await Promise.all(batch.map(crashAt));
      }
      process.stdout.write(`${operation}, ${kind}: ${calls + 1} crashes\n`);
    },
  );
});
