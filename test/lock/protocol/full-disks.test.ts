/** Real disks without a free inode, where a guard file cannot be made, and a lock that is its own guard needs none. */
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
import { type Rule, standInAt } from "../../support/processes/stand-in.js";
import { AT_ONCE_MS, timed } from "../../support/timed.js";

interface Disk extends MountNamespace {
  /** For a process whose locks are of the kind in question. */
  readonly env: NodeJS.ProcessEnv;
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

/** In a sandbox without open-file-description locks a lock has a guard file. */
const KINDS: readonly (readonly [string, readonly Rule[]])[] = [
  ["that is its own guard", []],
  ["with a guard file", ["no-ofd-locks"]],
];

function asDisk(context: TestContext, place: MountNamespace, rules: readonly Rule[]): Disk {
  const sessions = join(place.folder, "disk/sessions");
  const env = rules.length === 0 ? process.env : standInAt(context, sessions, rules).env;
  return {
    ...place,
    env,
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
async function ext4(context: TestContext, rules: readonly Rule[] = []): Promise<Disk> {
  const place = await tryToMount(
    context,
    `truncate -s 4M image
     mkdir disk
     if ! mkfs.ext4 -q -N 32 image >&2; then exit 1; fi
     if ! mount -o loop image disk; then exit 1; fi
     mkdir disk/sessions`,
  );
  if (typeof place === "string") return context.skip(`needs an ext4 file system: ${place}`);
  return asDisk(context, place, rules);
}

/** On tmpfs it does: each name counts. */
async function tmpfs(context: TestContext, rules: readonly Rule[] = []): Promise<Disk> {
  const place = await mountPrivately(
    context,
    "mkdir disk; mount -t tmpfs -o size=256k,nr_inodes=16 tmpfs disk; mkdir disk/sessions",
  );
  return asDisk(context, place, rules);
}

async function sweepIn({ sessions, prefix, env }: Disk): Promise<unknown> {
  return await runNode(
    `${importDist("cleanStaleLockFiles", "session-lock/index.js")}
     const sessionsDir = ${JSON.stringify(sessions)};
     const { locks } = await cleanStaleLockFiles({ sessionsDir, env: {} });
     console.log(JSON.stringify(locks.map(({ removed, keptReason, error }) =>
       ({ removed, keptReason, error: error?.code }))));`,
    { prefix, env },
  );
}

describe("a disk without free inodes, on which a second name needs none (ext4)", () => {
  test.for(KINDS)(
    "a lock %s is written under and released at once on ext4 without free inodes",
    async ([, rules], context) => {
      const disk = await ext4(context, rules);
      const holder = await startHolding(disk.sessionFile, { prefix: disk.prefix, env: disk.env });
      await disk.run("touch disk/sessions/s.jsonl");
      await disk.fill();
      expect(await holder.write()).toEqual({ kind: "written" });
      const { ms, result } = await timed(() => holder.release());
      expect(result).toEqual({ kind: "released" });
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect(await disk.names()).toEqual(["s.jsonl"]);
    },
  );

  test.for(KINDS)(
    "a dead owner's lock %s is swept, and taken over by a contender, on ext4 without free inodes",
    async ([, rules], context) => {
      const disk = await ext4(context, rules);
      const { env, prefix, sessionFile } = disk;
      const swept = await startHolding(sessionFile, { prefix, env });
      await disk.fill();
      await swept.kill();
      expect(await sweepIn(disk)).toEqual([{ removed: true, keptReason: null }]);
      expect(await disk.names()).toEqual([]);
      const reclaimed = await startHolding(sessionFile, { prefix, env });
      await reclaimed.kill();
      expect(await tryElsewhere(sessionFile, { prefix, env })).toEqual({ kind: "released" });
      expect(await disk.names()).toEqual([]);
    },
  );

  test.for(KINDS)(
    "a live owner's lock %s is waited for and stays on ext4 without free inodes",
    async ([, rules], context) => {
      const disk = await ext4(context, rules);
      const { env, prefix, sessionFile } = disk;
      const holder = await startHolding(sessionFile, { prefix, env });
      await disk.fill();
      expect(await tryElsewhere(sessionFile, { prefix, env })).toMatchObject({
        name: "SessionWriteLockTimeoutError",
        owner: expect.stringMatching(`^pid=${holder.pid} alive=true `) as string,
      });
      expect(await sweepIn(disk)).toEqual([{ removed: false, keptReason: null }]);
      expect(await disk.names()).toEqual(["s.jsonl.lock"]);
      expect(await holder.release()).toEqual({ kind: "released" });
    },
  );

  /** Killed in the guard, between its look and the unlink; `opened` opens the lock where that is its guard. */
  async function crashInside(
    { prefix, sessionFile }: Disk,
    guards: "file" | "inode",
  ): Promise<void> {
    const lockPath = JSON.stringify(`${sessionFile}.lock`);
    const script = `
      ${importCompiled("tryRemoveLock", "lock/protocol/remove.js")}
      ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
      const fd = ${guards === "inode" ? `realLockFs.openForReading(${lockPath})` : "null"};
      const lock = { lockPath: ${lockPath}, guards: "${guards}", fd };
      tryRemoveLock(lock, realLockFs, () => {
        process.kill(process.pid, "SIGKILL");
      });`;
    const [file, ...args] = [...prefix, process.execPath, ...nodeArguments(script)];
    await expect(startReady(file, args)).rejects.toThrow("ended");
  }

  test("a crash in a guard file on ext4 without free inodes leaves one that the next process enters and removes", async (context) => {
    const disk = await ext4(context);
    const { prefix, sessionFile } = disk;
    const dead = await startHolder(`${sessionFile}.lock`, { prefix, hasGuardFile: true });
    await dead.kill();
    await disk.fill();
    await crashInside(disk, "file");
    expect(await disk.names()).toEqual(["s.jsonl.lock", "s.jsonl.lock.guard"]);
    expect(await tryElsewhere(sessionFile, { prefix, timeoutMs: 5000 })).toEqual({
      kind: "released",
    });
    expect(await disk.names()).toEqual([]);
  });

  test("a crash in a lock that is its own guard on ext4 without free inodes leaves nothing but the lock", async (context) => {
    const disk = await ext4(context);
    const { prefix, sessionFile } = disk;
    const dead = await startHolder(`${sessionFile}.lock`, { prefix });
    await dead.kill();
    await disk.fill();
    await crashInside(disk, "inode");
    expect(await disk.names()).toEqual(["s.jsonl.lock"]);
    expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
    expect(await disk.names()).toEqual([]);
  });
});

describe("a disk without free inodes, on which each name needs one (tmpfs)", () => {
  test("a lock that is its own guard is written under and released at once on tmpfs without free inodes", async (context) => {
    const disk = await tmpfs(context);
    const { prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix });
    await disk.run("touch disk/sessions/s.jsonl");
    await disk.fill();
    expect(await holder.write()).toEqual({ kind: "written" });
    const { ms, result } = await timed(() => holder.release());
    expect(result).toEqual({ kind: "released" });
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect(await disk.names()).toEqual(["s.jsonl"]);
  });

  test("a dead owner's lock that is its own guard is swept, and taken over, on tmpfs without free inodes", async (context) => {
    const disk = await tmpfs(context);
    const { prefix, sessionFile } = disk;
    const swept = await startHolding(sessionFile, { prefix });
    await disk.fill();
    await swept.kill();
    expect(await sweepIn(disk)).toEqual([{ removed: true, keptReason: null }]);
    const reclaimed = await startHolding(sessionFile, { prefix });
    await reclaimed.kill();
    expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
    expect(await disk.names()).toEqual([]);
  });

  test("a release of a lock with a guard file on tmpfs without free inodes is over at once, leaves the lock free, and says so", async (context) => {
    const disk = await tmpfs(context, ["no-ofd-locks"]);
    const { env, prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix, env });
    await disk.fill();
    let told = "";
    holder.process.stderr?.on("data", (text: string) => (told += text));
    const { ms, result } = await timed(() => holder.release());
    expect(result).toEqual({ kind: "released" });
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect(told).toContain(`left for others to remove: ${sessionFile}.lock (ENOSPC)`);
    expect(await sweepIn(disk)).toEqual([{ removed: false, keptReason: "error", error: "ENOSPC" }]);
    expect(await tryElsewhere(sessionFile, { prefix, env })).toMatchObject({
      name: "SessionWriteLockFileError",
      cause: { code: "ENOSPC", path: `${sessionFile}.lock.guard` },
    });
    // One inode is enough for a guard; the lock that goes gives another one back.
    await disk.freeOne();
    expect(await sweepIn(disk)).toEqual([{ removed: true, keptReason: null }]);
    expect(await disk.names()).toEqual([]);
  });

  test("nothing is written without its guard file on tmpfs without free inodes", async (context) => {
    const disk = await tmpfs(context, ["no-ofd-locks"]);
    const { env, prefix, sessionFile } = disk;
    const holder = await startHolding(sessionFile, { prefix, env });
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
