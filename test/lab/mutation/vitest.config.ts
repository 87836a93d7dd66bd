import { chmodSync } from "node:fs";

import { defineConfig } from "vitest/config";

// Stryker's copy of this repository is for its owner only; one of the tests asks as another user.
chmodSync(process.cwd(), 0o755);

/** The tests that answer for what is mutated; run.mjs has built what their child processes load. */
export default defineConfig({
  test: {
    include: [
      "test/lock/protocol/guard.test.ts",
      "test/lock/verdict/{classify,kernel-evidence,owner,plain-owner,start-time,waiting-limit}.test.ts",
      "test/properties/{living-owner,lock-verdict,start-time}.test.ts",
    ],
    testTimeout: 60_000,
  },
});
