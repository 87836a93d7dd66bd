/** Processes that look like owners, or like no process, or are gone before the question is out. */
import { spawn } from "node:child_process";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { getProcessArgs, getProcessStartTime, inspectProcess } from "../../lib/index.js";
import type { ProcessInfo } from "../../lib/process/process-info.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { BACKENDS, backendNamed } from "../support/processes/backends.js";
import { runNode, startReady } from "../support/processes/child.js";
import { importDist, startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe("a title is not an identity", () => {
  /** A process that has made itself look like a gateway. */
  async function impostor(): Promise<number> {
    const title = "openclaw-gateway";
    const child = await startReady(program("retitle"), ["fill", title, "x".repeat(40)]);
    expect(getProcessArgs(child.pid)).toEqual([title]);
    return child.pid;
  }

  test("an impostor at a recycled pid keeps no lock", async (context) => {
    requireLinux(context, "rewrites its title");
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await impostor();
    const starttime = (getProcessStartTime(pid) ?? 0) - 100;
    writePlainLock(folder, "s", { pid, starttime });
    const { cleaned } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(cleaned).toMatchObject([{ pidAlive: true, staleReasons: ["recycled-pid"] }]);
  });

  test("a title is believed for keeping, never for removing, where nothing but the title speaks", async (context) => {
    requireLinux(context, "rewrites its title");
    const folder = temporaryFolder();
    const lockPath = writePlainLock(folder, "s", { pid: await impostor() });
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      ownerState: "unknown",
      ownerReason: "unproven",
      staleReasons: [],
      removable: false,
    });
  });

  test("a holder that looks like another program keeps its lock", async (context) => {
    requirePosix(context, "rewrites its title");
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    const holder = await startHolder(lockPath);
    const plain = writePlainLock(folder, "plain", {
      pid: holder.pid,
      starttime: getProcessStartTime(holder.pid),
    });
    const never = { readOwnerProcessArgs: () => ["sleep", "9"], isOwnerArgv: () => false };
    for (const path of [lockPath, plain]) {
      expect(await inspectSessionLock(path, never)).toMatchObject({
        ownerState: "same",
        staleReasons: [],
      });
    }
  });
});

test("a pid that changes hands within one clock tick: only what proves it is removed", async (context) => {
  requireRoot(context, "chooses pids in a pid namespace");
  requireNative(context);
  const folder = temporaryFolder();
  // fork-as makes children under one pid; two of them may share a start time, never an exact id.
  const seen = (await runNode(
    `
    ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
    import { spawn } from "node:child_process";
    import { createInterface } from "node:readline";
    import { writeFileSync } from "node:fs";
    const PID = 30_000;
    const forks = spawn(${JSON.stringify(program("fork-as"))}, [String(PID)]);
    const answers = createInterface({ input: forks.stdout })[Symbol.asyncIterator]();
    const tell = async (command) => { forks.stdin.write(command + "\\n"); return (await answers.next()).value; };
    await tell("fork");
    let before, isSameTick = false;
    for (let round = 0; round < 500 && !isSameTick; round++) {
      before = { owner: p.identifyProcess(PID), starttime: p.getProcessStartTime(PID) };
      await tell("recycle");
      isSameTick = p.getProcessStartTime(PID) === before.starttime;
    }
    const common = { pid: PID, createdAt: new Date().toISOString() };
    const write = (name, fields) => writeFileSync(
      ${JSON.stringify(folder)} + "/" + name + ".jsonl.lock", JSON.stringify({ ...common, ...fields }));
    write("plain", { starttime: before.starttime });
    write("token", before);
    const { locks } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
    forks.stdin.end();
    const hasExactId = !before.owner.endsWith(".-");
    console.log(JSON.stringify({ isSameTick, hasExactId, locks }));`,
    { prefix: ["unshare", "--pid", "--fork", "--mount-proc"] },
  )) as { isSameTick: boolean; hasExactId: boolean; locks: unknown };
  expect(seen.isSameTick).toBe(true);
  const byToken = seen.hasExactId
    ? { staleReasons: ["recycled-pid"], removed: true }
    : { ownerReason: "running", removed: false };
  expect(seen.locks).toMatchObject([
    { ownerReason: "start-time-equal", staleReasons: [], removed: false },
    byToken,
  ]);
});

test("a lock whose owner sleeps in the kernel is kept, without a look at its memory", async (context) => {
  requireLinux(context, "a parent in vfork sleeps uninterruptibly");
  const folder = temporaryFolder();
  const child = await startReady(program("vfork-parent"));
  writePlainLock(folder, "s", { pid: child.pid });
  const started = performance.now();
  const { locks } = await cleanStaleLockFiles({
    sessionsDir: folder,
    env: {},
    // Whatever is read is not this package's: a command line would make the lock a foreign one.
    isOwnerArgv: () => false,
  });
  expect(performance.now() - started).toBeLessThan(5000);
  expect(locks).toMatchObject([{ pidAlive: true, staleReasons: [], removed: false }]);
  expect(inspectProcess(child.pid)).toMatchObject({ args: null, argsReason: "busy" });
});

describe.each(BACKENDS)("with the backend %s", (name) => {
  const ROUNDS = 150;
  const UNREAD: ReadonlySet<unknown> = new Set(["gone", "busy", "access-denied"]);

  /** What one process looks like from its start to its end, as often as it can be asked. */
  function watchEnd(inspect: (pid: number) => ProcessInfo, round: number): ProcessInfo[] {
    // It ends by itself, at another point of the loop each time.
    const delay = String((round % 30) / 10_000);
    const child = spawn("sleep", [delay], { stdio: "ignore" });
    const seen: ProcessInfo[] = [];
    const deadline = performance.now() + 20_000;
    do {
      if (child.pid === undefined || performance.now() > deadline)
        throw new Error("no end in sight");
      seen.push(inspect(child.pid));
    } while (seen.at(-1)?.state !== "gone");
    return seen;
  }

  test(
    "a process that ends while it is read is whole or gone, never half",
    { timeout: 120_000 },
    (context) => {
      requireLinux(context, "short processes, asked without a pause");
      const backend = backendNamed(name, context);
      let looks = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const seen = watchEnd((pid) => backend.inspect(pid, true), round);
        looks += seen.length;
        const living = seen.filter(({ state }) => state === "alive");
        // Its command line may go first: the kernel lets go of its memory before the rest.
        const unread = living.filter(({ args }) => args === null);
        expect(unread.filter(({ argsReason }) => !UNREAD.has(argsReason))).toEqual([]);
        const startTimes = new Set(living.map(({ startTime }) => startTime));
        expect(startTimes.has(null)).toBe(false);
        expect(startTimes.size).toBeLessThanOrEqual(1);
        expect(seen.at(-1)).toMatchObject({ state: "gone", startTime: null, args: null });
      }
      expect(looks).toBeGreaterThan(ROUNDS * 2);
    },
  );
});
