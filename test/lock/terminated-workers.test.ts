/** A worker that is terminated runs nothing any more: what it held must be free all the same, on every runtime. */
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test, type TestContext } from "vitest";

import { type RunningChild, start } from "../support/processes/child.js";
import { endedOwner } from "../support/locks/lock-directory.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireRuntime,
  RUNTIMES,
} from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/**
 * A program that starts a worker, which runs `hold` (`file`: the session) and then stays, terminates it when it is
 * told "terminate", and acquires the session's lock when it is told "acquire"; it says "done" or why it could not.
 */
async function startProgram(
  context: TestContext,
  command: readonly string[],
  folder: string,
  { hold, options = {} }: { readonly hold: string; readonly options?: object },
): Promise<RunningChild> {
  requireNative(context);
  const file = JSON.stringify(join(folder, "s.jsonl"));
  const acquire = importCompiled("acquireSessionWriteLock", "session-lock/acquire.js");
  writeFileSync(
    join(folder, "worker.mjs"),
    `import { parentPort } from "node:worker_threads";
    ${acquire}
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    const file = ${file};
    ${hold}
    parentPort.postMessage("holding");
    setInterval(() => {}, 1e6);`,
  );
  writeFileSync(
    join(folder, "main.mjs"),
    `import { once } from "node:events";
    import process from "node:process";
    import { createInterface } from "node:readline";
    import { Worker } from "node:worker_threads";
    ${acquire}
    const worker = new Worker(new URL("worker.mjs", import.meta.url), ${JSON.stringify(options)});
    await once(worker, "message");
    console.log("holding");
    for await (const line of createInterface({ input: process.stdin })) {
      if (line === "terminate") {
        await worker.terminate();
        console.log("terminated");
        continue;
      }
      try {
        const lock = await acquireSessionWriteLock({ sessionFile: ${file}, timeoutMs: 5000, env: {} });
        await lock.release();
        console.log("done");
      } catch (error) {
        console.log(error.message);
      }
    }`,
  );
  const [program = "", ...args] = command;
  return await start(program, [...args, join(folder, "main.mjs")]);
}

/** What of the locks in `folder` the process has open, where Linux tells. */
function openFiles(pid: number, folder: string): string[] {
  if (process.platform !== "linux") return [];
  const fds = `/proc/${String(pid)}/fd`;
  return readdirSync(fds).flatMap((fd) => {
    try {
      const target = readlinkSync(join(fds, fd));
      return target.includes(".jsonl.lock") && target.startsWith(folder) ? [target] : [];
    } catch {
      return [];
    }
  });
}

const HOLD = (): string =>
  `globalThis.lock = await acquireSessionWriteLock({ sessionFile: file, env: {} });`;
type Owner = Awaited<ReturnType<typeof endedOwner>>;

/** A lock that others have to remove, as its dead owner would have written it, and its guard, opened by `open`. */
const stopInside =
  (guard: string | undefined, open: string) =>
  (dead: Owner): string =>
    `
  import { writeFileSync } from "node:fs";
  writeFileSync(file + ".lock", ${JSON.stringify(
    JSON.stringify({
      ...dead,
      createdAt: new Date().toISOString(),
      nonce: "0".repeat(32),
      guard,
    }),
  )});
  globalThis.guard = ${open};
  if (realLockFs.tryExclusive(globalThis.guard) !== "acquired") throw new Error("not entered");`;
const INSIDE_GUARD_FILE = stopInside(undefined, `realLockFs.openGuard(file + ".lock.guard")`);
const INSIDE_LOCK = stopInside("inode", `realLockFs.openForReading(file + ".lock")`);

describe.each(RUNTIMES)("on %s", (runtime) => {
  test.for<readonly [what: string, hold: (dead: Owner) => string, options: object]>([
    ["a lock", HOLD, {}],
    ["a lock and was started with trackUnmanagedFds: false", HOLD, { trackUnmanagedFds: false }],
    ["a guard file", INSIDE_GUARD_FILE, {}],
    [
      "a guard file and was started with trackUnmanagedFds: false",
      INSIDE_GUARD_FILE,
      { trackUnmanagedFds: false },
    ],
    ["a guard that is the lock itself", INSIDE_LOCK, {}],
    [
      "a guard that is the lock itself and was started with trackUnmanagedFds: false",
      INSIDE_LOCK,
      { trackUnmanagedFds: false },
    ],
  ])("a terminated worker that held %s leaves it free", async ([, hold, options], context) => {
    if (hold === INSIDE_GUARD_FILE) requirePosix(context, "on Windows the guard is no lock");
    if (hold === INSIDE_LOCK) requireLinux(context, "a lock that is its own guard");
    const command = requireRuntime(context, runtime);
    const folder = temporaryFolder();
    const program = await startProgram(context, command, folder, {
      hold: hold(await endedOwner()),
      options,
    });
    expect(await program.line()).toBe("holding");
    program.say("terminate");
    expect(await program.line()).toBe("terminated");
    program.say("acquire");
    expect(await program.line()).toBe("done");
    expect(openFiles(program.pid, folder)).toEqual([]);
  });
});

test("a lock that a worker has released is not touched by the worker's end", async (context) => {
  requirePosix(context, "descriptors that are numbers of the kernel");
  const folder = temporaryFolder();
  // The numbers are used again at once, by files that are not to be closed.
  const hold = `
    import { closeSync, fstatSync, openSync } from "node:fs";
    const lock = await acquireSessionWriteLock({ sessionFile: file, env: {} });
    await lock.release();
    const others = Array.from({ length: 20 }, () => openSync("/dev/null", "r"));
    const again = await acquireSessionWriteLock({ sessionFile: file, env: {} });
    await again.release();
    for (const fd of others) { fstatSync(fd); closeSync(fd); }`;
  const program = await startProgram(context, [process.execPath], folder, { hold });
  expect(await program.line()).toBe("holding");
  program.say("terminate");
  expect(await program.line()).toBe("terminated");
  program.say("acquire");
  expect(await program.line()).toBe("done");
});
