/** Locks between processes of different runtimes, whose own clocks have nothing in common. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { machineMonotonicMs } from "../../lib/process/machine-clock.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { startHolding, tryElsewhere } from "../support/locks/acquirer.js";
import { type RunningChild, startReady } from "../support/processes/child.js";
import { endedPid } from "../support/locks/lock-directory.js";
import { importDist, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative, requireRuntime, RUNTIMES } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe.each(RUNTIMES)("on %s", (runtime) => {
  let command: readonly string[];
  beforeEach((context) => {
    requireNative(context);
    command = requireRuntime(context, runtime);
  });

  /** Runs a script there; gives it with the first line that it prints. */
  function run(source: string): Promise<RunningChild & { readonly first: string }> {
    const script = join(temporaryFolder(), "script.mjs");
    writeFileSync(script, `import process from "node:process";\n${source}`);
    const [file, ...args] = [...command, script];
    return startReady(file, args);
  }

  function holderOf(sessionFile: string, maxHoldMs: number): Promise<RunningChild> {
    return run(`
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      await acquireSessionWriteLock({
        sessionFile: ${JSON.stringify(sessionFile)}, maxHoldMs: ${maxHoldMs}, env: {} });
      console.log("holding");
      setInterval(() => {}, 1e6);`);
  }

  test("a lock says when it was taken on the machine's clock", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const before = machineMonotonicMs() ?? Number.NaN;
    await holderOf(sessionFile, 60_000);
    const after = machineMonotonicMs() ?? Number.NaN;
    const { monotonicMs } = JSON.parse(readFileSync(`${sessionFile}.lock`, "utf8")) as {
      monotonicMs: number;
    };
    // Whole milliseconds are written.
    expect(monotonicMs).toBeGreaterThanOrEqual(Math.floor(before));
    expect(monotonicMs).toBeLessThanOrEqual(Math.ceil(after));
  });

  test("a lock is respected within its limit, displaced beyond it, and taken after its holder's death", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const holder = await holderOf(sessionFile, 60_000);
    expect(await tryElsewhere(sessionFile)).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(/^pid=\d+ alive=true /) as string,
    });
    await holder.kill();
    expect(await tryElsewhere(sessionFile, { timeoutMs: 10_000 })).toEqual({ kind: "released" });
    await holderOf(sessionFile, 1);
    expect(await tryElsewhere(sessionFile, { timeoutMs: 10_000 })).toEqual({ kind: "released" });
  });

  test("a waiter takes the lock of a holder that was killed, which left its file behind", async () => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const holder = await startHolding(sessionFile);
    const waiter = await run(`
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      let told = false;
      const lock = await acquireSessionWriteLock({
        sessionFile: ${JSON.stringify(sessionFile)}, timeoutMs: 60_000, env: {},
        onWait: () => { if (!told) console.log("waiting"); told = true; } });
      console.log("acquired");
      await lock.release();`);
    expect(waiter.first).toBe("waiting");
    await holder.kill();
    expect(await waiter.line()).toBe("acquired");
    expect(await waiter.exited()).toBe(0);
    expect(existsSync(`${sessionFile}.lock`)).toBe(false);
  });

  test("another process's lock is found within its limit, and beyond it", async () => {
    const folder = temporaryFolder();
    await startHolding(join(folder, "brief.jsonl"), { maxHoldMs: 1 });
    await startHolding(join(folder, "long.jsonl"), { maxHoldMs: 60_000 });
    const { first } = await run(`
      ${importDist("inspectSessionLock", "session-lock/index.js")}
      const judge = async (name) => {
        const lockPath = ${JSON.stringify(folder)} + "/" + name + ".jsonl.lock";
        const { staleReasons, ownerReason } = await inspectSessionLock(lockPath, { respectMaxHold: true });
        return [name, ownerReason, ...staleReasons];
      };
      console.log(JSON.stringify([await judge("brief"), await judge("long")]));`);
    expect(JSON.parse(first)).toEqual([
      ["brief", "kernel-lock-held", "hold-exceeded"],
      ["long", "kernel-lock-held"],
    ]);
  });

  test("a sweep removes a dead plain lock, for which it has to look at all processes, and no live one", async () => {
    const folder = temporaryFolder();
    writePlainLock(folder, "dead", { pid: await endedPid() });
    const live = writePlainLock(folder, "live", { pid: process.pid });
    const { first } = await run(`
      ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
      const { locks } = await cleanStaleLockFiles({
        sessionsDir: ${JSON.stringify(folder)}, env: {}, isOwnerArgv: () => true });
      console.log(JSON.stringify(locks.map(({ staleReasons, removed }) => ({ staleReasons, removed }))));`);
    expect(JSON.parse(first)).toEqual([
      { staleReasons: ["dead-pid"], removed: true },
      { staleReasons: [], removed: false },
    ]);
    expect(await inspectSessionLock(live)).not.toBeNull();
  });
});
