import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test, vi } from "vitest";

import {
  type CleanedDirectory,
  sweepSessionLocks,
} from "../../../lib/session-lock/sweep/startup-sweep.js";
import { start } from "../../support/processes/child.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

async function deadPid(): Promise<number> {
  const child = await start(process.execPath, ["-e", ""]);
  await child.exited();
  return child.pid;
}

/** A state directory with one dead lock per agent. */
async function stateWith(agents: readonly string[]): Promise<string> {
  const stateDir = temporaryFolder();
  const pid = await deadPid();
  for (const agent of agents) {
    const sessions = join(stateDir, "agents", agent, "sessions");
    mkdirSync(sessions, { recursive: true });
    writePlainLock(sessions, "s", { pid });
  }
  return stateDir;
}

const sessionsOf = (stateDir: string, agent: string): string =>
  join(stateDir, "agents", agent, "sessions");

test("every agent's sessions are swept, in sorted order", async (context) => {
  requireNative(context);
  const stateDir = await stateWith(["b", "a", "c"]);
  mkdirSync(join(stateDir, "agents", "none"));
  writeFileSync(join(stateDir, "agents", "README"), "");
  const cleaned: string[] = [];
  const result = await sweepSessionLocks({
    stateDir,
    concurrency: 1,
    onDirectoryCleaned: ({ sessionsDir, cleaned: locks }) => {
      expect(locks).toMatchObject([{ removed: true, staleReasons: ["dead-pid"] }]);
      cleaned.push(sessionsDir);
    },
  });
  const swept = ["a", "b", "c"].map((agent) => sessionsOf(stateDir, agent));
  expect(cleaned).toEqual(swept);
  expect(result.directories.map(({ sessionsDir }) => sessionsDir)).toEqual([
    ...swept,
    sessionsOf(stateDir, "none"),
  ]);
  expect(result.counts).toEqual({ total: 3, stale: 3, removed: 3, kept: 0 });
  expect(result.aborted).toBe(false);
});

test("a state directory without agents has nothing to sweep", async () => {
  expect(await sweepSessionLocks({ stateDir: temporaryFolder() })).toEqual({
    directories: [],
    counts: { total: 0, stale: 0, removed: 0, kept: 0 },
    aborted: false,
  });
});

test("a file in the place of `agents` is an error with its path", async () => {
  const stateDir = temporaryFolder();
  writeFileSync(join(stateDir, "agents"), "");
  await expect(sweepSessionLocks({ stateDir })).rejects.toMatchObject({
    code: "ENOTDIR",
    path: join(stateDir, "agents"),
  });
});

test("a directory's error is logged and reported, and the other directories are swept", async (context) => {
  requireNative(context);
  const stateDir = await stateWith(["a", "c"]);
  mkdirSync(join(stateDir, "agents", "b"));
  writeFileSync(sessionsOf(stateDir, "b"), "");
  const warn = vi.fn<(message: string) => void>();
  const { directories, counts } = await sweepSessionLocks({ stateDir, log: { warn } });
  expect(counts.removed).toBe(2);
  expect(directories[1]).toMatchObject({ result: null, error: { code: "ENOTDIR" } });
  const failed = warn.mock.calls.flat().filter((line) => line.includes("sweep failed"));
  expect(failed).toEqual([expect.stringContaining(sessionsOf(stateDir, "b"))]);
});

test("an abort stops a start-up sweep between directories, and what was removed is told", async (context) => {
  requireNative(context);
  const stateDir = await stateWith(["a", "b", "c"]);
  const abort = new AbortController();
  const told: CleanedDirectory[] = [];
  const result = await sweepSessionLocks({
    sessionsDirs: ["a", "b", "c"].map((agent) => sessionsOf(stateDir, agent)),
    concurrency: 1,
    signal: abort.signal,
    log: { warn: () => abort.abort() },
    onDirectoryCleaned: async (directory) => {
      await new Promise(setImmediate);
      told.push(directory);
    },
  });
  expect(told.map(({ sessionsDir }) => sessionsDir)).toEqual([sessionsOf(stateDir, "a")]);
  expect(result).toMatchObject({ aborted: true, counts: { removed: 1 } });
  expect(readdirSync(sessionsOf(stateDir, "b"))).toEqual(["s.jsonl.lock"]);
});

test("a callback that fails is that directory's error, and its removals still count", async (context) => {
  requireNative(context);
  const stateDir = await stateWith(["a", "b"]);
  const { directories, counts } = await sweepSessionLocks({
    stateDir,
    onDirectoryCleaned: ({ sessionsDir }) => {
      if (sessionsDir === sessionsOf(stateDir, "a")) throw new Error("callback");
    },
  });
  expect(counts.removed).toBe(2);
  expect(directories).toMatchObject([
    { result: { counts: { removed: 1 } }, error: { message: "callback" } },
    { error: null },
  ]);
});
