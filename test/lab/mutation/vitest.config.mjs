import { chmodSync } from "node:fs";

import { defineConfig } from "vitest/config";

import { GROUP_VARIABLE, GROUPS } from "./groups.mjs";

// Stryker's copy of this repository is for its owner only; one of the tests asks as another user.
chmodSync(process.cwd(), 0o755);

const name = process.env[GROUP_VARIABLE];
const group = GROUPS.find((each) => each.name === name);
if (group === undefined) throw new Error(`${GROUP_VARIABLE} names no group: ${String(name)}`);

/** The tests that answer for what is mutated; run.mjs has built what their child processes load. */
export default defineConfig({
  test: { include: group.tests, testTimeout: group.testTimeoutMs ?? 60_000 },
});
