/** Real file systems that refuse: a typed error that names what was refused and where, and nothing left behind. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { cleanStaleLockFiles, sweepDirectory } from "../../../lib/session-lock/sweep/sweep.js";
import { resolveSweepOptions } from "../../../lib/session-lock/sweep/options.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { enterGuardOf } from "../../support/locks/enter-guard.js";
import { runNode } from "../../support/processes/child.js";
import { endedPid } from "../../support/locks/lock-directory.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import {
  type MountNamespace,
  mountPrivately,
  tryToMount,
} from "../../support/processes/mount-namespace.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../../support/require.js";
import { standIn } from "../../support/processes/stand-in.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";
import { waitFor } from "../../support/wait-for.js";

/** The names in a folder and its folders, as those inside see them. */
async function namesIn(folder: string, { prefix }: MountNamespace): Promise<unknown> {
  return await runNode(
    `import { readdirSync } from "node:fs";
     console.log(JSON.stringify(readdirSync(${JSON.stringify(folder)}, { recursive: true })));`,
    { prefix },
  );
}

describe("file errors", () => {
  test.for<[string, { mount: string; syscall: string; code: string }]>([
    [
      "a read-only file system",
      { mount: "mkdir disk/sessions; mount -o remount,ro disk", syscall: "open", code: "EROFS" },
    ],
    [
      "a read-only bind mount",
      {
        mount: "mkdir disk/sessions; mount --bind disk disk; mount -o remount,ro,bind disk",
        syscall: "open",
        code: "EROFS",
      },
    ],
    [
      "a read-only file system without the directory",
      { mount: "mount -o remount,ro disk", syscall: "mkdir", code: "EROFS" },
    ],
    [
      "a full disk",
      {
        mount: "mkdir disk/sessions; dd if=/dev/zero of=disk/full bs=4k 2>/dev/null || :",
        syscall: "write",
        code: "ENOSPC",
      },
    ],
    [
      "no inodes left",
      {
        mount: `mkdir disk/sessions; n=0
          while touch disk/sessions/$n 2>/dev/null; do n=$((n + 1)); done; rm disk/sessions/0; mkdir disk/last`,
        syscall: "open",
        code: "ENOSPC",
      },
    ],
  ])(
    "a file error names the call and its code: %s",
    async ([, { mount, syscall, code }], context) => {
      const disk = "mkdir disk; mount -t tmpfs -o size=64k,nr_inodes=16 tmpfs disk";
      const place = await mountPrivately(context, `${disk}\n${mount}`);
      const root = join(place.folder, "disk");
      const sessions = join(root, "sessions");
      const { prefix } = place;
      const before = await namesIn(root, place);
      const refusal = await tryElsewhere(join(sessions, "s.jsonl"), { prefix });
      expect(refusal).toMatchObject({
        name: "SessionWriteLockFileError",
        syscall,
        cause: { code },
      });
      expect(refusal.message).toContain(join(sessions, "s.jsonl.lock"));
      expect(await namesIn(root, place)).toEqual(before);
    },
  );

  test("a file error of a directory that fills up is over when there is room again", async (context) => {
    const place = await mountPrivately(
      context,
      `mkdir disk; mount -t tmpfs -o size=64k tmpfs disk
       dd if=/dev/zero of=disk/full bs=4k 2>/dev/null || :`,
    );
    const { folder, prefix } = place;
    const sessionFile = join(folder, "disk/s.jsonl");
    expect(await tryElsewhere(sessionFile, { prefix })).toMatchObject({
      cause: { code: "ENOSPC" },
    });
    await place.run("rm disk/full");
    const holder = await startHolding(sessionFile, { prefix });
    // A release needs no room: the guard is empty.
    await place.run("dd if=/dev/zero of=disk/full bs=4k 2>/dev/null || :");
    expect(await holder.release()).toEqual({ kind: "released" });
    expect(await namesIn(join(folder, "disk"), place)).toEqual(["full"]);
  });

  test("a directory without permission is a file error", async (context) => {
    requireLinux(context, "setpriv");
    requireRoot(context, "to be without rights");
    requireNative(context);
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    const otherUser = { ...readablePackage(), prefix: AS_NOBODY };
    const refusal = await tryElsewhere(join(folder, "s.jsonl"), otherUser);
    expect(refusal).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "open",
      cause: { code: "EACCES" },
    });
    expect(refusal.message).toContain(join(folder, "s.jsonl.lock"));
    expect(await tryElsewhere(join(folder, "new/s.jsonl"), otherUser)).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "mkdir",
      cause: { code: "EACCES" },
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a path that leads through a file is a file error", async (context) => {
    requirePosix(context, "its own code for that");
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    const sessionFile = join(folder, "file", "s.jsonl");
    await expect(acquireSessionWriteLock({ sessionFile, env: {} })).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_FILE",
      lockPath: `${sessionFile}.lock`,
      cause: { code: expect.stringMatching(/^(?:ENOTDIR|EEXIST)$/u) as string },
    });
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test("a name that is too long is a file error", async (context) => {
    requirePosix(context, "its own limits");
    const folder = temporaryFolder();
    const sessionFile = join(folder, `${"x".repeat(245)}.jsonl`);
    await expect(acquireSessionWriteLock({ sessionFile, env: {} })).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_FILE",
      lockPath: `${sessionFile}.lock`,
      syscall: "open",
      cause: { code: "ENAMETOOLONG" },
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a directory in the lock's place is no file error: it is kept and waited for", async () => {
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    mkdirSync(`${sessionFile}.lock`);
    await expect(
      acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 100 }),
    ).rejects.toMatchObject({ code: "SESSION_WRITE_LOCK_TIMEOUT", owner: "owner=unknown" });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });
});

test(
  "a lock on a real file system without hard links is acquired, waited for, taken over and released",
  { timeout: 60_000 },
  async (context) => {
    // The kernel's own vfat, else exFAT by a daemon (FUSE), which is all that some kernels can do.
    const place = await tryToMount(
      context,
      `truncate -s 16M image; mkdir disk
       { mkfs.vfat image >&2 && mount -t vfat -o loop image disk; } ||
       { mkfs.exfat image >&2 && mount -t exfat-fuse -o loop image disk; }
       : >disk/a; if ln disk/a disk/b; then exit 1; fi; rm disk/a`,
    );
    if (typeof place === "string") return context.skip(`needs a FAT file system: ${place}`);
    const { folder, prefix } = place;
    const sessionFile = join(folder, "disk/s.jsonl");
    const holder = await startHolding(sessionFile, { prefix });
    expect(await namesIn(join(folder, "disk"), place)).toEqual(["s.jsonl.lock"]);
    expect(await tryElsewhere(sessionFile, { prefix })).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(`^pid=${holder.pid} alive=true `) as string,
    });
    expect(await holder.release()).toEqual({ kind: "released" });
    expect(await namesIn(join(folder, "disk"), place)).toEqual([]);
    const dying = await startHolding(sessionFile, { prefix });
    await dying.kill();
    expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
    const overdue = await startHolding(sessionFile, { prefix, maxHoldMs: 1 });
    expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
    await overdue.kill();
    // FUSE keeps an unlinked file under a hidden name until its last user is gone.
    await waitFor("an empty directory", async () => {
      const names = await namesIn(join(folder, "disk"), place);
      return Array.isArray(names) && names.length === 0;
    });
  },
);

describe("kernel locks that are refused", () => {
  /** Kernel locks as a file system without them, or a kernel that has run out of them, answers. */
  function refusing(code: string): LockFs {
    const refuse: LockFs["tryExclusive"] = () => ({ refused: code });
    return {
      ...realLockFs,
      tryExclusive: refuse,
      probe: refuse,
      tryOwn: refuse,
      probeOwner: refuse,
    };
  }

  test.for([
    ["ENOTSUP", "none here"],
    ["EOPNOTSUPP", "none here"],
    ["EINVAL", "none here"],
    ["ENOSYS", "none for this process"],
    ["ENOLCK", "none just now"],
    ["EIO", "none just now"],
  ] as const)(
    "a kernel lock refused with %s (%s) is not claimed, others' locks stay, and the holder's is released",
    async ([code, meaning], context) => {
      requirePosix(context, "Windows has a guard without them");
      const fs = refusing(code);
      const folder = temporaryFolder();
      const plan = resolveAcquireOptions({
        sessionFile: join(folder, "s.jsonl"),
        env: {},
        timeoutMs: 2000,
      });
      const lock = await acquireLock(plan, fs);
      const reading: unknown = (await cleanStaleLockFiles({ sessionsDir: folder, env: {} })).counts;
      expect(reading).toMatchObject({ total: 1, stale: 0, removed: 0 });
      const payload = JSON.parse(readFileSync(lock.lockPath, "utf8")) as Record<string, unknown>;
      expect(payload).toMatchObject({ pid: process.pid, nonce: expect.any(String) as string });
      expect(payload).not.toHaveProperty("kernelLock");
      expect(lock.withFence(() => "written")).toBe("written");
      await lock.release();
      // Where others may have locks another process may be in the guard: its file stays.
      const left = meaning === "none here" ? [] : ["s.jsonl.lock.guard"];
      expect(readdirSync(folder)).toEqual(left);

      const dead = writePlainLock(folder, "s", { pid: await endedPid() });
      const before = readFileSync(dead, "utf8");
      await expect(acquireLock(plan, fs)).rejects.toMatchObject(
        meaning !== "none just now"
          ? {
              code: "SESSION_WRITE_LOCK_STALE",
              staleReasons: ["dead-pid"],
              keptReason: "no-guard",
            }
          : { code: "SESSION_WRITE_LOCK_FILE", syscall: "flock", cause: { code } },
      );
      const swept = await sweepDirectory(resolveSweepOptions({ sessionsDir: folder, env: {} }), fs);
      expect(swept.locks).toMatchObject([
        { removed: false, keptReason: meaning === "none just now" ? "error" : "no-guard" },
      ]);
      expect(readFileSync(dead, "utf8")).toBe(before);
    },
  );

  test("a file system that refuses the guard only, and only by now, is an error to a holder that is its own guard", async (context) => {
    requireLinux(context, "a lock that is its own guard");
    requireNative(context);
    const folder = temporaryFolder();
    const options = { sessionFile: join(folder, "s.jsonl"), env: {} };
    for (const code of ["ENOLCK", "ENOTSUP", "ENOSYS", "EIO"]) {
      const fs = { ...realLockFs, tryExclusive: () => ({ refused: code }) };
      const lock = await acquireLock(resolveAcquireOptions(options), fs);
      expect(readFileSync(lock.lockPath, "utf8")).toContain('"guard": "inode"');
      const write = vi.fn();
      expect(() => lock.withFence(write)).toThrow(
        expect.objectContaining({
          code: "SESSION_WRITE_LOCK_FILE",
          syscall: "flock",
          cause: expect.objectContaining({ code, path: lock.lockPath }) as unknown,
        }) as Error,
      );
      expect(write).not.toHaveBeenCalled();
      const told = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
      await lock.release();
      expect(told.mock.calls.flat().join("")).toContain(
        `left for others to remove: ${lock.lockPath} (${code})`,
      );
      told.mockRestore();
      await (await acquireSessionWriteLock(options)).release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  test("a sandbox that knows no open-file-description locks makes locks that all others understand", async (context) => {
    requireLinux(context, "two kinds of kernel locks");
    const { folder, env } = standIn(context, "no-ofd-locks");
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile, { env, maxHoldMs: 60_000 });
    const payload = JSON.parse(readFileSync(`${sessionFile}.lock`, "utf8")) as object;
    expect(payload).toHaveProperty("kernelLock");
    expect(payload).not.toHaveProperty("guard");
    const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
    expect(locks).toMatchObject([{ ownerReason: "kernel-lock-held", removed: false }]);
    expect(await holder.write()).toEqual({ kind: "written" });
    // Its guard is a file for the others, too.
    const leave = enterGuardOf(`${sessionFile}.lock`);
    expect(readdirSync(folder)).toContain("s.jsonl.lock.guard");
    expect(await holder.write()).toMatchObject({ name: "SessionWriteLockTimeoutError" });
    leave();
    await holder.kill();
    const seen: string[] = [];
    const plan = resolveSweepOptions({ sessionsDir: folder, env: {} });
    const unlink: LockFs["unlink"] = (path) => {
      seen.push(...readdirSync(folder));
      realLockFs.unlink(path);
    };
    const swept = await sweepDirectory(plan, { ...realLockFs, unlink });
    expect(swept.locks).toMatchObject([{ ownerReason: "kernel-lock-free", removed: true }]);
    expect(seen).toContain("s.jsonl.lock.guard");
    expect(readdirSync(folder)).toEqual(["s.jsonl"]);
  });

  test("a sandbox that cannot ask who owns a lock leaves a live owner's alone, and reclaims a dead one's", async (context) => {
    requireLinux(context, "two kinds of kernel locks");
    const { folder, env } = standIn(context, "no-ofd-locks");
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    expect(await tryElsewhere(sessionFile, { env })).toMatchObject({
      name: "SessionWriteLockTimeoutError",
    });
    expect(await holder.write()).toEqual({ kind: "written" });
    await holder.kill();
    expect(await tryElsewhere(sessionFile, { env })).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual(["s.jsonl"]);
  });

  test("a holder past its limit whose kernel lock was refused is not displaced, for it has no fence", async (context) => {
    requirePosix(context, "Windows has a guard without them");
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const options = { sessionFile, env: {}, maxHoldMs: 1 };
    const lock = await acquireLock(resolveAcquireOptions(options), refusing("ENOLCK"));
    // Another process could lock: what counts is what the holder has.
    expect(await tryElsewhere(sessionFile)).toMatchObject({ name: "SessionWriteLockTimeoutError" });
    lock.assertHeld();
    await lock.release();
    expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});
