/** Every thread has its own copy of everything; none may disturb the others or the process's end. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { environmentFor, BACKENDS } from "../support/processes/backends.js";
import { runNode } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { requireNative } from "../support/require.js";

const ENTRY = JSON.stringify(pathToFileURL(join(ROOT, "dist/index.js")).href);
// No command line is read while its process waits for a disk, as this one may have just done.
const READ_ARGS = `
    let args = null;
    for (let turn = 0; turn < 1000 && args === null; turn++) {
      args = p.getProcessArgs(process.pid);
      if (args === null) await new Promise(setImmediate);
    }`;
const WORKER = JSON.stringify(`
  Promise.all([import(${ENTRY}), import("node:worker_threads")]).then(async ([p, { parentPort }]) => {
    const token = p.identifyProcess();
    ${READ_ARGS}
    const many = await p.inspectProcesses([process.pid, process.ppid, 2 ** 22]);
    parentPort.postMessage({ token, states: [...many.values()].map((info) => info.state), args });
  });
`);

describe.each(BACKENDS)("with the backend %s", (name) => {
  test("threads of one process name it alike", async (context) => {
    if (name === "native") requireNative(context);
    const answers = (await runNode(
      `import { Worker } from "node:worker_threads";
       const ask = () => new Promise((resolve, reject) => {
         new Worker(${WORKER}, { eval: true }).once("message", resolve).once("error", reject);
       });
       const answers = await Promise.all(Array.from({ length: 8 }, ask));
       ${READ_ARGS}
       const own = { token: p.identifyProcess(), args };
       console.log(JSON.stringify({ own, answers }));`,
      { env: environmentFor(name) },
    )) as {
      own: { token: string; args: string[] };
      answers: { token: string; states: string[]; args: string[] }[];
    };
    expect(answers.answers).toHaveLength(8);
    for (const { token, states, args } of answers.answers) {
      expect(token).toBe(answers.own.token);
      expect(args).toEqual(answers.own.args);
      expect(states).toEqual(["alive", "alive", "gone"]);
    }
  });

  test("threads that are terminated in the middle of their work leave the process and its other threads intact", async (context) => {
    if (name === "native") requireNative(context);
    const busy = JSON.stringify(`
      Promise.all([import(${ENTRY}), import("node:worker_threads")]).then(([p, { parentPort }]) => {
        parentPort.postMessage(p.isPidAlive(process.pid));
        void p.waitForProcessExit(p.identifyProcess());
        for (let pid = 1; ; pid = (pid % 5000) + 1) p.inspectProcess(pid);
      });
    `);
    const alive = await runNode(
      `import { Worker } from "node:worker_threads";
       import { once } from "node:events";
       for (let round = 0; round < 10; round++) {
         const workers = Array.from({ length: 3 }, () => new Worker(${busy}, { eval: true }));
         await Promise.all(workers.map((worker) => once(worker, "message")));
         await Promise.all(workers.map((worker) => worker.terminate()));
       }
       console.log(p.isPidAlive(process.pid) && p.verifyProcess(p.identifyProcess()).state === "same");`,
      { env: environmentFor(name) },
    );
    expect(alive).toBe(true);
  });
});
