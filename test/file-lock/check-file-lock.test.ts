import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { checkFileLock, type FileLockStatus } from "../../lib/file-lock/check-file-lock.js";
import { tokenHost } from "../../lib/process/identity.js";
import { environmentFor } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist, startHolder } from "../support/locks/lock-holder.js";
import { asOrdinaryUser, requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

function fileIn(folder: string): string {
  return join(folder, "ledger.csv");
}

const FREE: Omit<FileLockStatus, "path" | "lockPath"> = {
  locked: false,
  available: true,
  holder: null,
  staleReasons: [],
  keptReason: null,
  obstacle: null,
  error: null,
};

/** Everything that a look could have changed. */
function snapshot(folder: string): unknown {
  return readdirSync(folder).map((name) => {
    const { ino, mtimeNs, ctimeNs, size } = statSync(join(folder, name), { bigint: true });
    return { name, ino, mtimeNs, ctimeNs, size };
  });
}

test("a look at a file without a lock finds it free and makes no folder", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "no", "such", "folder", "ledger.csv");
  expect(await checkFileLock({ path })).toEqual({ path, lockPath: `${path}.lock`, ...FREE });
  expect(readdirSync(folder)).toEqual([]);
});

test("a look at a held lock tells who holds it, since when and by which evidence, and changes nothing", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const path = fileIn(folder);
  const holder = await startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquireFileLock", "file-lock/index.js")}
      await acquireFileLock({ path: ${JSON.stringify(path)}, label: "nightly", maxHoldMs: 600_000 });
      console.log(p.identifyProcess());
      process.stdin.resume();`),
  );
  const before = snapshot(folder);
  const said = JSON.parse(readFileSync(`${path}.lock`, "utf8")) as {
    readonly createdAt: string;
    readonly starttime: number;
  };
  const status = await checkFileLock({ path });
  expect(status).toEqual({
    path,
    lockPath: `${path}.lock`,
    ...FREE,
    locked: true,
    available: false,
    holder: {
      pid: holder.pid,
      alive: true,
      state: "same",
      reason: expect.stringMatching(/^(?:kernel-lock-held|running)$/u) as string,
      kernelLock: expect.any(String) as string,
      acquiredAt: said.createdAt,
      ageMs: expect.any(Number) as number,
      maxHoldMs: 600_000,
      startTime: said.starttime,
      token: holder.first,
      hostId: tokenHost().hostDigest,
      label: "nightly",
    },
  });
  expect(snapshot(folder)).toEqual(before);
});

test("a look at a killed holder's lock finds it free to be taken, says why, and leaves it there", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const path = fileIn(folder);
  const holder = await startHolder(`${path}.lock`);
  await holder.kill("SIGKILL");
  const before = snapshot(folder);
  expect(await checkFileLock({ path })).toMatchObject({
    locked: false,
    available: true,
    holder: { pid: holder.pid, state: "gone" },
    staleReasons: ["dead-pid"],
    keptReason: null,
  });
  expect(snapshot(folder)).toEqual(before);
  await (await acquireFileLock({ path, timeoutMs: 0 })).release();
});

test("a look at an overdue holder's lock finds it held and free to be taken", async (context) => {
  requireNative(context);
  const path = fileIn(temporaryFolder());
  const fields = { createdAt: "2001-01-01T00:00:00.000Z", monotonicMs: 0, maxHoldMs: 1 };
  const holder = await startHolder(`${path}.lock`, { fields });
  expect(await checkFileLock({ path })).toMatchObject({
    locked: true,
    available: true,
    holder: { pid: holder.pid, state: "same", maxHoldMs: 1 },
    staleReasons: ["hold-exceeded"],
  });
});

test("a look at a lock that this very process holds says so", async () => {
  const path = fileIn(temporaryFolder());
  await using lock = await acquireFileLock({ path });
  expect(await checkFileLock({ path })).toMatchObject({
    lockPath: lock.lockPath,
    locked: true,
    available: false,
    holder: { pid: process.pid, state: "same", reason: "held-here" },
  });
});

describe("what is in the way of a look", () => {
  test("a look at a directory in the lock's place names it as another library's", async () => {
    const path = fileIn(temporaryFolder());
    mkdirSync(`${path}.lock`);
    expect(await checkFileLock({ path })).toMatchObject({
      locked: true,
      available: false,
      holder: null,
      obstacle: "directory",
      error: null,
    });
    expect(existsSync(`${path}.lock`)).toBe(true);
  });

  test("a look at another program's file says that it is no lock", async () => {
    const path = fileIn(temporaryFolder());
    writeFileSync(`${path}.lock`, "dear diary");
    utimesSync(`${path}.lock`, 1e9, 1e9);
    expect(await checkFileLock({ path })).toMatchObject({
      locked: false,
      available: false,
      holder: null,
      obstacle: "no-lock",
    });
  });

  test("a look at a lock that may not be read says what the system said", async (context) => {
    requirePosix(context, "file modes");
    const user = asOrdinaryUser(context);
    const folder = temporaryFolder();
    const path = fileIn(folder);
    writeFileSync(`${path}.lock`, "4711\n");
    chmodSync(`${path}.lock`, 0o000);
    chmodSync(folder, 0o755);
    const script = `
      ${importDist("checkFileLock", "file-lock/index.js")}
      if (${JSON.stringify(user.gid ?? null)} !== null) {
        process.setgroups([]); process.setgid(${String(user.gid)}); process.setuid(${String(user.uid)});
      }
      const { error, ...status } = await checkFileLock({ path: ${JSON.stringify(path)} });
      console.log(JSON.stringify({ ...status, code: error.code }));`;
    expect(await runNode(script)).toMatchObject({
      locked: true,
      available: false,
      obstacle: "unreadable",
      code: "EACCES",
    });
  });

  test("a look at a FIFO or a symbolic link in the lock's place does not wait and follows nothing", async (context) => {
    requirePosix(context, "FIFOs");
    const folder = temporaryFolder();
    const path = fileIn(folder);
    expect(spawnSync("mkfifo", [`${path}.lock`]).status).toBe(0);
    expect(await checkFileLock({ path })).toMatchObject({ obstacle: "unreadable" });
    const other = join(folder, "other");
    writeFileSync(join(folder, "target"), "1\n");
    symlinkSync(join(folder, "target"), `${other}.lock`);
    expect(await checkFileLock({ path: other })).toMatchObject({ obstacle: "unreadable" });
  });

  test("a look at a lock that may still be being written finds it locked, and later free to be taken", async (context) => {
    requireNative(context);
    const path = fileIn(temporaryFolder());
    writeFileSync(`${path}.lock`, "");
    expect(await checkFileLock({ path })).toMatchObject({
      locked: true,
      available: false,
      holder: null,
      staleReasons: ["missing-pid", "invalid-createdAt"],
      keptReason: "in-grace",
    });
    const longAgo = Date.now() / 1000 - 60;
    utimesSync(`${path}.lock`, longAgo, longAgo);
    expect(await checkFileLock({ path })).toMatchObject({ locked: false, available: true });
  });
});

test("a look at a dead owner's lock says that nothing can take it where the addon is missing", async (context) => {
  requirePosix(context, "Windows has a guard without the addon");
  const path = fileIn(temporaryFolder());
  writeFileSync(`${path}.lock`, `${String(await endedPid())}\n`);
  const script = `
    ${importDist("checkFileLock", "file-lock/index.js")}
    console.log(JSON.stringify(await checkFileLock({ path: ${JSON.stringify(path)} })));`;
  const env = { ...environmentFor("native"), PIDENTITY_NATIVE_PATH: "/nowhere/addon.node" };
  expect(await runNode(script, { env })).toMatchObject({
    locked: false,
    available: false,
    holder: { state: "gone" },
    keptReason: "no-guard",
  });
});

test("a look follows the same route as the acquisition: links, other places, relative paths and URLs", async (context) => {
  requirePosix(context, "symbolic links");
  const folder = temporaryFolder();
  const path = fileIn(folder);
  writeFileSync(path, "");
  const link = join(folder, "link.csv");
  symlinkSync(path, link);
  const elsewhere = join(folder, "elsewhere.lck");
  await using lock = await acquireFileLock({ path });
  expect(await checkFileLock({ path: link })).toMatchObject({
    lockPath: lock.lockPath,
    locked: true,
  });
  expect(await checkFileLock({ path: link, resolveLinks: false })).toMatchObject({
    lockPath: `${link}.lock`,
    locked: false,
  });
  expect(await checkFileLock({ path, lockPath: elsewhere })).toMatchObject({
    lockPath: elsewhere,
    locked: false,
  });
  const routes = [relative(process.cwd(), path), pathToFileURL(path)];
  for (const route of routes) {
    expect(await checkFileLock({ path: route })).toMatchObject({
      lockPath: lock.lockPath,
      locked: true,
    });
  }
});

test("a look takes another way to a command line, and the caller's rule for it", async (context) => {
  requireNative(context);
  const path = fileIn(temporaryFolder());
  const { pid } = await liveOwner();
  writeFileSync(`${path}.lock`, `${String(pid)}\n`);
  expect(await checkFileLock({ path })).toMatchObject({ locked: true, holder: { pid } });
  const judged = await checkFileLock({
    path,
    readOwnerProcessArgs: () => Promise.resolve(["/usr/bin/stranger"]),
    isOwnerArgv: (args) => args[0] !== "/usr/bin/stranger",
  });
  expect(judged).toMatchObject({
    locked: false,
    available: true,
    staleReasons: ["non-openclaw-owner"],
  });
  expect(await checkFileLock({ path, plainLocks: "keep" })).toMatchObject({
    locked: true,
    holder: { reason: "plain-lock" },
  });
});
