/** The main thread is told from every kind of worker, on every runtime. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { start } from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { requireRuntime, RUNTIMES } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.for(RUNTIMES)("%s tells its main thread from its workers", async (runtime, context) => {
  const command = requireRuntime(context, runtime);
  const folder = temporaryFolder();
  const IS_MAIN = importCompiled("isMainThread", "util/thread.js");
  writeFileSync(
    join(folder, "thread.mjs"),
    `import { parentPort } from "node:worker_threads";
    ${IS_MAIN}
    parentPort.postMessage(isMainThread());`,
  );
  writeFileSync(join(folder, "web.mjs"), `${IS_MAIN} self.postMessage(isMainThread());`);
  writeFileSync(
    join(folder, "main.mjs"),
    `import { once } from "node:events";
    import { Worker as Thread } from "node:worker_threads";
    ${IS_MAIN}
    const [thread] = await once(new Thread(new URL("thread.mjs", import.meta.url)), "message");
    const web = typeof Worker === "undefined" ? false : await new Promise((resolve) => {
      const worker = new Worker(new URL("web.mjs", import.meta.url), { type: "module" });
      worker.onmessage = ({ data }) => { worker.terminate(); resolve(data); };
    });
    console.log(JSON.stringify({ main: isMainThread(), thread, web }));`,
  );
  const [program = "", ...args] = command;
  const child = await start(program, [...args, join(folder, "main.mjs")]);
  expect(JSON.parse(await child.line())).toEqual({ main: true, thread: false, web: false });
});
