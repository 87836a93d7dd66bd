import { readdirSync } from "node:fs";

import { expect, test } from "vitest";

import { identityOf } from "../../../lib/process/identity.js";
import { ProcessReferences } from "../../../lib/lock/verdict/process-references.js";
import { ENDED, runNode, startReady, type RunningChild } from "../../support/processes/child.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { program } from "../../support/processes/programs.js";
import { requireLinux, requireNative, requireRoot } from "../../support/require.js";

const startChild = (): Promise<RunningChild> =>
  startReady(process.execPath, ["-e", "console.log(1); process.stdin.resume()"]);

test("a live process gives the same answer as a full question, every time", async () => {
  const references = new ProcessReferences();
  const { pid } = await startChild();
  expect(references.identity(pid)).toEqual(identityOf(pid));
  expect(references.identity(pid)).toEqual(identityOf(pid));
  references.close();
});

test("the end of a process is seen at the next question", async () => {
  const references = new ProcessReferences();
  const child = await startChild();
  expect(references.identity(child.pid).state).toBe("alive");
  await child.kill("SIGKILL");
  expect(references.identity(child.pid)).toMatchObject({
    state: "gone",
    reason: expect.stringMatching(ENDED) as string,
  });
  references.close();
});

test("numbers that are no pids are gone", () => {
  const references = new ProcessReferences();
  for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 40]) {
    expect(references.identity(pid)).toMatchObject({ state: "gone", reason: "invalid-pid" });
  }
});

test("references to processes hold no descriptor for the dead, few for the living, and none after close", async (context) => {
  requireNative(context);
  requireLinux(context, "counts /proc/self/fd");
  const open = (): number => readdirSync("/proc/self/fd").length;
  const references = new ProcessReferences();
  const child = await startChild();
  const before = open();
  for (let pid = 1; pid <= 5000; pid++) references.identity(pid);
  references.identity(child.pid);
  expect(open()).toBeGreaterThan(before);
  expect(open()).toBeLessThanOrEqual(before + 64);
  references.close();
  expect(open()).toBe(before);
});

test("a successor at the same pid is never taken for its predecessor", async (context) => {
  requireRoot(context, "chooses a pid in a pid namespace");
  requireNative(context);
  const script = `
    ${importCompiled("ProcessReferences", "lock/verdict/process-references.js")}
    import { spawn } from "node:child_process";
    import { createInterface } from "node:readline";
    const forks = spawn(${JSON.stringify(program("fork-as"))}, ["30000"]);
    const answers = createInterface({ input: forks.stdout })[Symbol.asyncIterator]();
    const tell = async (command) => { forks.stdin.write(command + "\\n"); await answers.next(); };
    const references = new ProcessReferences();
    await tell("fork");
    const seen = new Set();
    for (let round = 0; round < 50; round++) {
      seen.add(references.identity(30000).exactId);
      await tell("recycle");
    }
    references.close();
    forks.stdin.end();
    console.log(JSON.stringify([...seen].filter((id) => id !== null).length));`;
  const prefix = ["unshare", "--pid", "--fork", "--mount-proc"];
  const different = await runNode(script, { prefix });
  // Kernels before 6.9 have no exact id to compare.
  expect([0, 50]).toContain(different);
});
