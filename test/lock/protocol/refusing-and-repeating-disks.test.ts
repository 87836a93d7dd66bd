/**
 * File systems that refuse locks and repeat calls. The network file systems are stand-ins (test/support/processes/stand-in.ts):
 * none of them can be mounted on every machine that runs these tests.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { runNode } from "../../support/processes/child.js";
import { importCompiled, importDist } from "../../support/locks/lock-holder.js";
import { AT_ONCE_MS, timed } from "../../support/timed.js";
import { NFS, type Rule, SMB, type StandIn, standIn } from "../../support/processes/stand-in.js";
import { mountPrivately } from "../../support/processes/mount-namespace.js";
import { requireProgram } from "../../support/require.js";
import { waitFor } from "../../support/wait-for.js";

function sessionIn({ folder }: Pick<StandIn, "folder">): string {
  return join(folder, "s.jsonl");
}

function payloadIn({ folder }: Pick<StandIn, "folder">): Record<string, unknown> {
  const text = readFileSync(join(folder, "s.jsonl.lock"), "utf8");
  return JSON.parse(text) as Record<string, unknown>;
}

/** A sweep of the folder by a process to which it is what the rules say. */
async function sweepElsewhere({ folder, env }: StandIn): Promise<unknown> {
  return await runNode(
    `${importDist("cleanStaleLockFiles", "session-lock/index.js")}
     const { locks } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
     console.log(JSON.stringify(locks.map(({ removed, keptReason, error }) =>
       ({ removed, keptReason, error: error?.code }))));`,
    { env },
  );
}

/** What a lock's payload may claim there: whether it has a kernel lock, and whether that was looked at. */
type Claim = "kernel lock" | "verified kernel lock" | "none";

const DISKS: readonly (readonly [string, readonly Rule[], Claim])[] = [
  ["a local disk", [], "kernel lock"],
  ["a local disk without open-file-description locks", ["no-ofd-locks"], "kernel lock"],
  ["a local disk without hard links", ["no-links"], "kernel lock"],
  ["a local disk whose kernel names no open file", ["no-empty-path", "no-proc"], "kernel lock"],
  ["a local disk out of locks", ["refuses-locks"], "none"],
  ["NFSv4", ["nfs", "exclusive-needs-writing"], "verified kernel lock"],
  ["NFS that repeats calls", NFS, "verified kernel lock"],
  ["SMB", SMB, "none"],
  ["SMB without hard links", [...SMB, "no-links"], "none"],
  ["FUSE that passes links on", ["fuse"], "verified kernel lock"],
  ["FUSE where a linked name is another inode", ["fuse", "own-inodes"], "none"],
  ["FUSE without hard links", ["fuse", "no-links"], "verified kernel lock"],
  ["an unlisted file system", ["unlisted"], "verified kernel lock"],
  [
    "an unlisted file system where a linked name is another inode",
    ["unlisted", "own-inodes"],
    "none",
  ],
  ["a network file system out of locks", ["nfs", "refuses-locks"], "none"],
  ["a network file system without locks", ["nfs", "no-locks"], "none"],
];

describe("a lock's life", () => {
  test.for(DISKS)(
    "a lock is taken, written under, kept from others and released on %s",
    async ([, rules, claim], context) => {
      const disk = standIn(context, ...rules);
      const { folder, env } = disk;
      const sessionFile = sessionIn(disk);
      const holder = await startHolding(sessionFile, { env });
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
      const { pid, kernelLock, verified } = payloadIn(disk);
      expect(pid).toBe(holder.pid);
      expect({ kernelLock: typeof kernelLock, verified }).toEqual({
        kernelLock: claim === "none" ? "undefined" : "string",
        verified: claim === "verified kernel lock" ? true : undefined,
      });
      expect(await holder.write()).toEqual({ kind: "written" });
      expect(await tryElsewhere(sessionFile, { env })).toMatchObject({
        name: "SessionWriteLockTimeoutError",
        owner: expect.stringMatching(`^pid=${holder.pid} alive=true `) as string,
      });
      expect(await holder.write()).toEqual({ kind: "written" });
      const { ms, result } = await timed(() => holder.release());
      expect(result).toEqual({ kind: "released" });
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect(readFileSync(sessionFile, "utf8")).toBe("written\nwritten\n");
      // Where locks are refused for a while another process may be in the guard: its file stays.
      const guard = rules.includes("refuses-locks") ? ["s.jsonl.lock.guard"] : [];
      expect(readdirSync(folder)).toEqual(["s.jsonl", ...guard]);
    },
  );
});

describe("a reclaim", () => {
  const lockable = DISKS.filter(([, rules]) => !/-locks/u.test(rules.join(" ")));
  test.for(lockable)(
    "a dead owner's lock is reclaimed, and no guard is left, on %s",
    async ([, rules], context) => {
      const disk = standIn(context, ...rules);
      const { folder, env } = disk;
      const sessionFile = sessionIn(disk);
      const dying = await startHolding(sessionFile, { env });
      await dying.kill();
      expect(await tryElsewhere(sessionFile, { env })).toEqual({ kind: "released" });
      expect(readdirSync(folder)).toEqual([]);
      const another = await startHolding(sessionFile, { env });
      await another.kill();
      expect(await sweepElsewhere(disk)).toEqual([{ removed: true, keptReason: null }]);
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe("a guard that another process is in", () => {
  test.for([
    ["NFSv4", NFS],
    ["SMB", SMB],
  ] as const)(
    "a guard that another process is in is busy, not an error, on %s",
    async ([, rules], context) => {
      const { folder, env } = standIn(context, ...rules);
      const counter = join(folder, "counter");
      writeFileSync(counter, "0");
      const rounds = 40;
      const script = `
      ${importCompiled("tryEnterGuardFile", "lock/protocol/guard-file.js")}
      ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
      import { readFileSync, writeFileSync } from "node:fs";
      const pause = new Int32Array(new SharedArrayBuffer(4));
      const met = {};
      for (let done = 0; done < ${rounds}; ) {
        const guard = tryEnterGuardFile(${JSON.stringify(join(folder, "s.jsonl.lock"))}, realLockFs);
        met[guard.kind] = true;
        Atomics.wait(pause, 0, 0, Math.random() * 2);
        if (guard.kind !== "entered") continue;
        const counter = ${JSON.stringify(counter)};
        writeFileSync(counter, String(Number(readFileSync(counter, "utf8")) + 1));
        guard.leave();
        done++;
      }
      console.log(JSON.stringify(Object.keys(met).sort()));`;
      const met = await Promise.all(Array.from({ length: 4 }, () => runNode(script, { env })));
      expect(readFileSync(counter, "utf8")).toBe(String(4 * rounds));
      expect(new Set(met.flat())).toEqual(new Set(["busy", "entered"]));
    },
  );
});

describe("NFS repeats calls", () => {
  test("a repeated link makes the publisher's own lock: it is had at once, not waited for", async (context) => {
    const disk = standIn(context, "nfs", "repeats-links");
    const holder = await startHolding(sessionIn(disk), { env: disk.env, timeoutMs: 1000 });
    expect(readdirSync(disk.folder)).toEqual(["s.jsonl.lock"]);
    expect(await holder.release()).toEqual({ kind: "released" });
  });

  test("a repeated creation is tried again under another name, and leaves nothing", async (context) => {
    const disk = standIn(context, "nfs", "repeats-creations");
    // Here each one is repeated: so the caller is told.
    expect(await tryElsewhere(sessionIn(disk), { env: disk.env })).toMatchObject({
      name: "SessionWriteLockFileError",
      cause: { code: "EEXIST" },
    });
    expect(readdirSync(disk.folder)).toEqual([]);
  });

  test.for<[string, Rule]>([
    ["a repeated unlink", "repeats-unlinks"],
    ["an unlink whose answer is lost", "loses-unlinks"],
  ])("%s is a removal: nothing is lost, and nothing waited for", async ([, rule], context) => {
    const disk = standIn(context, "nfs", rule);
    const { env, folder } = disk;
    const holder = await startHolding(sessionIn(disk), { env });
    const { ms, result } = await timed(() => holder.release());
    expect(result).toEqual({ kind: "released" });
    expect(ms).toBeLessThan(AT_ONCE_MS);
    const dying = await startHolding(sessionIn(disk), { env });
    await dying.kill();
    expect(await sweepElsewhere(disk)).toEqual([{ removed: true, keptReason: null }]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a lock that is renamed aside by a repeated call is gone", async (context) => {
    const disk = standIn(context, "nfs", "repeats-renames");
    const lockPath = join(disk.folder, "s.jsonl.lock");
    writeFileSync(lockPath, "{}");
    const attempt = await runNode(
      `${importCompiled("moveAside", "lock/protocol/remove.js")}
       ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
       console.log(JSON.stringify(moveAside(${JSON.stringify(lockPath)}, realLockFs)));`,
      { env: disk.env },
    );
    expect(attempt).toEqual({ kind: "removed" });
    expect(readdirSync(disk.folder)).toEqual([]);
  });
});

/** Which file the guard of a lock is, by what the disk's rules are. */
const GUARDS: readonly (readonly [string, readonly Rule[], string])[] = [
  ["the lock itself", [], ".lock"],
  ["a guard file", ["no-ofd-locks"], ".lock.guard"],
];

describe.for(GUARDS)("a guard that is refused: %s", ([, rules, guard]) => {
  test.for<[string, Rule, string]>([
    ["out of locks", "refuses-locks", "ENOLCK"],
    ["all locks gone", "no-locks", "ENOTSUP"],
  ])("a refused guard does not allow a write: %s", async ([, rule, code], context) => {
    const disk = standIn(context, ...rules);
    const holder = await startHolding(sessionIn(disk), { env: disk.env });
    expect(payloadIn(disk)).toHaveProperty("kernelLock");
    expect(await holder.write()).toEqual({ kind: "written" });
    disk.behave(...rules, rule);
    expect(await holder.write()).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "flock",
      cause: { code, path: `${sessionIn(disk)}${guard}` },
    });
    expect(readFileSync(sessionIn(disk), "utf8")).toBe("written\n");
    disk.behave(...rules);
    expect(await holder.write()).toEqual({ kind: "written" });
    expect(await holder.release()).toEqual({ kind: "released" });
  });

  test("a release whose guard is refused waits for it", async (context) => {
    const disk = standIn(context, ...rules);
    const holder = await startHolding(sessionIn(disk), { env: disk.env });
    disk.behave(...rules, "refuses-locks");
    const released = holder.release();
    // An unguarded release would have been over with the first one.
    await waitFor("the guard to be refused a few times", () => disk.refusals() > 3);
    expect(existsSync(`${sessionIn(disk)}.lock`)).toBe(true);
    disk.behave(...rules);
    expect(await released).toEqual({ kind: "released" });
    expect(existsSync(`${sessionIn(disk)}.lock`)).toBe(false);
  });

  test("a release whose guard is refused for good leaves the lock for others, who see that it is free", async (context) => {
    const disk = standIn(context, ...rules);
    const holder = await startHolding(sessionIn(disk), { env: disk.env });
    disk.behave(...rules, "refuses-locks");
    let told = "";
    holder.process.stderr?.on("data", (text: string) => (told += text));
    expect(await holder.release()).toEqual({ kind: "released" });
    expect(told).toContain(`left for others to remove: ${sessionIn(disk)}.lock (ENOLCK)`);
    disk.behave(...rules);
    expect(await tryElsewhere(sessionIn(disk), { env: disk.env })).toEqual({ kind: "released" });
  });

  test("a reclaim whose guard is refused fails with an error that names the guard, and the lock stays", async (context) => {
    const disk = standIn(context, ...rules);
    const dying = await startHolding(sessionIn(disk), { env: disk.env });
    await dying.kill();
    disk.behave(...rules, "refuses-locks");
    const left = payloadIn(disk);
    // A local disk whose locks are refused says nothing of who holds them; the dead pid does.
    expect(await tryElsewhere(sessionIn(disk), { env: disk.env })).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "flock",
      cause: { code: "ENOLCK", path: `${sessionIn(disk)}${guard}` },
    });
    expect(await sweepElsewhere(disk)).toEqual([
      { removed: false, keptReason: "error", error: "ENOLCK" },
    ]);
    expect(payloadIn(disk)).toEqual(left);
    disk.behave(...rules);
    expect(await tryElsewhere(sessionIn(disk), { env: disk.env })).toEqual({ kind: "released" });
  });
});

test("a dead owner's lock is taken over on FUSE although the name of its guard is remembered there", async (context) => {
  requireProgram(context, "bindfs");
  const place = await mountPrivately(
    context,
    `mkdir shared mounted
     bindfs -o entry_timeout=3,attr_timeout=0,hard_remove shared mounted
     trap 'umount --lazy mounted' EXIT
     touch shared/s.jsonl`,
  );
  const { folder, prefix } = place;
  const sessionFile = join(folder, "mounted/s.jsonl");
  const holder = await startHolding(sessionFile, { prefix });
  await holder.kill();
  await place.run(`touch shared/s.jsonl.lock.guard
    stat mounted/s.jsonl.lock.guard >stat
    rm shared/s.jsonl.lock.guard`);
  expect(await tryElsewhere(sessionFile, { prefix, timeoutMs: 60_000 })).toEqual({
    kind: "released",
  });
  expect(readdirSync(join(folder, "shared"))).toEqual(["s.jsonl"]);
});
