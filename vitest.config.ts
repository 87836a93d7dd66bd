import { availableParallelism } from "node:os";

import { defineConfig } from "vitest/config";

// Long proofs: every interleaving, every call failing, every crash, whole packages. `npm run test:all` adds them.
const SLOW = [
  "test/ci/*.test.ts",
  "test/demo/*.test.ts",
  "test/native/leaks.test.ts",
  "test/session-lock/crash-*.test.ts",
  "test/torture/*.test.ts",
  "test/trial/*.test.ts",
  "test/trust/{fault-injection,protocol-model}.test.ts",
];

const EVERY_TEST = "test/**/*.test.ts";
const NO_TESTS = ["test/bench/**", "**/node_modules/**"];

export default defineConfig({
  test: {
    globalSetup: ["test/support/global-setup.ts"],
    reporters: ["dot", "./test/support/skip-reporter.ts"],
    // Forks: tests signal processes, change directories and look at their own pid.
    pool: "forks",
    // They wait more than they compute: twice as many as there are cores run without getting in each other's way.
    maxWorkers: 2 * availableParallelism(),
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Together all files, each in one of them: what is not slow is `unit`.
    projects: [
      {
        extends: true,
        test: { name: "unit", include: [EVERY_TEST], exclude: [...NO_TESTS, ...SLOW] },
      },
      { extends: true, test: { name: "slow", include: SLOW, exclude: NO_TESTS } },
    ],
    coverage: {
      provider: "v8",
      include: ["lib/**/*.ts"],
      reporter: ["text-summary", "json-summary"],
      // What only child processes run (the command's own input and output, the fallbacks without the addon)
      // is not counted.
      thresholds: { lines: 95, branches: 90 },
    },
  },
});
