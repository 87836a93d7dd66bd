// What is mutated, which tests answer for it, and how much of it they must notice.
//
// The tests of a group are those that look at its files from near: a few seconds for each mutant. That a change far away
// would be noticed as well, by a crash matrix or a torture, is not counted.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * - `least`: the percentage of its mutants that must be killed in every file
 * - `folder`: all of its TypeScript files are mutated, so that a new one cannot be forgotten, but for those in `leaves`,
 *   each with the reason
 * - `files`: those of the folder, where the folder is of several subjects
 * - `tests`: patterns of vitest
 * - `testTimeoutMs`: where no test waits for anything real: a mutant that waits for ever is told by it, sooner than by
 *   Stryker's own limit
 * - `signals`: a mutant may send a signal to any process that it can see: none but its own may be seen
 */
export const GROUPS = [
  {
    name: "signal",
    least: 90,
    folder: "lib/process",
    files: ["end", "open-process", "signal"],
    tests: ["test/process/signal-rules.test.ts"],
    testTimeoutMs: 5000,
    signals: true,
  },
  {
    name: "token",
    least: 90,
    folder: "lib/process",
    files: ["get-relatives", "judge-token", "relatives", "token"],
    tests: [
      "test/process/{get-relatives-rules,judge-token,relatives,token}.test.ts",
      "test/properties/{relatives,token-identity}.test.ts",
    ],
  },
  {
    name: "tree",
    least: 90,
    folder: "lib/process/tree",
    leaves: {
      "linux-stat": "reads /proc: the tests of trees of real processes look at it",
    },
    tests: ["test/process/signal-rules.test.ts"],
    testTimeoutMs: 5000,
    signals: true,
  },
  {
    name: "lease",
    least: 90,
    folder: "lib/lease",
    files: ["acquire-lease", "ask-store", "deadline", "held-lease"],
    tests: ["test/lease/{deadline,lease-times,trace}.test.ts"],
    testTimeoutMs: 5000,
  },
  {
    name: "verdict",
    least: 90,
    folder: "lib/lock/verdict",
    leaves: { inspection: "types only" },
    tests: [
      "test/lock/verdict/{classify,evidence,judge,kernel-evidence,owner,owner-args,owner-token}.test.ts",
      "test/lock/verdict/{plain-owner,process-reference-rules,reading,start-time,waiting-limit}.test.ts",
      "test/properties/{living-owner,lock-verdict,start-time}.test.ts",
    ],
  },
  {
    name: "protocol",
    least: 90,
    folder: "lib/lock/protocol",
    leaves: {
      "file-calls": "calls of the addon or of node:fs, which answer alike",
      "kept-files":
        "calls of the addon or of node:fs; what differs is seen when a worker is terminated",
      "lock-fs": "calls of the addon or of node:fs, one for each system call",
      nonce: "random bytes",
      "system-call-error": "the texts of Node's errors",
    },
    tests: [
      "test/lock/protocol/{file-system-kind,file-times,foreign-guard,guard,guard-file,guard-inode,holder-guard,lock-fs}.test.ts",
      "test/lock/protocol/{leftovers,names,number-file,payload,plain-format,publish,remove,windows-files}.test.ts",
      "test/properties/hostile-payload.test.ts",
    ],
  },
  {
    name: "attention",
    least: 80,
    folder: "lib/session-attention",
    files: ["activity", "backoff", "classify", "recovery", "recovery-underway"],
    tests: ["test/session-attention/*.test.ts"],
  },
  {
    name: "session-lock",
    least: 80,
    folder: "lib/session-lock",
    files: ["classify", "limits", "openclaw-owner", "reasons"],
    tests: [
      "test/session-lock/{classify,limits,openclaw-owner}.test.ts",
      "test/properties/{limits,owner-argv}.test.ts",
    ],
  },
  {
    name: "file-lock",
    least: 80,
    folder: "lib/file-lock",
    files: ["decode-text", "other-content", "read-pid-file"],
    tests: ["test/file-lock/{decode-text,other-content,other-content-times,read-pid-file}.test.ts"],
  },
  {
    name: "util",
    least: 80,
    folder: "lib/util",
    files: ["absolute-path", "argument-error", "check-options", "check-values", "printable"],
    tests: [
      "test/util/{absolute-path,argument-error,check-options,check-values}.test.ts",
      "test/util/{printable,printable-documents}.test.ts",
    ],
  },
  {
    name: "forms",
    least: 80,
    folder: "lib/cli/locks/forms",
    tests: ["test/cli/locks/forms/*.test.ts"],
  },
];

/** The files of a group that are mutated, from the package's root. */
export function filesOf({ folder, files, leaves = {} }) {
  const names = files ?? withoutEnding(readdirSync(join(ROOT, folder)));
  for (const name of Object.keys(leaves)) {
    if (!names.includes(name)) throw new Error(`there is no ${folder}/${name}.ts to leave out`);
  }
  return names.filter((name) => !(name in leaves)).map((name) => `${folder}/${name}.ts`);
}

function withoutEnding(names) {
  return names.filter((name) => name.endsWith(".ts")).map((name) => name.slice(0, -".ts".length));
}

/** The group whose tests vitest.config.ts asks for, by the variable that run.mjs sets. */
export const GROUP_VARIABLE = "PIDENTITY_MUTATION_GROUP";
