/** What is said of a lock that cannot be had, at the time it is said: this process's own above all. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import {
  acquireFileLock,
  acquireFileLockSync,
  FileLockTimeoutError,
} from "../../lib/file-lock/index.js";
import { resolveFileLockOptions } from "../../lib/file-lock/options.js";
import { WaitBudget } from "../../lib/lock/patience.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { DIST, runNode } from "../support/processes/child.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const HELD = /\(held by this process, taken at \d{4}-\d\d-\d\dT[\d:.]+Z\)/u;

test("a timeout behind this process's own lock says so, and since when", async () => {
  const path = join(temporaryFolder(), "a");
  const lock = await acquireFileLock({ path });
  const expected = { isOwnProcess: true, pid: process.pid, message: expect.stringMatching(HELD) };
  await expect(acquireFileLock({ path, timeoutMs: 0 })).rejects.toMatchObject(expected);
  expect(() => acquireFileLockSync({ path })).toThrow(expect.objectContaining(expected) as Error);
  await lock.release();
});

test("a timeout behind a session lock of this process says so", async () => {
  const sessionFile = join(temporaryFolder(), "a.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile });
  await expect(acquireSessionWriteLock({ sessionFile, timeoutMs: 0 })).rejects.toMatchObject({
    isOwnProcess: true,
    owner: expect.stringMatching(HELD) as string,
  });
  await lock.release();
});

test("a timeout behind a call of this process that waits itself does not call it held", async () => {
  const path = join(temporaryFolder(), "a");
  // A process that lives.
  writeFileSync(`${path}.lock`, String(process.ppid));
  const controller = new AbortController();
  const first = acquireFileLock({ path, signal: controller.signal });
  await expect(acquireFileLock({ path, timeoutMs: 0 })).rejects.toMatchObject({
    isOwnProcess: true,
    owner: expect.stringContaining("(this process, another call of which waits for it)") as string,
  });
  controller.abort();
  await expect(first).rejects.toMatchObject({ name: "AbortError" });
});

test("a timeout behind another process's lock does not say so", async () => {
  const path = join(temporaryFolder(), "a");
  writeFileSync(`${path}.lock`, String(process.ppid));
  await expect(acquireFileLock({ path, timeoutMs: 0 })).rejects.toMatchObject({
    isOwnProcess: false,
    pid: process.ppid,
  });
});

test("another thread's lock is this process's own", async (context) => {
  requireNative(context);
  const path = join(temporaryFolder(), "a");
  const told = await runNode(
    `import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    const entry = ${JSON.stringify(`${DIST}file-lock/index.js`)};
    const { acquireFileLock } = await import(entry);
    const path = ${JSON.stringify(path)};
    const lock = await acquireFileLock({ path });
    const worker = new Worker(
      \`import { parentPort } from "node:worker_threads";
      import(\${JSON.stringify(entry)})
        .then(({ acquireFileLock }) => acquireFileLock({ path: \${JSON.stringify(path)}, timeoutMs: 0 }))
        .then(() => null, ({ isOwnProcess, owner }) => ({ isOwnProcess, owner }))
        .then((told) => parentPort.postMessage(told));\`,
      { eval: true },
    );
    const [told] = await once(worker, "message");
    await lock.release();
    console.log(JSON.stringify(told));`,
  );
  expect(told).toEqual({ isOwnProcess: true, owner: expect.stringMatching(HELD) as string });
});

test("a timeout tells of the lock that is there then, not of the one that was seen before", () => {
  const path = join(temporaryFolder(), "a");
  const lockPath = `${path}.lock`;
  const plan = resolveFileLockOptions({ path, timeoutMs: 0 });
  const budget = new WaitBudget(lockPath, plan, realLockFs, -Infinity);
  budget.holder = { kind: "process", pid: 4_194_305, alive: false, ageMs: 1 };
  const thrown = (): unknown => {
    try {
      return budget.left();
    } catch (error) {
      return error;
    }
  };
  expect(thrown()).toBeInstanceOf(FileLockTimeoutError);
  expect(thrown()).toMatchObject({ owner: "owner=unknown", pid: null });
  writeFileSync(lockPath, String(process.ppid));
  expect(thrown()).toMatchObject({ pid: process.ppid });
  rmSync(lockPath);
  budget.holder = { kind: "guard", guardPath: "before" };
  expect(thrown()).toMatchObject({ owner: "owner=unknown" });
});
