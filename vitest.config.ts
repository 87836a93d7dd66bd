import { availableParallelism } from "node:os";

import { defineConfig } from "vitest/config";

// Minutes: every interleaving, every call failing, every crash, random and hostile input, whole packages.
// `npm run test:all` adds them and LONG.
const SLOW = [
  "test/ci/*.test.ts",
  "test/cli/long-inputs.test.ts",
  "test/lab/*/*.test.ts",
  "test/native/leaks.test.ts",
  "test/process/{end-storm,worker-threads}.test.ts",
  "test/properties/*.test.ts",
  "test/session-controller/any-order.test.ts",
  "test/lock/crash-*.test.ts",
  "test/lock/protocol/refusing-and-repeating-disks.test.ts",
  "test/trust/*.test.ts",
];

// Seconds each: the guides' examples, real terminals, runtimes, signals and servers, waits of the product's own; and what
// takes root: containers, mounts, other users.
const LONG = [
  "test/cli/commands/{break,identify-in-container,kill,locks-any,run,tree}.test.ts",
  "test/cli/terminal/watch.test.ts",
  "test/file-lock/{guide,supervised-daemon}.test.ts",
  "test/lease/{guide,held-by-processes,pglite-leases,postgres-other-clients,postgres-server}.test.ts",
  "test/process/backends/select-backend.test.ts",
  "test/process/{end-tree,file-lock-start-time,linux-*,nested-processes}.test.ts",
  "test/proper-lockfile/mixed-use.test.ts",
  "test/readme.test.ts",
  "test/session-controller/{lease-on-postgres,readme-example}.test.ts",
  "test/lock/{break,exit/signals-and-ends,other-runtimes,terminated-workers,threads-and-containers}.test.ts",
  "test/lock/protocol/{file-times,full-disks,protected-files,refusing-file-systems,views-of-a-directory}.test.ts",
  "test/lock/verdict/{missing-evidence,owners-at-acquire,reading}.test.ts",
  "test/{api/guide-examples,api/whole-milliseconds,util/directory-reader,util/fake-timers}.test.ts",
  // On real servers, which count leases in seconds.
  "test/lease/etcd.test.ts",
  "test/lease/etcd/*.test.ts",
];

// These change something of their process (listeners, variables, the directory, descriptors, what is remembered of the
// machine) or look at it. All others share a few processes, which saves starting one for each.
const ALONE = [
  "test/cli/commands/locks-relative-directory.test.ts",
  "test/cli/guide.test.ts",
  "test/file-lock/*.test.ts",
  "test/native/*.test.ts",
  "test/process/**/*.test.ts",
  "test/session-controller/{abort,displaced-in-a-write,file-owner,lock-options,lock-unavailable,relative-session-file,takeover-facts}.test.ts",
  "test/session-controller/fence/fence.test.ts",
  "test/{lease/lease-times,lock/verdict/process-reference-rules}.test.ts",
  "test/lock/{acquire,ended-realm,exit/signals-and-ends,held-locks,missing-addon,terminated-workers,trace}.test.ts",
  "test/session-lock/{limits,unusual-inputs}.test.ts",
  "test/util/{on-abort,timers,warn-line}.test.ts",
];

const EVERY_TEST = "test/**/*.test.ts";
const NO_TESTS = ["test/lab/bench/**", "**/node_modules/**"];

/**
 * What `unit` and `alone` cover of each room, less a point or two: without the tests of one of its parts a room falls below.
 * What only child processes run (the command, the fallbacks without the addon) and what real servers answer is not counted.
 */
const COVERED = {
  lines: 85,
  branches: 77,
  "lib/cli/**": { lines: 73, branches: 66 },
  "lib/file-lock/**": { lines: 98, branches: 96 },
  "lib/lease/**": { lines: 75, branches: 58 },
  "lib/lock/**": { lines: 88, branches: 81 },
  "lib/native/**": { lines: 53, branches: 37 },
  "lib/process/**": { lines: 93, branches: 86 },
  "lib/proper-lockfile/**": { lines: 94, branches: 82 },
  "lib/session-attention/**": { lines: 98, branches: 96 },
  "lib/session-controller/**": { lines: 98, branches: 96 },
  "lib/session-lock/**": { lines: 97, branches: 89 },
  "lib/util/**": { lines: 95, branches: 88 },
};

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
    // Together all files, each in one of them: what is nothing else is `unit`.
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [EVERY_TEST],
          exclude: [...NO_TESTS, ...SLOW, ...LONG, ...ALONE],
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: "alone", include: ALONE, exclude: [...NO_TESTS, ...SLOW, ...LONG] },
      },
      { extends: true, test: { name: "long", include: LONG, exclude: NO_TESTS } },
      { extends: true, test: { name: "slow", include: SLOW, exclude: NO_TESTS } },
    ],
    coverage: {
      provider: "v8",
      include: ["lib/**/*.ts"],
      reporter: ["text-summary", "json-summary"],
      thresholds: COVERED,
    },
  },
});
