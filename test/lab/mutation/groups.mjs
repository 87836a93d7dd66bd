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
 * - `folder`, `files`: what is mutated
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
    files: ["end-members", "freeze", "member", "tree"],
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
    files: [
      "classify",
      "evidence",
      "held-from",
      "judge",
      "kernel-evidence",
      "owner",
      "owner-args",
      "owner-judgement",
      "owner-token",
      "plain-owner",
      "process-references",
      "start-time",
    ],
    tests: [
      "test/lock/verdict/{classify,evidence,held-from,judge,kernel-evidence,owner,owner-args,owner-token}.test.ts",
      "test/lock/verdict/{plain-owner,process-reference-rules,start-time,waiting-limit}.test.ts",
      "test/properties/{living-owner,lock-verdict,start-time}.test.ts",
    ],
  },
  {
    name: "reading",
    least: 90,
    folder: "lib/lock/verdict",
    files: ["reading"],
    tests: ["test/lock/verdict/{judge,reading,reading-in-memory}.test.ts"],
  },
  {
    name: "guard",
    least: 90,
    folder: "lib/lock/protocol",
    files: ["foreign-guard", "guard", "guard-by-link", "guard-file", "guard-inode", "holder-guard"],
    tests: [
      "test/lock/protocol/{call-traces,foreign-guard,foreign-guard-rules,guard,guard-file-rules}.test.ts",
      "test/lock/protocol/{guard-by-link,guard-inode-rules,holder-guard}.test.ts",
      "test/lock/protocol/holder-guard-rules.test.ts",
    ],
  },
  {
    name: "publish",
    least: 90,
    folder: "lib/lock/protocol",
    files: ["lease-claim", "leftovers", "new-lock-file", "publish", "read", "release", "remove"],
    tests: [
      "test/lock/protocol/{call-traces,lease-claim,leftovers,publish,read,release,remove}.test.ts",
    ],
  },
  {
    name: "format",
    least: 90,
    folder: "lib/lock/protocol",
    files: ["file-id", "file-system-kind", "file-times", "names", "number-file", "payload"],
    tests: [
      "test/lock/protocol/{file-system-kind,last-change,names,number-file,payload}.test.ts",
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
    files: [
      "directory",
      "form",
      "git",
      "json-object",
      "kernel-locked",
      "links",
      "no-lock",
      "openclaw",
      "own",
      "pid-file",
      "postgres",
      "registry",
      "vim",
    ],
    tests: ["test/cli/locks/forms/*.test.ts"],
  },
];

/** Folders of which each file belongs to a group, so that a new one cannot be forgotten, or is in here with the reason. */
const WHOLE = {
  "lib/cli/locks/forms": {},
  "lib/lock/protocol": {
    "file-calls": "calls of the addon or of node:fs, which answer alike",
    "kept-files":
      "calls of the addon or of node:fs; what differs is seen when a worker is terminated",
    "lock-fs": "calls of the addon or of node:fs, one for each system call",
    nonce: "random bytes",
    "system-call-error": "the texts of Node's errors",
  },
  "lib/lock/verdict": { inspection: "types only" },
  "lib/process/tree": {
    "linux-stat": "reads /proc: the tests of trees of real processes look at it",
  },
};
for (const [folder, leaves] of Object.entries(WHOLE)) {
  const grouped = GROUPS.filter((group) => group.folder === folder).flatMap(({ files }) => files);
  const known = [...grouped, ...Object.keys(leaves)].toSorted();
  const there = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith(".ts"));
  const expected = there.map((name) => name.slice(0, -".ts".length)).toSorted();
  if (known.join() !== expected.join()) {
    throw new Error(`the groups of ${folder} have ${known.join()}, there are ${expected.join()}`);
  }
}

/** The files of a group that are mutated, from the package's root. */
export function filesOf({ folder, files }) {
  return files.map((name) => `${folder}/${name}.ts`);
}

/** The group whose tests vitest.config.ts asks for, by the variable that run.mjs sets. */
export const GROUP_VARIABLE = "PIDENTITY_MUTATION_GROUP";
