import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    exclude: ["test/bench/**", "**/node_modules/**"],
    reporters: ["default", "./test/support/skip-reporter.ts"],
    // Forks: tests signal processes, change directories and look at their own pid.
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
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
