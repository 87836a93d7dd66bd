// Eight threads load the addon, use it and are terminated in the middle of it; the process then has to
// end by itself, with exit code 0.
import assert from "node:assert/strict";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

import { inspectProcess, nativeStatus } from "pidentity";

const THREADS = 8;

if (isMainThread) {
  const script = fileURLToPath(import.meta.url);
  const workers = Array.from({ length: THREADS }, () => new Worker(script));
  const first = await Promise.all(workers.map((worker) => once(worker, "message")));
  assert.deepEqual(
    first.flat(),
    Array.from({ length: THREADS }, () => "native"),
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.equal(nativeStatus().backend, "native");
  console.log(`${THREADS} terminated`);
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, no origin
  parentPort.postMessage(nativeStatus().backend);
  for (;;) inspectProcess(process.pid);
}
