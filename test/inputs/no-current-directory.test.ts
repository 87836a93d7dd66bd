/** A relative path where the current directory was removed. */
import { join } from "node:path";

import { expect, test } from "vitest";

import { DIST, runNode } from "../support/processes/child.js";
import { requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const CALLS = `
  acquireFileLock: ["options.path", () => f.acquireFileLock({ path: "a" })],
  acquireFileLockSync: ["options.path", async () => f.acquireFileLockSync({ path: "a" })],
  lockPath: ["options.lockPath", () => f.acquireFileLock({ path: "/tmp/a", lockPath: "a.lock" })],
  acquirePidFile: ["options.path", () => f.acquirePidFile({ path: "a" })],
  readPidFile: ["path", () => f.readPidFile("a")],
  checkFileLock: ["options.path", () => f.checkFileLock({ path: "a" })],
  breakLock: ["lockPath", () => f.breakLock("a", { expectedNonce: "n", reason: "r" })],
  acquireSessionWriteLock: ["options.sessionFile", () => s.acquireSessionWriteLock({ sessionFile: "a" })],
  inspectSessionLock: ["lockPath", () => s.inspectSessionLock("a")],
  cleanStaleLockFiles: ["options.sessionsDir", () => s.cleanStaleLockFiles({ sessionsDir: "a" })],
  sweepSessionLocks: ["options.sessionsDirs[0]", () => s.sweepSessionLocks({ sessionsDirs: ["a"] })],
  acquireSessionFileOwner: ["options.sessionFile", () => c.acquireSessionFileOwner({ sessionFile: "a" })],
  lock: ["file", () => l.lock("a")],
`;

test("is refused by the name of its field, with the value and what was expected", async (context) => {
  requirePosix(context, "directories that can be removed while they are in use");
  const answers = (await runNode(
    `import { mkdirSync, rmdirSync } from "node:fs";
    const gone = ${JSON.stringify(join(temporaryFolder(), "gone"))};
    const f = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
    const s = await import(${JSON.stringify(`${DIST}session-lock/index.js`)});
    const c = await import(${JSON.stringify(`${DIST}session-controller/index.js`)});
    const l = await import(${JSON.stringify(`${DIST}proper-lockfile/index.js`)});
    mkdirSync(gone);
    process.chdir(gone);
    rmdirSync(gone);
    const answers = {};
    for (const [name, [field, call]] of Object.entries({ ${CALLS} })) {
      answers[name] = await call().then(
        () => "done",
        ({ code, message }) => (message.startsWith(field + " ") ? code : message),
      );
      answers.message ??= await call().catch(({ message }) => message);
    }
    console.log(JSON.stringify(answers));`,
  )) as Record<string, string>;
  const { message, ...codes } = answers;
  expect(message).toBe(
    "options.path must be absolute, for the current directory is not there any more, got 'a'",
  );
  expect(new Set(Object.values(codes))).toEqual(new Set(["ERR_OUT_OF_RANGE"]));
});
