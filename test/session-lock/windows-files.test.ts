/** Lock files on Windows: path forms, byte ranges locked by others, start times in its unit. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, toNamespacedPath } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { freshEvidence } from "../../lib/session-lock/evidence.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { kernelLockOf } from "../../lib/session-lock/read-lock.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep.js";
import { realLockFs } from "../../lib/util/lock-fs.js";
import { runNode, startReady } from "../support/child.js";
import { endedPid, liveOwner } from "../support/lock-directory.js";
import { importDist, startHolder, writePlainLock } from "../support/lock-holder.js";
import { program } from "../support/programs.js";
import { requireNative, requireWindows } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

beforeEach((context) => {
  requireWindows(context, "its own files");
  requireNative(context);
});

/** The administrative share of a drive: `C:\x` → `\\localhost\C$\x`. */
function asShare(path: string): string {
  return path.replace(/^([a-z]):/iu, String.raw`\\localhost\$1$$`);
}

function canRead(path: string): boolean {
  try {
    return readFileSync(path).length > 0;
  } catch {
    return false;
  }
}

describe("a directory is swept alike under every form of its path", () => {
  test.each<[string, (folder: string) => string]>([
    ["drive", (folder) => folder],
    ["forward slashes", (folder) => folder.replaceAll("\\", "/")],
    ["a trailing separator", (folder) => `${folder}\\`],
    ["dots in it", (folder) => `${folder}\\.\\nothing\\..`],
    ["upper case", (folder) => folder.toUpperCase()],
    ["namespaced", (folder) => `\\\\?\\${folder}`],
    ["relative", (folder) => relative(process.cwd(), folder)],
  ])("%s", async (_, form) => {
    const folder = temporaryFolder();
    const dead = join(folder, "dead.jsonl.lock");
    const live = join(folder, "live.jsonl.lock");
    const holder = await startHolder(dead);
    await startHolder(live);
    await holder.kill();
    const { locks } = await cleanStaleLockFiles({ sessionsDir: form(folder), env: {} });
    // The kernel was asked: it is known to be a local disk.
    expect(locks).toMatchObject([
      { removed: true, ownerReason: "kernel-lock-free" },
      { removed: false, ownerReason: "kernel-lock-held" },
    ]);
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock"]);
  });

  test("longer than MAX_PATH", async () => {
    const deep = join(temporaryFolder(), ...Array.from({ length: 6 }, () => "x".repeat(60)));
    expect(deep.length).toBeGreaterThan(260);
    mkdirSync(toNamespacedPath(deep), { recursive: true });
    const holder = await startHolder(join(deep, "dead.jsonl.lock"));
    await startHolder(join(deep, "live.jsonl.lock"));
    await holder.kill();
    for (const sessionsDir of [deep, toNamespacedPath(deep)]) {
      const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
      expect(locks.at(-1)).toMatchObject({
        removed: false,
        // Wine has no final path for one so long: there the token decides.
        ownerReason: expect.stringMatching(/^(?:kernel-lock-held|running)$/u) as string,
      });
    }
    expect(readdirSync(deep)).toEqual(["live.jsonl.lock"]);
  });

  test("a share: locks may live on another machine, so they prove nothing, and pids still do", async (context) => {
    const folder = temporaryFolder();
    const sessionsDir = asShare(folder);
    if (!existsSync(sessionsDir))
      return context.skip("needs the administrative share of the drive");
    const dead = await startHolder(join(folder, "dead.jsonl.lock"));
    await startHolder(join(folder, "live.jsonl.lock"));
    await startHolder(join(folder, "lost.jsonl.lock"), { keep: false });
    await dead.kill();
    const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
    expect(locks).toMatchObject([
      {
        removed: true,
        staleReasons: ["dead-pid"],
        ownerReason: expect.stringMatching(/^(?:exited|no-such-process)$/u) as string,
      },
      { removed: false, stale: false, ownerReason: "running" },
      // On a local disk its free kernel lock would have cost it the lock.
      { removed: false, stale: false, ownerReason: "running" },
    ]);
    expect(readdirSync(folder)).toEqual(["live.jsonl.lock", "lost.jsonl.lock"]);
  });
});

describe("where a directory really is", () => {
  const kindOf = (realpath: () => string): string =>
    freshEvidence({ ...realLockFs, realpath }).fileSystem("N:\\sessions\\s.jsonl.lock");

  test("a drive letter that stands for a share is no local disk", () => {
    expect(kindOf(() => String.raw`\\server\share\sessions`)).toBe("other");
  });

  test("a drive letter that stands for a local folder is", () => {
    expect(kindOf(() => String.raw`C:\state\sessions`)).toBe("local");
  });

  test("a drive whose driver cannot tell is not taken for one", () => {
    const fail = (): never => {
      throw Object.assign(new Error("EINVAL"), { code: "EINVAL" });
    };
    expect(kindOf(fail)).toBe("other");
  });
});

test("two processes see one file under one number, which is what kernelLock names", async () => {
  const lockPath = writePlainLock(temporaryFolder(), "s", { pid: 4 });
  const fd = realLockFs.openForReading(lockPath);
  const ours = kernelLockOf(realLockFs.fstat(fd));
  realLockFs.close(fd);
  const theirs = await runNode(`
    ${importDist("kernelLockOf", "session-lock/read-lock.js")}
    ${importDist("realLockFs", "util/lock-fs.js")}
    console.log(JSON.stringify(kernelLockOf(realLockFs.fstat(realLockFs.openForReading(${JSON.stringify(lockPath)})))));`);
  expect(theirs).toBe(ours);
  expect(ours).toMatch(/^\d+:[1-9]\d*$/u);
});

test("bytes that somebody has locked cannot be read: kept, and judged when they can", async (context) => {
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
  const other = await startReady(program("hold-file"), [lockPath, "read-delete", "10"]);
  if (canRead(lockPath)) return context.skip("needs mandatory byte locks, which Wine lacks");
  const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  expect(locks).toMatchObject([
    { keptReason: "unreadable", removed: false, error: { code: "EBUSY" } },
  ]);
  await other.kill();
  expect((await cleanStaleLockFiles({ sessionsDir: folder, env: {} })).counts.removed).toBe(1);
});

describe("a plain lock's start time", () => {
  test.each<[string, (microseconds: number) => number]>([
    ["milliseconds, as other writers have it", (us) => Math.floor(us / 1000)],
    ["milliseconds, rounded up", (us) => Math.ceil(us / 1000)],
    ["seconds", (us) => Math.floor(us / 1e6)],
    ["microseconds", (us) => us],
  ])("in %s proves its owner", async (_, toUnit) => {
    const owner = await liveOwner();
    const lockPath = writePlainLock(temporaryFolder(), "s", {
      pid: owner.pid,
      starttime: toUnit(owner.starttime),
    });
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      stale: false,
      ownerState: "same",
      ownerReason: "start-time-equal",
    });
  });

  test("of a process before it at the same pid proves it gone", async () => {
    const owner = await liveOwner();
    const folder = temporaryFolder();
    const starttime = Math.floor(owner.starttime / 1000) - 2000;
    writePlainLock(folder, "s", { pid: owner.pid, starttime });
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([{ staleReasons: ["recycled-pid"], removed: true }]);
  });
});
