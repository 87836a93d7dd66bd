/** What the kernel tells a waiter of a lock file, without being asked. */
import { chmodSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { FileWatcher } from "../../lib/lock/file-watcher.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { startAcquirer, startHolding } from "../support/locks/acquirer.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { startReady } from "../support/processes/child.js";
import { requireLinux, requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

function watchFile(path: string, fs: LockFs = realLockFs): { told: number; watcher: FileWatcher } {
  const seen = { told: 0, watcher: new FileWatcher(path, fs, () => seen.told++) };
  onTestFinished(() => seen.watcher.close());
  return seen;
}

test("a waiter is told that the holder of a lock was killed, although its file stays as it was", async (context) => {
  requireNative(context);
  requireLinux(context, "inotify tells that a file was closed");
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const lockPath = `${sessionFile}.lock`;
  const holder = await startHolding(sessionFile);
  const content = readFileSync(lockPath);
  const seen = watchFile(lockPath);
  expect(seen.watcher.tellsCloses).toBe(true);
  expect(seen.told).toBe(0);
  await holder.kill();
  await waitFor("being told", () => seen.told > 0);
  expect(readFileSync(lockPath)).toEqual(content);
});

test("the threads of one process that wait for one lock are all told of its holder's death", async (context) => {
  requireNative(context);
  requireLinux(context, "inotify tells that a file was closed");
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const holder = await startHolding(sessionFile);
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "worker.mjs"),
    `import { parentPort } from "node:worker_threads";
    ${importCompiled("FileWatcher", "lock/file-watcher.js")}
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    const path = ${JSON.stringify(`${sessionFile}.lock`)};
    const watcher = new FileWatcher(path, realLockFs, () => parentPort.postMessage("told"));
    parentPort.postMessage(watcher.tellsCloses ? "watching" : "watching in vain");
    setInterval(() => {}, 1e6);`,
  );
  const main = join(folder, "main.mjs");
  writeFileSync(
    main,
    `import { Worker } from "node:worker_threads";
    const told = new Set();
    let watching = 0;
    for (const thread of [1, 2, 3]) {
      const worker = new Worker(new URL("worker.mjs", import.meta.url));
      worker.on("message", (what) => {
        if (what === "told") told.add(thread);
        else if (what === "watching") watching++;
        else console.log(what);
        if (watching === 3 && told.size === 0) console.log(what);
        if (told.size === 3) console.log("all told");
      });
    }`,
  );
  const waiters = await startReady(process.execPath, [main]);
  expect(waiters.first).toBe("watching");
  await holder.kill();
  expect(await waiters.line()).toBe("all told");
});

test("what another waiter does at a lock tells nothing, or waiters would keep waking each other", async (context) => {
  requireNative(context);
  requireLinux(context, "inotify tells that a file was closed");
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  await startHolding(sessionFile);
  const seen = watchFile(`${sessionFile}.lock`);
  expect(seen.watcher.tellsCloses).toBe(true);
  const waiter = await startAcquirer(sessionFile, { timeoutMs: 300 });
  expect(await waiter.outcome()).toMatchObject({ name: "SessionWriteLockTimeoutError" });
  // Events arrive in order: this one, which does tell, after whatever those have told.
  chmodSync(`${sessionFile}.lock`, 0o400);
  await waitFor("the change of mode", () => seen.told > 0);
  expect(seen.told).toBe(1);
});

test.each<[string, Partial<LockFs>]>([
  // linux/magic.h NFS_SUPER_MAGIC: the holder may be another machine's process.
  ["a network's file system", { fileSystemTypeOf: () => 0x6969 }],
  ["a file system that is not known", { fileSystemTypeOf: () => 0x1234_5678 }],
  ["a lock that may not be read", { openForReading: refuse }],
])("nothing is expected to tell the end of a holder: %s", (_name, calls) => {
  const path = join(temporaryFolder(), "lock");
  writeFileSync(path, "");
  expect(watchFile(path, { ...realLockFs, ...calls }).watcher.tellsCloses).toBe(false);
});

function refuse(): never {
  throw Object.assign(new Error("EACCES: open"), { code: "EACCES" });
}

test("a lock that is gone has a watcher that tells nothing", () => {
  const path = join(temporaryFolder(), "absent", "lock");
  const seen = watchFile(path);
  expect(seen.watcher.tellsCloses).toBe(false);
  seen.watcher.close();
  expect(seen.told).toBe(0);
});

test("a watcher tells that a lock went, on every platform", async () => {
  const path = join(temporaryFolder(), "lock");
  writeFileSync(path, "");
  const seen = watchFile(path);
  unlinkSync(path);
  expect(await waitFor("being told", () => seen.told)).toBeGreaterThan(0);
});
