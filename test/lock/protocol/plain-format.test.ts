/**
 * Other programs that write locks of this format know four keys: pid, createdAt, maxHoldMs, starttime. They
 * understand this package's locks, and it understands theirs.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { type RunningChild, runNode, start, startReady } from "../../support/processes/child.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { requireLinux, requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/**
 * How such programs deal with a lock, without a line of this package: create exclusively, write, wait while the
 * owner is alive and unchanged, unlink what is stale. Reads field 22 of /proc/<pid>/stat where there is one.
 */
const OTHER_PROGRAM = `
import { readFileSync, writeFileSync, unlinkSync } from "node:fs";
function starttimeOf(pid) {
  try {
    const stat = readFileSync("/proc/" + pid + "/stat", "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return null;
  }
}
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
/** What a reader makes of a lock file. */
function judge(lockPath) {
  const { pid, createdAt, maxHoldMs, starttime } = JSON.parse(readFileSync(lockPath, "utf8"));
  const known = { pid, ageMs: Date.now() - Date.parse(createdAt), maxHoldMs };
  if (!isAlive(pid)) return { ...known, verdict: "dead" };
  const actual = starttimeOf(pid);
  if (actual !== null && actual !== starttime) return { ...known, verdict: "recycled" };
  return { ...known, verdict: "held" };
}
/** Takes the lock if it is free, or its owner is gone. */
function tryAcquire(lockPath) {
  const starttime = starttimeOf(process.pid);
  const payload = { pid: process.pid, createdAt: new Date().toISOString(), maxHoldMs: 300000 };
  const text = JSON.stringify(starttime === null ? payload : { ...payload, starttime }, null, 2);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(lockPath, text, { flag: "wx" });
      return true;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (judge(lockPath).verdict === "held") return false;
    unlinkSync(lockPath);
  }
  return false;
}
`;

/** Another program that holds that lock until it is told to give it up, or killed. */
async function otherHolder(lockPath: string): Promise<RunningChild> {
  const script = `${OTHER_PROGRAM}
    const lockPath = ${JSON.stringify(lockPath)};
    console.log(tryAcquire(lockPath) ? "holding" : "refused");
    process.stdin.once("data", () => { unlinkSync(lockPath); console.log("released"); process.exit(); });`;
  // Its command line is what tells a gateway where there is no start time.
  const args = ["--input-type=module", "--eval", script, "openclaw"];
  const child = await startReady(process.execPath, args);
  expect(child.first).toBe("holding");
  return child;
}

/** What another program says of that lock. */
function judgedByOthers(lockPath: string): Promise<unknown> {
  const path = JSON.stringify(lockPath);
  return runNode(`${OTHER_PROGRAM} console.log(JSON.stringify(judge(${path})));`);
}

function takenByOthers(lockPath: string): Promise<unknown> {
  const path = JSON.stringify(lockPath);
  return runNode(`${OTHER_PROGRAM} console.log(JSON.stringify(tryAcquire(${path})));`);
}

function sessionIn(folder: string): string {
  return join(folder, "s.jsonl");
}

describe("a lock of this package", () => {
  test("this package's lock is held for a reader that knows four keys, and dead when its holder is", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = `${sessionIn(folder)}.lock`;
    const holder = await startHolding(sessionIn(folder), { maxHoldMs: 4321 });
    expect(await judgedByOthers(lockPath)).toEqual({
      pid: holder.pid,
      ageMs: expect.any(Number) as number,
      maxHoldMs: 4321,
      verdict: "held",
    });
    expect(await takenByOthers(lockPath)).toBe(false);
    await holder.kill();
    expect(await judgedByOthers(lockPath)).toMatchObject({ verdict: "dead" });
    expect(await takenByOthers(lockPath)).toBe(true);
  });

  test("this package's lock holds field 22 as its writer reads it", async (context) => {
    requireLinux(context, "/proc");
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolding(sessionIn(folder));
    const stat = readFileSync(`/proc/${holder.pid}/stat`, "utf8");
    const field22 = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    const payload: unknown = JSON.parse(readFileSync(`${sessionIn(folder)}.lock`, "utf8"));
    expect(payload).toMatchObject({ starttime: field22 });
  });

  test("this package's lock is removed by its release, and another program gets it", async () => {
    const folder = temporaryFolder();
    const lock = await acquireSessionWriteLock({ sessionFile: sessionIn(folder), env: {} });
    expect(await takenByOthers(lock.lockPath)).toBe(false);
    await lock.release();
    expect(await takenByOthers(lock.lockPath)).toBe(true);
  });
});

describe("another program's lock", () => {
  test("another program's lock is waited for, and taken when it is given up", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = `${sessionIn(folder)}.lock`;
    const other = await otherHolder(lockPath);
    const written = readFileSync(lockPath, "utf8");
    expect(await tryElsewhere(sessionIn(folder))).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(`^pid=${other.pid} alive=true `) as string,
    });
    expect(readFileSync(lockPath, "utf8")).toBe(written);
    const waiting = acquireSessionWriteLock({ sessionFile: sessionIn(folder), env: {} });
    other.say("release");
    expect(await other.line()).toBe("released");
    await (await waiting).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("another program's lock is taken when its holder dies during the wait", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const other = await otherHolder(`${sessionIn(folder)}.lock`);
    const waiting = acquireSessionWriteLock({ sessionFile: sessionIn(folder), env: {} });
    await other.kill();
    await (await waiting).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("another program's lock with the start time of an earlier process of that pid is taken at once", async (context) => {
    requireLinux(context, "starts its processes in clock ticks");
    requireNative(context);
    const folder = temporaryFolder();
    const owner = await start(process.execPath, ["-e", "process.stdin.resume()", "openclaw"]);
    writePlainLock(folder, "s", { pid: owner.pid, starttime: 1 });
    expect(await tryElsewhere(sessionIn(folder))).toEqual({ kind: "released" });
  });
});

describe("a live owner that calls itself openclaw, without a start time, 30 s old", () => {
  async function owned(folder: string, maxHoldMs: number): Promise<number> {
    const args = ["-e", "console.log(process.pid); process.stdin.resume()"];
    const owner = await startReady(process.execPath, args, { argv0: "openclaw" });
    const createdAt = new Date(Date.now() - 30_000).toISOString();
    writePlainLock(folder, "s", { pid: owner.pid, createdAt, maxHoldMs });
    return owner.pid;
  }
  const largeStaleMs = 3_600_000;

  test("a plain lock of a live openclaw is displaced past its own limit, however large staleMs is", async (context) => {
    requirePosix(context, "a program's name of its own");
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await owned(folder, 1000);
    const started = performance.now();
    const lock = await acquireSessionWriteLock({
      sessionFile: sessionIn(folder),
      env: {},
      staleMs: largeStaleMs,
    });
    expect(performance.now() - started).toBeLessThan(5000);
    await lock.release();
    // It was not its death that freed the lock.
    process.kill(pid, 0);
  });

  test("a plain lock of a live openclaw is waited for within its limit, and not touched", async (context) => {
    requirePosix(context, "a program's name of its own");
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await owned(folder, 60_000);
    const lockPath = `${sessionIn(folder)}.lock`;
    const written = readFileSync(lockPath, "utf8");
    expect(await tryElsewhere(sessionIn(folder), { staleMs: largeStaleMs })).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(`^pid=${pid} alive=true ageMs=[3-5]\\d{4}$`) as string,
    });
    expect(readFileSync(lockPath, "utf8")).toBe(written);
  });

  test("a plain lock of a live openclaw is reported within its limit when it is too old, and not touched", async (context) => {
    requirePosix(context, "a program's name of its own");
    requireNative(context);
    const folder = temporaryFolder();
    const pid = await owned(folder, 60_000);
    const lockPath = `${sessionIn(folder)}.lock`;
    const written = readFileSync(lockPath, "utf8");
    expect(
      await tryElsewhere(sessionIn(folder), { staleMs: 10_000, timeoutMs: 60_000 }),
    ).toMatchObject({
      name: "SessionWriteLockStaleError",
      staleReasons: ["too-old"],
      keptReason: "owner-alive",
      owner: expect.stringMatching(`^pid=${pid} alive=true `) as string,
    });
    expect(existsSync(lockPath)).toBe(true);
    expect(readFileSync(lockPath, "utf8")).toBe(written);
  });
});
