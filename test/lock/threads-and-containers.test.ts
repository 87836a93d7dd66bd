/** Owners that look like this process: other threads of this process, and containers, whose pid is always the same. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { expect, onTestFinished, test } from "vitest";

import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { nodeArguments, type RunningChild, startReady } from "../support/processes/child.js";
import { importDist } from "../support/locks/lock-holder.js";
import { requireNative, requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const ACQUIRE = importDist("acquireSessionWriteLock", "session-lock/index.js");
const SWEEP = importDist("cleanStaleLockFiles", "session-lock/index.js");

function startWorker(script: string, folder: string): Worker {
  const code = `import { parentPort, workerData as folder } from "node:worker_threads";\n${script}`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: folder,
  });
  onTestFinished(async () => void (await worker.terminate()));
  return worker;
}

function messageOf(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

test("the main thread's lock survives a worker's sweep, acquire and exit", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, env: {} });
  const worker = startWorker(
    `${ACQUIRE} ${SWEEP}
     const { counts } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
     const refused = await acquireSessionWriteLock({ sessionFile: folder + "/s.jsonl", timeoutMs: 150, env: {} })
       .catch((error) => error.code);
     parentPort.postMessage([counts.removed, refused]);`,
    folder,
  );
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  expect(await messageOf(worker)).toEqual([0, "SESSION_WRITE_LOCK_TIMEOUT"]);
  await ended;
  lock.assertHeld();
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test("a worker's lock survives the main thread, and is free when the worker is terminated", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const worker = startWorker(
    `${ACQUIRE}
     await acquireSessionWriteLock({ sessionFile: folder + "/s.jsonl", env: {} });
     parentPort.postMessage("holding");
     setInterval(() => {}, 1e6);`,
    folder,
  );
  expect(await messageOf(worker)).toBe("holding");
  const { counts } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  expect(counts.removed).toBe(0);
  await expect(acquireSessionWriteLock({ sessionFile, timeoutMs: 150, env: {} })).rejects.toThrow(
    "session file locked",
  );
  await worker.terminate();
  const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 5000, env: {} });
  expect(existsSync(lock.lockPath)).toBe(true);
  await lock.release();
});

/** A process that says "trying", acquires, says "holding" and stays, as pid 1 of a namespace of its own. */
function startContainer(sessionFile: string): Promise<RunningChild> {
  const script = `
    ${ACQUIRE}
    console.log("trying " + process.pid);
    await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)}, env: {}, timeoutMs: 20_000 });
    console.log("holding");
    setInterval(() => {}, 1e6);`;
  const inside = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath];
  return startReady("unshare", [...inside, ...nodeArguments(script)]);
}

test("containers on one volume: the same pid is not the same owner, and death frees the lock", async (context) => {
  requireRoot(context, "makes pid namespaces");
  requireNative(context);
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const lockPath = `${sessionFile}.lock`;
  const first = await startContainer(sessionFile);
  expect(await first.line()).toBe("holding");
  const written = readFileSync(lockPath, "utf8");
  expect((JSON.parse(written) as { pid: number }).pid).toBe(1);

  // The contender's own pid is 1, too, and alive; from here the lock's pid 1 is init.
  const second = await startContainer(sessionFile);
  await expect(acquireSessionWriteLock({ sessionFile, timeoutMs: 300, env: {} })).rejects.toThrow(
    "session file locked",
  );
  const { counts } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  expect(counts.removed).toBe(0);
  expect(readFileSync(lockPath, "utf8")).toBe(written);

  await first.kill("SIGKILL");
  expect(await second.line()).toBe("holding");
  await second.kill("SIGKILL");

  // A restarted container takes over at once what its predecessor of the same pid left.
  const third = await startContainer(sessionFile);
  expect(await third.line()).toBe("holding");
});
