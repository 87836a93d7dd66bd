/** A lock that is first taken in an `exit` listener. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLockSync, type ReclaimedLock } from "../../../lib/file-lock/index.js";
import { DIST, runNode } from "../../support/processes/child.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const program = (path: string, last: string): string => `
  const { acquireFileLockSync } = await import(${JSON.stringify(`${DIST}file-lock/index.js`)});
  process.on("exit", () => {
    const lock = acquireFileLockSync({ path: ${JSON.stringify(path)} });
    ${last}
  });
  console.log("null");`;

test("stays behind when it is not released there, free for the next", async () => {
  const path = join(temporaryFolder(), "a");
  await runNode(program(path, ""));
  expect(existsSync(`${path}.lock`)).toBe(true);
  const reclaimed: ReclaimedLock[] = [];
  const lock = acquireFileLockSync({ path, onReclaimed: (each) => void reclaimed.push(each) });
  expect(reclaimed).toHaveLength(1);
  lock.releaseSync();
});

test("is gone when it is released there", async () => {
  const path = join(temporaryFolder(), "a");
  await runNode(program(path, "lock.releaseSync();"));
  expect(existsSync(`${path}.lock`)).toBe(false);
});
