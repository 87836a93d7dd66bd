/** Node's modules are taken from the process: what that saves, and what happens where it cannot be. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { DIST } from "../support/processes/child.js";

const execFileAsync = promisify(execFile);

const ENTRIES = [
  "index.js",
  "session-lock/index.js",
  "file-lock/index.js",
  "session-controller/index.js",
  "session-attention/index.js",
];

async function run(code: string): Promise<unknown> {
  const args = ["--input-type=module", "-e", code];
  const { stdout } = await execFileAsync(process.execPath, args, { encoding: "utf8" });
  return JSON.parse(stdout);
}

test.for(ENTRIES)("importing %s loads no module of Node that only its use needs", async (entry) => {
  const loaded = await run(`
    const before = new Set(process.moduleLoadList);
    await import(${JSON.stringify(DIST + entry)});
    const added = process.moduleLoadList.filter((name) => !before.has(name));
    console.log(JSON.stringify(added));`);
  const wanted =
    /^NativeModule (?:crypto|os|module|worker_threads|timers\/promises|internal\/(?:crypto|worker|mime|util\/parse_args)\b.*)$/u;
  expect((loaded as readonly string[]).filter((name) => wanted.test(name))).toEqual([]);
});

test("on a Node without process.getBuiltinModule every import succeeds, and the first use says what is missing", async () => {
  const answers = await run(`
    delete process.getBuiltinModule;
    const load = (entry) => import(${JSON.stringify(DIST)} + entry);
    for (const entry of ${JSON.stringify(ENTRIES)}) await load(entry);
    const { acquireSessionWriteLock, cleanStaleLockFiles } = await load("session-lock/index.js");
    const { acquireFileLock } = await load("file-lock/index.js");
    const answers = [];
    for (const use of [
      () => acquireSessionWriteLock({ sessionFile: "/nowhere/a.jsonl" }),
      () => cleanStaleLockFiles({ sessionsDir: "/nowhere" }),
      () => acquireFileLock("/nowhere/a.lock"),
    ]) {
      answers.push(await use().then(() => "done", (error) => error.message));
    }
    console.log(JSON.stringify(answers));`);
  const sentence = `pidentity needs Node.js ^20.19.0 or >=22.12.0, this is ${process.version}`;
  expect(answers).toEqual([sentence, sentence, sentence]);
});
