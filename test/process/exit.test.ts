/** A program that uses the package ends when its own work does, with its own exit code, at whatever stage. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const [PROCESSES, LOCKS] = ["index.js", "session-lock/index.js"].map((file) =>
  JSON.stringify(pathToFileURL(join(ROOT, "dist", file)).href),
);
const START = `import * as p from ${PROCESSES ?? ""}; import * as l from ${LOCKS ?? ""};`;
const ACQUIRE = `const lock = await l.acquireSessionWriteLock({ sessionFile: process.argv[2], env: {} });`;

const STAGES: readonly (readonly [string, string])[] = [
  ["imported only", ""],
  [
    "every question asked",
    "p.nativeStatus(); p.verifyProcess(p.identifyProcess()); p.inspectProcess(process.ppid); await p.inspectProcesses([process.pid, 0]);",
  ],
  [
    "waiting for another process to end, aborted",
    `
    const controller = new AbortController();
    const waiting = p.waitForProcessExit(p.identifyProcess(process.ppid), { signal: controller.signal });
    controller.abort();
    await waiting.catch(() => {});`,
  ],
  ["a lock taken and released", `${ACQUIRE} await lock.release();`],
  ["a lock taken and not released", ACQUIRE],
  ["a lock taken, ended by hand", `${ACQUIRE} process.exit(0);`],
  [
    "a lock waited for in vain",
    `${ACQUIRE}
    await l.acquireSessionWriteLock({ sessionFile: process.argv[2], env: {}, timeoutMs: 20 }).catch(() => {});`,
  ],
  [
    "a lock held by a worker that has ended",
    `
    import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    const source = 'import(' + JSON.stringify(${LOCKS ?? ""}) + ').then(async (l) => {' +
      'await l.acquireSessionWriteLock({ sessionFile: ' + JSON.stringify(process.argv[2]) + ', env: {} });' +
      'process.exit(); });';
    await once(new Worker(source, { eval: true }), "exit");`,
  ],
];

test.for(STAGES)(
  "%s: exit code 0, and nothing is said",
  { timeout: 120_000 },
  async ([, script], context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const file = join(folder, "program.mjs");
    writeFileSync(file, `${START}\n${script}`);
    const child = fork(file, [join(folder, "s.jsonl")], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    expect({ code, signal, output }).toEqual({ code: 0, signal: null, output: "" });
  },
);
