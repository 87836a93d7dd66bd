/** Waits and what a lock says go on in real time where a test has replaced the global clocks, in a process of their own. */
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/index.js";
import { DIST, runNode } from "../support/processes/child.js";
import { requireLinux } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const FAKES = pathToFileURL(createRequire(import.meta.url).resolve("@sinonjs/fake-timers")).href;

/** What the program imports and does until its clocks stand still. */
const SETUPS = {
  "all fakes, installed after the import": `
    const files = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
    const processes = await import(${JSON.stringify(`${DIST}index.js`)});
    fakes.install();`,
  "a fake performance, installed before the import": `
    fakes.install({ toFake: ["performance"] });
    const files = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
    const processes = await import(${JSON.stringify(`${DIST}index.js`)});`,
  "a performance.now of the test's own": `
    const files = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
    const processes = await import(${JSON.stringify(`${DIST}index.js`)});
    performance.now = () => 0;`,
};

const ADDON = { "with the addon": "", "without the addon": "1" };

const cases = Object.entries(SETUPS).flatMap(([name, setup]) =>
  Object.entries(ADDON).map(([addon, without]) => ({ name, addon, setup, without })),
);

test.for(cases)("waits end in time: $name, $addon", async ({ setup, without }, context) => {
  if (without === "1") requireLinux(context, "what names processes without the addon");
  const folder = temporaryFolder();
  const held = await acquireFileLock({ path: join(folder, "held") });
  const outcomes = await runNode(
    `import fakeTimers from ${JSON.stringify(FAKES)};
    import { spawn } from "node:child_process";
    import { once } from "node:events";
    const fakes = fakeTimers.default ?? fakeTimers;
    const codeOf = (promise) => promise.then(() => "done", (error) => error.code);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
    await once(child, "spawn");
    ${setup}
    const path = ${JSON.stringify(join(folder, "held"))};
    const own = ${JSON.stringify(join(folder, "own"))};
    const outcomes = {};
    outcomes.otherProcess = await codeOf(files.acquireFileLock({ path, timeoutMs: 150 }));
    try {
      files.acquireFileLockSync({ path, timeoutMs: 150 });
    } catch (error) {
      outcomes.atOnce = error.code;
    }
    const lock = await files.acquireFileLock({ path: own });
    outcomes.sameProcess = await codeOf(files.acquireFileLock({ path: own, timeoutMs: 30 }));
    const token = processes.identifyProcess(child.pid);
    outcomes.exit = await codeOf(
      processes.waitForProcessExit(token, { timeoutMs: 30 }).then((answer) => {
        throw { code: answer };
      }),
    );
    if (processes.nativeStatus().backend === "native") {
      outcomes.end = (await processes.endProcess(token, { graceMs: 30_000 })).state;
    } else {
      child.kill();
      outcomes.end = (await processes.waitForProcessExit(token)) === "exited" ? "ended" : "runs";
    }
    console.log(JSON.stringify(outcomes));
    process.exit();`,
    { env: { ...process.env, PIDENTITY_NO_NATIVE: without } },
  );
  expect(outcomes).toEqual({
    otherProcess: "FILE_LOCK_TIMEOUT",
    atOnce: "FILE_LOCK_TIMEOUT",
    sameProcess: "FILE_LOCK_TIMEOUT",
    exit: "timeout",
    end: "ended",
  });
  await held.release();
});

test("a lock tells other processes when it was really taken", async () => {
  const path = join(temporaryFolder(), "dated");
  await runNode(
    `import fakeTimers from ${JSON.stringify(FAKES)};
    const { acquireFileLock } = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
    (fakeTimers.default ?? fakeTimers).install({ now: 0 });
    const lock = await acquireFileLock({ path: ${JSON.stringify(path)} });
    (await import("node:fs")).copyFileSync(lock.lockPath, ${JSON.stringify(`${path}.copy`)});
    await lock.release();
    console.log("null");
    process.exit();`,
  );
  const { createdAt } = JSON.parse(readFileSync(`${path}.copy`, "utf8")) as { createdAt: string };
  expect(Math.abs(Date.parse(createdAt) - statSync(`${path}.copy`).mtimeMs)).toBeLessThan(60_000);
});
