/** A pid that changes hands *during* a sweep must not cost its new owner the lock. */
import { readdirSync } from "node:fs";

import { expect, test } from "vitest";

import { runNode } from "../../support/processes/child.js";
import { importDist } from "../../support/locks/lock-holder.js";
import { program } from "../../support/processes/programs.js";
import { requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

// Above the few pids of a fresh namespace, below every kernel.pid_max.
const PID = 30_000;

/** A script for a pid namespace of its own, in which `forks` makes processes under one chosen pid. */
function scenario(folder: string, body: string): string {
  return `
    ${importDist("cleanStaleLockFiles", "session-lock/index.js")}
    import { spawn } from "node:child_process";
    import { createInterface } from "node:readline";
    import { writeFileSync } from "node:fs";
    const PID = ${PID};
    const forks = spawn(${JSON.stringify(program("fork-as"))}, [String(PID)]);
    const answers = createInterface({ input: forks.stdout })[Symbol.asyncIterator]();
    const tell = async (command) => {
      forks.stdin.write(command + "\\n");
      return (await answers.next()).value;
    };
    const createdAt = new Date().toISOString();
    const write = (name, fields) => writeFileSync(
      ${JSON.stringify(folder)} + "/" + name + ".jsonl.lock", JSON.stringify({ createdAt, ...fields }));
    const sweep = (readOwnerProcessArgs) => cleanStaleLockFiles({
      sessionsDir: ${JSON.stringify(folder)}, env: {}, readOwnerProcessArgs });
    ${body}
    forks.stdin.end();`;
}

const NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"];

test("a process born during the sweep keeps its lock, though its pid was asked and found dead", async (context) => {
  requireRoot(context, "chooses a pid in a pid namespace");
  requireNative(context);
  const folder = temporaryFolder();
  const script = scenario(
    folder,
    `
    write("a-dead", { pid: PID, starttime: 1 });
    write("m-meanwhile", { pid: forks.pid });
    write("z-newborn", { pid: PID });
    const { locks } = await sweep(async () => {
      await tell("fork");
      write("z-newborn", { pid: PID, starttime: p.getProcessStartTime(PID) });
      return ["openclaw"];
    });
    console.log(JSON.stringify(locks));`,
  );
  const locks = await runNode(script, { prefix: NAMESPACE });
  expect(locks).toMatchObject([
    // When it is removed its pid has been given away again.
    { pid: PID, staleReasons: ["recycled-pid"], removed: true },
    { stale: false },
    { pid: PID, removed: false, keptReason: "changed", ownerReason: "start-time-equal" },
  ]);
  expect(readdirSync(folder)).toEqual(["m-meanwhile.jsonl.lock", "z-newborn.jsonl.lock"]);
});

test("a command line read of a process is not held against its successor at the same pid", async (context) => {
  requireRoot(context, "chooses a pid in a pid namespace");
  requireNative(context);
  const folder = temporaryFolder();
  const script = scenario(
    folder,
    `
    await tell("fork");
    const sleeper = spawn("sleep", ["1000"]);
    write("a-foreign", { pid: sleeper.pid });
    write("b-ended", { pid: PID });
    write("m-meanwhile", { pid: forks.pid });
    write("z-successor", { pid: PID });
    const { locks } = await sweep(async (pid) => {
      if (pid !== forks.pid) return ["sleep", "9"];
      await tell("recycle");
      return ["openclaw"];
    });
    sleeper.kill();
    console.log(JSON.stringify(locks));`,
  );
  const locks = await runNode(script, { prefix: NAMESPACE });
  const successor = {
    pid: PID,
    removed: false,
    keptReason: "changed",
    ownerReason: "unproven",
  };
  expect(locks).toMatchObject([
    { staleReasons: ["non-openclaw-owner"], removed: true },
    successor,
    { stale: false },
    successor,
  ]);
  expect(readdirSync(folder)).toEqual([
    "b-ended.jsonl.lock",
    "m-meanwhile.jsonl.lock",
    "z-successor.jsonl.lock",
  ]);
});
