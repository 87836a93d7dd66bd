/** The examples in lib/file-lock/README.md. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { runExample, start, startReady } from "../support/processes/child.js";
import { endedPid } from "../support/locks/lock-directory.js";
import { requireLinux, requireNative, requirePosix, requireRoot } from "../support/require.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const GUIDE = "lib/file-lock/README.md";
const CONTAINER = ["--pid", "--fork", "--kill-child", "--mount-proc"] as const;

test("the example daemon runs once: the second is told which one runs, and after a kill the third takes over", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const daemon = writeExample(codeBlock(GUIDE, "js", "createServer"), folder);
  const path = join(folder, "daemon.pid");

  const first = await startReady(process.execPath, [daemon, path]);
  expect(first.first).toBe(`running as ${String(first.pid)}: ${path}`);
  const sample = codeBlock(GUIDE, "json", '"pid"');
  const published = JSON.parse(readFileSync(path, "utf8")) as object;
  // Windows has no number for a file system's kind, and on Linux's own only a lock is its own guard.
  const absent: Partial<Record<NodeJS.Platform, readonly string[]>> = {
    win32: ["fileSystem", "guard"],
    darwin: ["guard"],
  };
  const isWritten = (key: string): boolean => absent[process.platform]?.includes(key) !== true;
  const keys = Object.keys(JSON.parse(sample) as object);
  expect(Object.keys(published)).toEqual(keys.filter(isWritten));

  const second = await start(process.execPath, [daemon, path]);
  let said = "";
  second.process.stderr?.on("data", (text: string) => (said += text));
  expect(await second.exited()).toBe(1);
  expect(said).toMatch(new RegExp(`^not started: .*pid=${String(first.pid)} .*\n$`, "u"));

  await first.kill("SIGKILL");
  expect(existsSync(path)).toBe(true);
  const third = await startReady(process.execPath, [daemon, path]);
  expect(third.first).toBe(`running as ${String(third.pid)}: ${path}`);
});

test("the example lock around a file writes its line and leaves no lock behind", async () => {
  const folder = temporaryFolder();
  const example = writeExample(codeBlock(GUIDE, "js", "ledger.csv"), folder);
  const child = await start(process.execPath, [example], { cwd: folder });
  expect(await child.exited()).toBe(0);
  expect(readFileSync(join(folder, "ledger.csv"), "utf8")).toBe("1;2;3\n");
  expect(readdirSync(folder).sort()).toEqual(["example.mjs", "ledger.csv"]);
});

test("the example daemon keeps its pid file on SIGHUP, finishes on SIGTERM, gives the file up and ends by itself", async (context) => {
  requirePosix(context, "signals that can be handled");
  const folder = temporaryFolder();
  const daemon = writeExample(codeBlock(GUIDE, "js", "createServer"), folder);
  const path = join(folder, "daemon.pid");
  const running = await startReady(process.execPath, [daemon, path]);
  running.process.kill("SIGHUP");
  expect(await running.line()).toBe("reloaded");
  expect(existsSync(path)).toBe(true);
  running.process.kill("SIGTERM");
  expect(await running.line()).toBe("finishing");
  expect(await running.line()).toBe("ended");
  expect(existsSync(path)).toBe(false);
  expect(await running.exited()).toBe(0);
  expect(running.process.signalCode).toBeNull();
});

test("the example stop script ends the daemon, knows when none runs, and kills nothing on a guess", async (context) => {
  requireNative(context);
  requirePosix(context, "signals that can be handled");
  const [daemons, scripts] = [temporaryFolder(), temporaryFolder()];
  const daemon = writeExample(codeBlock(GUIDE, "js", "createServer"), daemons);
  const script = writeExample(codeBlock(GUIDE, "js", "readPidFile("), scripts);
  const path = join(daemons, "daemon.pid");
  const stop = async (): Promise<string> =>
    (await startReady(process.execPath, [script, path])).first;

  expect(await stop()).toBe("not running");
  const running = await startReady(process.execPath, [daemon, path]);
  expect(await stop()).toMatch(/^ended \(/u);
  expect(await running.exited()).toBe(0);

  const killed = await startReady(process.execPath, [daemon, path]);
  await killed.kill("SIGKILL");
  expect(await stop()).toBe("not running");

  writeFileSync(path, String(process.pid));
  expect(await stop()).toBe(`pid ${String(process.pid)}, perhaps (unproven)`);
});

test("the example stop script signals no process that has the daemon's number in another container", async (context) => {
  requireNative(context);
  requireLinux(context, "containers");
  requireRoot(context, "containers");
  const [daemons, scripts] = [temporaryFolder(), temporaryFolder()];
  const daemon = writeExample(codeBlock(GUIDE, "js", "createServer"), daemons);
  const script = writeExample(codeBlock(GUIDE, "js", "readPidFile("), scripts);
  const path = join(daemons, "daemon.pid");
  const inContainer = async (shell: string): ReturnType<typeof startReady> =>
    await startReady("unshare", [...CONTAINER, "sh", "-c", shell, process.execPath, daemon, path]);
  const running = await inContainer('"$0" "$1" "$2" & wait');
  expect(running.first).toBe(`running as 2: ${path}`);
  // Process 2 of this container is a bystander.
  const other = await inContainer(
    `sleep 600 & "$0" '${script}' "$2"; kill -0 $! && echo "$! lives"; kill $!`,
  );
  expect(other.first).toBe("unknown (other-pid-namespace)");
  expect(await other.line()).toBe("2 lives");
  await running.kill("SIGKILL");
});

test("the example that tries once works, and is told at once when another process does", async () => {
  const folder = temporaryFolder();
  const example = writeExample(codeBlock(GUIDE, "js", "reindex"), folder);
  const run = async (): Promise<string> =>
    (await startReady(process.execPath, [example], { cwd: folder })).first;
  expect(await run()).toBe("at work");
  await using held = await acquireFileLock({ path: join(folder, "reindex") });
  expect(await run()).toBe("already at work");
  held.assertHeld();
});

test("the example that awaits nothing works, and leaves no lock behind", async () => {
  const folder = temporaryFolder();
  const example = writeExample(codeBlock(GUIDE, "js", "acquireFileLockSync"), folder);
  const run = await startReady(process.execPath, [example], { cwd: folder });
  expect(run.first).toBe("at work");
  expect(await run.exited()).toBe(0);
  expect(existsSync(join(folder, "totals.lock"))).toBe(false);
});

test("the example that is told what it took over says whose lock it was, and tells nothing of a free one", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const example = writeExample(codeBlock(GUIDE, "js", "onReclaimed"), folder);
  expect(await runExample(example)).toBe("at work\n");
  const pid = await endedPid();
  writeFileSync(join(folder, "import.lock"), JSON.stringify({ pid, createdAt: "2026-01-01" }));
  expect(await runExample(example)).toBe(`after ${String(pid)} (dead-pid)\nat work\n`);
});

test("the example look at a lock tells that it is free, who holds it and what is in the way", async () => {
  const folder = temporaryFolder();
  const example = writeExample(codeBlock(GUIDE, "js", "checkFileLock("), folder);
  expect(await runExample(example)).toBe("free\n");
  const held = await acquireFileLock({ path: join(folder, "import") });
  expect(await runExample(example)).toBe(`held by ${String(process.pid)}\n`);
  await held.release();
  mkdirSync(join(folder, "import.lock"));
  expect(await runExample(example)).toBe("in the way: directory\n");
});

test("the example of two files: monit reads the number, the token stops the daemon, and a killed one's successor takes both", async (context) => {
  requirePosix(context, "signals that can be handled");
  requireNative(context);
  const [daemons, scripts] = [temporaryFolder(), temporaryFolder()];
  const daemon = writeExample(codeBlock(GUIDE, "js", "numberFile"), daemons);
  const stop = writeExample(codeBlock(GUIDE, "js", "readPidFile("), scripts);
  const folder = temporaryFolder();
  const numberFile = join(folder, "mydaemon.pid");

  const killed = await startReady(process.execPath, [daemon, numberFile]);
  await killed.kill("SIGKILL");
  expect(readdirSync(folder)).toEqual(["mydaemon.pid", "mydaemon.pid.json"]);

  const running = await startReady(process.execPath, [daemon, numberFile]);
  expect(running.first).toBe(`running as ${String(running.pid)}`);
  expect(readFileSync(numberFile, "utf8")).toBe(`${String(running.pid)}\n`);
  expect(JSON.parse(readFileSync(`${numberFile}.json`, "utf8"))).toMatchObject({
    pid: running.pid,
    owner: expect.stringMatching(/^pi1\./u) as unknown,
  });
  const stopper = await start(process.execPath, [stop, `${numberFile}.json`]);
  expect(await stopper.line()).toBe("ended (exited)");
  expect(await running.exited()).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});
