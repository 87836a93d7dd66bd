/** A short form of `npm run torture`: every mode, a few hundred acquisitions. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { expect, test } from "vitest";

import { ROOT } from "../support/programs.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** What a run of that mode prints, and its exit code. */
function torture(mode: string): string {
  const args = ["--mode", mode, "--acquisitions", "240", "--processes", "6"];
  const script = join(ROOT, "test/torture/torture.mjs");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [script, ...args, "--directory", temporaryFolder()],
    { encoding: "utf8" },
  );
  return `${stdout}${stderr}exit code ${String(status)}`;
}

const FINE = /\n1 passed, 0 failed\nexit code 0$/;

test.for(["plain", "overdue"])("%s", { timeout: 120_000 }, (mode, context) => {
  requireNative(context);
  expect(torture(mode)).toMatch(FINE);
});

test.for(["abandon", "killed", "stopped"])("%s", { timeout: 120_000 }, (mode, context) => {
  requireNative(context);
  requirePosix(context, "signals");
  expect(torture(mode)).toMatch(FINE);
});
