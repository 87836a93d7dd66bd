/** Without the addon stale locks stay: that is told, once, with the remedy, and every entry point can be asked. */
import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { beforeEach, describe, expect, test } from "vitest";

import { nativeStatus as nativeStatusOfFiles } from "../../lib/file-lock/index.js";
import { nativeStatus } from "../../lib/index.js";
import { nativeStatus as nativeStatusOfLocks } from "../../lib/session-lock/index.js";
import { describeMissingAddon } from "../../lib/lock/missing-addon.js";
import { environmentFor } from "../support/processes/backends.js";
import { DIST } from "../support/processes/child.js";
import { writePlainLock } from "../support/locks/lock-holder.js";
import { ROOT } from "../support/processes/programs.js";
import { requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const NO_ADDON = join("no", "such", "addon.node");
const LINE =
  /^pidentity: stale locks are kept \(no-guard\): removing one takes the native addon, and that is not loaded: cannot load the native addon \(Cannot find module .*addon\.node'; Require stack:; .*\): .*addon\.node; keep every pidentity import out of the bundle \(external\), or name the addon's file in PIDENTITY_NATIVE_PATH$/u;

interface Outcome {
  readonly answer: unknown;
  /** Lines on standard error. */
  readonly told: readonly string[];
}

/** Runs a module that prints one line of JSON, without the addon. */
async function run(script: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const file = join(temporaryFolder(), "script.mjs");
  writeFileSync(file, script);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
    env: { ...environmentFor("native"), PIDENTITY_NATIVE_PATH: NO_ADDON, ...env },
  });
  return {
    answer: JSON.parse(stdout) as unknown,
    told: stderr.split(/\r?\n/u).filter((line) => line !== ""),
  };
}

/** Of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ["--version"]).pid;
}

function staleLock(): string {
  const folder = temporaryFolder();
  writePlainLock(folder, "s", { pid: deadPid() });
  return folder;
}

const from = (name: string, entry: string, base = DIST): string =>
  `import { ${name} } from ${JSON.stringify(base + entry)};`;
const SWEEP = from("cleanStaleLockFiles", "session-lock/index.js");
const ACQUIRE = from("acquireSessionWriteLock", "session-lock/index.js");

describe("stale locks without the addon", () => {
  beforeEach((context) => requirePosix(context, "Windows has a guard without the addon"));

  test("two sweeps and an acquisition tell on standard error once that the addon is missing", async () => {
    const folder = staleLock();
    writePlainLock(folder, "t", { pid: deadPid() });
    const { answer, told } = await run(`
      ${from("cleanStaleLockFiles, acquireSessionWriteLock", "session-lock/index.js")}
      const sessionsDir = ${JSON.stringify(folder)};
      const first = await cleanStaleLockFiles({ sessionsDir });
      const second = await cleanStaleLockFiles({ sessionsDir });
      const { keptReason } = await acquireSessionWriteLock({ sessionFile: sessionsDir + "/s.jsonl" }).catch((e) => e);
      console.log(JSON.stringify([
        first.locks.map((lock) => lock.keptReason),
        first.notices.map(({ kind, path }) => [kind, path]),
        second.locks.map((lock) => lock.keptReason),
        second.notices,
        keptReason,
      ]));`);
    expect(told).toEqual([expect.stringMatching(LINE)]);
    expect(answer).toEqual([
      ["no-guard", "no-guard"],
      [["no-addon", join(folder, "s.jsonl.lock")]],
      ["no-guard", "no-guard"],
      [],
      "no-guard",
    ]);
    expect(existsSync(join(folder, "s.jsonl.lock"))).toBe(true);
  });

  test("the caller's log, where there is one, is told instead of standard error that the addon is missing", async () => {
    const folder = staleLock();
    const { answer, told } = await run(`
      ${SWEEP}
      const lines = [];
      const options = { sessionsDir: ${JSON.stringify(folder)}, log: { warn: (line) => lines.push(line) } };
      await cleanStaleLockFiles(options);
      await cleanStaleLockFiles(options);
      console.log(JSON.stringify(lines));`);
    expect(told).toEqual([]);
    expect(answer).toEqual([expect.stringMatching(LINE)]);
  });

  test("an acquisition tells that the addon is missing before it rejects, and once for every kind of lock", async () => {
    const folder = staleLock();
    const { answer, told } = await run(`
      ${ACQUIRE}
      ${from("acquireFileLock", "file-lock/index.js")}
      const path = ${JSON.stringify(join(folder, "s.jsonl"))};
      const errors = [];
      const session = () => acquireSessionWriteLock({ sessionFile: path });
      for (const acquire of [session, session, () => acquireFileLock({ path })]) {
        errors.push((await acquire().catch((error) => error)).keptReason);
      }
      console.log(JSON.stringify(errors));`);
    expect(told).toEqual([expect.stringMatching(LINE)]);
    expect(answer).toEqual(["no-guard", "no-guard", "no-guard"]);
  });

  test("two copies of the package in one thread tell once between them that the addon is missing", async () => {
    const folder = staleLock();
    const copy = join(temporaryFolder(), "pidentity");
    mkdirSync(copy);
    for (const name of ["dist", "package.json"]) {
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    }
    const { answer, told } = await run(`
      ${SWEEP}
      ${from("cleanStaleLockFiles as byTheCopy", "dist/session-lock/index.js", `${pathToFileURL(copy).href}/`)}
      const sessionsDir = ${JSON.stringify(folder)};
      const kept = [];
      for (const sweep of [cleanStaleLockFiles, byTheCopy]) kept.push((await sweep({ sessionsDir })).counts.kept);
      console.log(JSON.stringify([cleanStaleLockFiles === byTheCopy, kept]));`);
    expect(told).toEqual([expect.stringMatching(LINE)]);
    expect(answer).toEqual([false, [1, 1]]);
  });

  test("each worker thread tells once for itself that the addon is missing, as threads share no memory", async () => {
    const folder = staleLock();
    const { answer, told } = await run(`
      import { once } from "node:events";
      import { isMainThread, Worker } from "node:worker_threads";
      ${SWEEP}
      const sessionsDir = ${JSON.stringify(folder)};
      for (const _ of "12") await cleanStaleLockFiles({ sessionsDir });
      if (isMainThread) {
        await once(new Worker(new URL(import.meta.url)), "exit");
        console.log(JSON.stringify("done"));
      }`);
    expect(answer).toBe("done");
    expect(told).toEqual([expect.stringMatching(LINE), expect.stringMatching(LINE)]);
  });

  test("a program that has switched the addon off is told the variable's name", async () => {
    const folder = staleLock();
    const script = `
      ${SWEEP}
      await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)} });
      console.log("0");`;
    const { told } = await run(script, { PIDENTITY_NO_NATIVE: "1" });
    expect(told).toEqual([
      "pidentity: stale locks are kept (no-guard): removing one takes the native addon, and that is not loaded: the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
    ]);
  });

  test("the command tells once, among its remarks, that the addon is missing", async () => {
    const program = join(ROOT, "dist/cli/main.js");
    const args = [program, "locks", staleLock(), staleLock(), "--fix"];
    const env = { ...environmentFor("native"), PIDENTITY_NATIVE_PATH: NO_ADDON };
    const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    const remarks = `${stdout}${stderr}`.split(
      "stale locks are kept (no-guard): removing one takes",
    );
    expect(remarks).toHaveLength(2);
  });

  test("a dry run and a directory without stale locks do not tell that the addon is missing", async () => {
    const folder = staleLock();
    const { told } = await run(`
      ${SWEEP}
      await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, removeStale: false });
      await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(temporaryFolder())} });
      console.log("0");`);
    expect(told).toEqual([]);
  });
});

test("the message that the addon is missing has one line whatever the loader said", () => {
  const line = describeMissingAddon({ error: new Error("first\n  second"), isSwitchedOff: false });
  expect(line).toContain("is not loaded: first; second; keep every pidentity import");
});

test("every entry point that knows locks says whether its own copy has the addon", () => {
  expect(nativeStatusOfLocks()).toBe(nativeStatus());
  expect(nativeStatusOfFiles()).toBe(nativeStatus());
});
