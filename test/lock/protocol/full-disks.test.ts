/** Real disks without a free inode, where a guard file cannot be made. */
import { join } from "node:path";

import { describe, expect, test, type TestContext } from "vitest";

import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { nodeArguments, runNode, startReady } from "../../support/processes/child.js";
import { importCompiled, importDist, startHolder } from "../../support/locks/lock-holder.js";
import {
  type MountNamespace,
  mountPrivately,
  tryToMount,
} from "../../support/processes/mount-namespace.js";
import { AT_ONCE_MS, timed } from "../../support/timed.js";

interface Disk extends MountNamespace {
  readonly sessions: string;
  readonly sessionFile: string;
  /** Takes every inode that is free. */
  fill(): Promise<void>;
  /** Gives one back. */
  freeOne(): Promise<void>;
  names(): Promise<readonly string[]>;
}

const FILL = `n=0
  while touch disk/filler-$n 2>/dev/null; do n=$((n + 1)); done`;

function asDisk(place: MountNamespace): Disk {
  const sessions = join(place.folder, "disk/sessions");
  return {
    ...place,
    sessions,
    sessionFile: join(sessions, "s.jsonl"),
    fill: () => place.run(FILL),
    freeOne: () => place.run("rm disk/filler-0"),
    names: async () =>
      (await runNode(
        `import { readdirSync } from "node:fs";
         console.log(JSON.stringify(readdirSync(${JSON.stringify(sessions)})));`,
        { prefix: place.prefix },
      )) as readonly string[],
  };
}

/** On ext4 a second name of a file needs no inode. */
async function ext4(context: TestContext): Promise<Disk> {
  const place = await tryToMount(
    context,
    `truncate -s 4M image
     mkdir disk
     if ! mkfs.ext4 -q -N 32 image >&2; then exit 1; fi
     if ! mount -o loop image disk; then exit 1; fi
     mkdir disk/sessions`,
  );
  if (typeof place === "string") return context.skip(`needs an ext4 file system: ${place}`);
  return asDisk(place);
}

/** On tmpfs it does: each name counts. */
async function tmpfs(context: TestContext): Promise<Disk> {
  return asDisk(
    await mountPrivately(
      context,
      "mkdir disk; mount -t tmpfs -o size=256k,nr_inodes=16 tmpfs disk; mkdir disk/sessions",
    ),
  );
}

async function sweepIn({ sessions, prefix }: Disk): Promise<unknown> {
  return await runNode(
    `${importDist("cleanStaleLockFiles", "session-lock/index.js")}
     const sessionsDir = ${JSON.stringify(sessions)};
     const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
     console.log(JSON.stringify(locks.map(({ removed, keptReason, error }) =>
       ({ removed, keptReason, error: error?.code }))));`,
    { prefix },
  );
}

describe("a disk without free inodes, on which a second name needs none (ext4)", () => {
  test("a lock is written under and released at once on ext4 without free inodes", async (context) => {
    const disk = await ext4(context);
    const holder = await startHolding(disk.sessionFile, { prefix: disk.prefix });
    await disk.run("touch disk/sessions/s.jsonl");
    await disk.fill();
    expect(await holder.write()).toEqual({ kind: "written" });
    const { ms, result } = await timed(() => holder.release());
    expect(result).toEqual({ kind: "released" });
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect(await disk.names()).toEqual(["s.jsonl"]);
  });

  test("a dead owner's lock is swept, and taken over by a contender, on ext4 without free inodes", async (context) => {
    const disk = await ext4(context);
    const { prefix, sessionFile } = disk;
    const swept = await startHolding(sessionFile, { prefix });
    await disk.fill();
    await swept.kill();
    expect(await sweepIn(disk)).toEqual([{ removed: true, keptReason: null }]);
    expect(await disk.names()).toEqual([]);
    const reclaimed = await startHolding(sessionFile, { prefix });
    await reclaimed.kill();
    expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
    expect(await disk.names()).toEqual([]);
  });

  test("a live owner's lock is waited for and stays on ext4 without free inodes", async (context) => {
    const disk = await ext4(context);
    const { prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix });
    await disk.fill();
    expect(await tryElsewhere(sessionFile, { prefix })).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(`^pid=${holder.pid} alive=true `) as string,
    });
    expect(await sweepIn(disk)).toEqual([{ removed: false, keptReason: null }]);
    expect(await disk.names()).toEqual(["s.jsonl.lock"]);
    expect(await holder.release()).toEqual({ kind: "released" });
  });

  test("a crash in a guard on ext4 without free inodes leaves one that the next process enters and removes", async (context) => {
    const disk = await ext4(context);
    const { prefix, sessionFile } = disk;
    const dead = await startHolder(`${sessionFile}.lock`, { prefix });
    await dead.kill();
    await disk.fill();
    // Killed between its look and the unlink.
    const script = `
      ${importCompiled("tryRemoveLock", "lock/protocol/remove.js")}
      ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
      tryRemoveLock(${JSON.stringify(`${sessionFile}.lock`)}, realLockFs, () => {
        process.kill(process.pid, "SIGKILL");
      });`;
    const [file, ...args] = [...prefix, process.execPath, ...nodeArguments(script)];
    await expect(startReady(file, args)).rejects.toThrow("ended");
    expect(await disk.names()).toEqual(["s.jsonl.lock", "s.jsonl.lock.guard"]);
    expect(await tryElsewhere(sessionFile, { prefix, timeoutMs: 5000 })).toEqual({
      kind: "released",
    });
    expect(await disk.names()).toEqual([]);
  });
});

describe("a disk without free inodes, on which each name needs one (tmpfs)", () => {
  test("a release on tmpfs without free inodes is over at once, leaves the lock free, and says so", async (context) => {
    const disk = await tmpfs(context);
    const { prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix });
    await disk.fill();
    let told = "";
    holder.process.stderr?.on("data", (text: string) => (told += text));
    const { ms, result } = await timed(() => holder.release());
    expect(result).toEqual({ kind: "released" });
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect(told).toContain(`left for others to remove: ${sessionFile}.lock (ENOSPC)`);
    expect(await sweepIn(disk)).toEqual([{ removed: false, keptReason: "error", error: "ENOSPC" }]);
    expect(await tryElsewhere(sessionFile, { prefix })).toMatchObject({
      name: "SessionWriteLockFileError",
      cause: { code: "ENOSPC", path: `${sessionFile}.lock.guard` },
    });
    // One inode is enough for a guard; the lock that goes gives another one back.
    await disk.freeOne();
    expect(await sweepIn(disk)).toEqual([{ removed: true, keptReason: null }]);
    expect(await disk.names()).toEqual([]);
  });

  test("nothing is written without the guard on tmpfs without free inodes", async (context) => {
    const disk = await tmpfs(context);
    const { prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix });
    await disk.run("touch disk/sessions/s.jsonl");
    await disk.fill();
    expect(await holder.write()).toMatchObject({
      name: "SessionWriteLockFileError",
      cause: { code: "ENOSPC", path: `${sessionFile}.lock.guard` },
    });
    await disk.run("test ! -s disk/sessions/s.jsonl");
    await disk.freeOne();
    expect(await holder.write()).toEqual({ kind: "written" });
    expect(await holder.release()).toEqual({ kind: "released" });
  });
});
