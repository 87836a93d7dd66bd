/** What the tracing channels tell: enough to answer "why was my lock taken?" from a log line. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { cleanStaleLockFiles } from "../../lib/session-lock/sweep/sweep.js";
import { nodeArguments, startReady } from "../support/processes/child.js";
import { importDist, startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

type Operation = "acquire" | "release" | "reclaim" | "sweep";

/** The end of every trace of `operation` from now on, as a log would write it. */
function listenTo(operation: Operation, end: "end" | "asyncEnd"): Record<string, unknown>[] {
  const seen: Record<string, unknown>[] = [];
  const channel = `tracing:pidentity:${operation}:${end}`;
  const record = (message: unknown): void => {
    seen.push({ ...(message as object) });
  };
  subscribe(channel, record);
  onTestFinished(() => void unsubscribe(channel, record));
  return seen;
}

test("an acquisition and its release are told with limits, label and times", async () => {
  const acquired = listenTo("acquire", "asyncEnd");
  const released = listenTo("release", "asyncEnd");
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const options = { sessionFile, label: "run 7", timeoutMs: 4000, staleMs: 5000, maxHoldMs: 6000 };
  const lock = await acquireSessionWriteLock({ ...options, env: {} });
  await lock.release();
  const { lockPath } = lock;
  const waitedMs: unknown = expect.any(Number);
  const nonce: unknown = expect.stringMatching(/^[0-9a-f]{32}$/);
  expect(acquired).toEqual([
    { ...options, lockPath, result: { nonce, reclaimed: 0, waitedMs, lease: null } },
  ]);
  expect(released).toEqual([
    {
      lockPath,
      nonce,
      cause: "released",
      heldMs: waitedMs,
      maxHoldMs: 6000,
      lease: null,
      result: { outcome: "removed" },
    },
  ]);
});

test("a reclaimed lock is told with the evidence against its owner", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = join(folder, "s.jsonl.lock");
  const holder = await startHolder(lockPath);
  await holder.kill();
  const reclaimed = listenTo("reclaim", "end");
  const acquired = listenTo("acquire", "asyncEnd");
  const sessionFile = join(folder, "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 5000, env: {} });
  onTestFinished(() => lock.release());
  expect(reclaimed).toMatchObject([
    {
      by: "acquire",
      result: {
        outcome: "removed",
        inspection: { pid: holder.pid, staleReasons: ["dead-pid"] },
        evidence: {
          kernelLock: "free",
          ownerState: "gone",
          pidAlive: false,
          maxHoldMs: 300_000,
          ownerArgs: null,
        },
      },
    },
  ]);
  expect(acquired).toMatchObject([{ result: { reclaimed: 1 } }]);
});

test("a foreign owner's command line is part of the evidence, and the sweep's counts are told", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const owner = await startReady(process.execPath, [
    "-e",
    "console.log(1); process.stdin.resume()",
  ]);
  writePlainLock(folder, "s", { pid: owner.pid });
  const reclaimed = listenTo("reclaim", "end");
  const swept = listenTo("sweep", "asyncEnd");
  await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  const ownerArgs: unknown = expect.arrayContaining(["-e"]);
  const inspection = { staleReasons: ["non-openclaw-owner"] };
  expect(reclaimed).toMatchObject([
    {
      by: "sweep",
      result: { outcome: "removed", inspection, evidence: { pidAlive: true, ownerArgs } },
    },
  ]);
  expect(swept).toMatchObject([
    { sessionsDir: folder, removeStale: true, result: { total: 1, stale: 1, removed: 1, kept: 0 } },
  ]);
});

test.for(["session", "file"] as const)(
  "the reclaim of a foreign owner's %s lock is told by the public name of its reason",
  async (kind, context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const owner = await startReady(process.execPath, [
      "-e",
      "console.log(1); process.stdin.resume()",
    ]);
    writePlainLock(folder, "s", { pid: owner.pid });
    const reclaimed = listenTo("reclaim", "end");
    const path = join(folder, "s.jsonl");
    const isOwnerArgv = (): boolean => false;
    const lock =
      kind === "file"
        ? await acquireFileLock({ path, isOwnerArgv })
        : await acquireSessionWriteLock({ sessionFile: path, isOwnerArgv, env: {} });
    onTestFinished(() => lock.release());
    const inspection = { staleReasons: ["non-openclaw-owner"] };
    expect(reclaimed).toMatchObject([{ by: "acquire", result: { inspection } }]);
  },
);

test("a holder that was displaced tells so, and by then knows for how long it held", async () => {
  const released = listenTo("release", "end");
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile, maxHoldMs: 5000, env: {} });
  writeFileSync(lock.lockPath, '{"pid": 1}');
  expect(() => lock.assertHeld()).toThrow(/lost/);
  const heldMs: unknown = expect.any(Number);
  expect(released).toMatchObject([
    { cause: "displaced", heldMs, maxHoldMs: 5000, result: { outcome: "not-ours" } },
  ]);
});

test("a refused acquisition is told with its error, which names the reasons", async () => {
  const folder = temporaryFolder();
  const createdAt = new Date(Date.now() - 3_600_000).toISOString();
  writePlainLock(folder, "s", { pid: process.ppid, createdAt, maxHoldMs: 7_200_000 });
  const acquired = listenTo("acquire", "asyncEnd");
  const acquiring = acquireSessionWriteLock({
    sessionFile: join(folder, "s.jsonl"),
    isOwnerArgv: () => true,
    env: {},
  });
  await expect(acquiring).rejects.toThrow(/stale \(too-old\)/);
  expect(acquired).toMatchObject([{ error: { message: expect.stringContaining("too-old") } }]);
});

test("the end of a process is told on the release channel", async () => {
  const folder = temporaryFolder();
  const script = `
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    import { subscribe } from "node:diagnostics_channel";
    import { writeSync } from "node:fs";
    subscribe("tracing:pidentity:release:end", ({ cause, result }) => {
      writeSync(1, JSON.stringify({ cause, result }) + "\\n");
    });
    await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(join(folder, "s.jsonl"))} });
    process.exit();`;
  const child = await startReady(process.execPath, nodeArguments(script));
  expect(JSON.parse(child.first)).toEqual({ cause: "exit", result: { outcome: "removed" } });
});
