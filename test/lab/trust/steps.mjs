// What the trust run is made of: each step is one command of the repository, and what can be counted in its output.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { obstacle as etcdObstacle } from "../../support/engines/etcd.mjs";
import { obstacle as postgresObstacle } from "../../support/engines/postgres.mjs";
import { GROUPS, ROOT } from "../mutation/groups.mjs";
import { FILE_SYSTEMS } from "./file-systems.mjs";

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} subject of several steps with the same one the numbers are added up
 * @property {string} method
 * @property {"waits" | "computes" | "alone"} kind whether another step may run beside it, see schedule.mjs
 * @property {number} seconds about how long it takes, whole, on two cores
 * @property {string} command
 * @property {Readonly<Record<string, string>>} [environment]
 * @property {readonly string[]} by paths of what it does that with, as git takes them: the tests that it runs, or that answer for
 *   mutants; rooms of the lab; what these need
 * @property {object} [given] what else decides what it does
 * @property {readonly string[]} [of] paths of what it is a proof of, as git takes them; the whole package, if not given
 * @property {string | null} [fileSystem] of which kind the folder $DIRECTORY is; null: the one for temporary files
 * @property {() => string | null} [obstacle] why this machine cannot do it
 * @property {Readonly<Record<string, Count>>} counts by what is counted: the very words that the guides use
 */

/**
 * @typedef {object} Count
 * @property {RegExp} pattern its group is a number, unless `of` only counts
 * @property {number} [least] of fewer the step has failed; 1 if not given
 * @property {(numbers: readonly number[]) => number} [of] what becomes of the numbers; their sum, if not given
 */

/**
 * Of each mode on one file system: 211 000 in all. Where holders die by the thousand most of the time goes into starting
 * others, so there are fewer of these.
 */
const TORTURE_ACQUISITIONS = [
  { modes: ["plain", "overdue", "stopped"], count: 6400 },
  { modes: ["abandon", "killed", "stopped-inside"], count: 2400 },
];
const TORTURE_MODES = TORTURE_ACQUISITIONS.flatMap(({ modes }) => modes).length;
/**
 * A process that dies before it has the lock uses up an attempt, and on a slow file system more of them do: so many are left
 * at least on each; of few, half. In all they must be 200 000, which test/ci/trust-run.test.ts sees to.
 */
const TORTURE_LEAST = 22_000;

const REUSES = 1_000_000;
const EXECUTIONS = 10_000_000;
const HAND_OVERS = 21_000;
const MOVES = 1000;
const CALLS = 100_000;

/** Where nearly all of its calls are made; each of its functions is called by itself before. */
const SANITIZED = ["native", "process", "lock/protocol"];

/** The rooms with slow tests of the product; those of the clone itself run where it is developed. */
const ON_WINDOWS = ["cli", "lock", "process", "properties", "session-controller", "trust"];

/** The groups of ../mutation that decide about a lock or a signal; `small`: one file of each, to see that it works. */
const MUTATED = [
  {
    group: "verdict",
    small: "start-time",
    seconds: 700,
    what: "what decides about a lock",
  },
  {
    group: "reading",
    small: "reading",
    seconds: 300,
    what: "what is read of a lock",
  },
  {
    group: "guard",
    small: "guard-inode",
    seconds: 360,
    what: "how a guard is entered",
  },
  {
    group: "publish",
    small: "lease-claim",
    seconds: 600,
    what: "how a lock appears and is removed",
  },
  {
    group: "format",
    small: "names",
    seconds: 300,
    what: "what a lock file says",
  },
  {
    group: "lease",
    small: "deadline",
    seconds: 260,
    what: "a lease's deadlines",
  },
  {
    group: "signal",
    small: "signal",
    seconds: 80,
    what: "which process a signal reaches",
  },
];

/** What the tests and most rooms of the lab stand on. */
const SUPPORT = "test/support";
const lab = (...rooms) => [SUPPORT, ...rooms.map((room) => `test/lab/${room}`)];
const leaseLab = (...scripts) => [
  ...lab("lease/package-lock.json"),
  ...[...scripts, "open-etcd", "open-postgres", "proxy"].map(
    (name) => `test/lab/lease/${name}.mjs`,
  ),
];
/** What the addon is made of. */
const ADDON = ["native", "binding.gyp", ".ci/addon"];

const MUTATION_FILES = [
  "run.mjs",
  "package-lock.json",
  "stryker.config.json",
  "vitest.config.mjs",
].map((file) => `mutation/${file}`);
const groupOf = (group) => GROUPS.find(({ name }) => name === group);

/** The tests that answer for a group's mutants, and what else lies beside them. */
function testsOf(group) {
  const tests = groupOf(group).tests.flatMap((pattern) => {
    const [, before, names, after] = /^(.*)\{(.*)\}(.*)$/u.exec(pattern) ?? [];
    if (names === undefined) return [pattern];
    return names.split(",").map((name) => `${before}${name}${after}`);
  });
  const helpers = [...new Set(tests.map((path) => dirname(path)))].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => !name.endsWith(".test.ts"))
      .map((name) => `${folder}/${name}`),
  );
  return [...tests, ...helpers];
}

/** What steps share, made before any of them: two of them run side by side. */
export const PREPARATIONS = [
  "npm run --silent build",
  "node test/lab/install/get-runtimes.mjs",
  ...["bench", "lease"].map(
    (folder) => `npm --prefix test/lab/${folder} ci --silent --no-audit --no-fund`,
  ),
];

const least = (numbers) => Math.min(...numbers);
const most = (numbers) => Math.max(...numbers);
const howMany = (found) => found.length;

/**
 * @param {number} scale 1: everything. Below, counts are that share, and what has no count is tried in its short form.
 * @returns {Step[]}
 */
export function stepsAt(scale) {
  const scaled = (count) => Math.max(1, Math.ceil(count * scale));
  const isWhole = scale >= 1;
  const steps = [
    {
      name: "model",
      method:
        "the lock's own functions on a model of the file system: every interleaving of three processes with a crash and " +
        "an overdue holder, with the lock file as its own guard and with a guard file",
      kind: "computes",
      seconds: 420,
      command: "npx vitest run --project slow test/lab/model/protocol-model.test.ts",
      environment: isWhole ? { PIDENTITY_TRUST: "1" } : {},
      by: lab("model"),
      counts: {
        states: { pattern: /explored, .*: (\d+) states$/gmu },
        "protocols and worlds": { pattern: /Tests\s+(\d+) passed/gu },
        // Beside the dots of the test runner's reporter, on the same line perhaps.
        "known-broken protocols": { pattern: /(refuted) after \d+ states, /gu, of: howMany },
      },
    },
    {
      name: "signals",
      method:
        "no model: the rule of signals is a pure function, tried by a table of its facts, and real processes that are " +
        "signalled while they hold locks, in Node, Bun and Deno",
      kind: "alone",
      seconds: 60,
      command: "npx vitest run test/lock/exit",
      by: [SUPPORT, "test/lock/exit"],
      counts: { "rules and processes": { pattern: /Tests\s.*?(\d+) passed/gu } },
    },
    ...[null, ...FILE_SYSTEMS].map((fileSystem) => ({
      name: fileSystem === null ? "torture" : `torture-${fileSystem}`,
      subject: "torture",
      method: `8 processes fight for one lock in ${TORTURE_MODES} modes on ${fileSystem ?? "the folder for temporary files"}`,
      kind: "waits",
      seconds: 300,
      fileSystem,
      by: lab("torture"),
      command: TORTURE_ACQUISITIONS.map(({ modes, count }) =>
        [
          `node test/lab/torture/torture.mjs --acquisitions ${scaled(count)}`,
          ...modes.map((mode) => `--mode ${mode}`),
          ...(fileSystem === null ? [] : ['--directory "$DIRECTORY"']),
        ].join(" "),
      ).join(" && "),
      counts: {
        acquisitions: {
          pattern: /^total: (\d+) acquisitions/gmu,
          least: Math.ceil(isWhole ? TORTURE_LEAST : tortureShare(scaled) / 2),
        },
        reclaims: { pattern: /^total: .* (\d+) reclaims/gmu, least: isWhole ? 1 : 0 },
      },
    })),
    {
      name: "crashes",
      method:
        "SIGKILL before every file-system call of every operation, with locks of both kinds; a waiter notices it",
      // Its waiters compare two times.
      kind: "alone",
      seconds: 150,
      command: "npx vitest run --project slow test/lock/crash-matrix test/lock/crash-waiters",
      by: [SUPPORT, "test/lock/crash-*"],
      counts: {
        crashes: { pattern: /: (\d+) crashes$/gmu, least: 100 },
        "deaths waited for": { pattern: /: (\d+) deaths waited for$/gmu },
      },
    },
    {
      name: "faults",
      method:
        "every file call of every operation on locks of both kinds fails in each way that it can fail in",
      kind: "computes",
      seconds: 180,
      command: "npx vitest run --project slow test/trust/fault-injection",
      by: [SUPPORT, "test/trust"],
      counts: { cases: { pattern: /: \d+ calls, (\d+) runs$/gmu, least: 1000 } },
    },
    {
      name: "worlds",
      method: "locks between containers, hosts, reboots, overlays, FUSE, Node, Bun and Deno",
      kind: "waits",
      seconds: 150,
      obstacle: root,
      by: lab("worlds", "install"),
      command: `node test/lab/worlds/worlds.mjs${isWhole ? "" : ' --only "same namespace"'}`,
      counts: { verdicts: { pattern: /^(\d+) passed/gmu } },
    },
    {
      name: "kernel",
      method:
        "Debian's 6.1 kernel in a virtual machine: no pidfs, a reset, containers, a share with the host",
      kind: "computes",
      seconds: 400,
      obstacle: root,
      by: lab("kernel"),
      command: "node test/lab/kernel/run.mjs",
      counts: { answers: { pattern: /^(\d+) passed/gmu } },
    },
    {
      name: "lease",
      method: "leases on real etcd and PostgreSQL servers under everything that goes wrong",
      kind: "waits",
      seconds: 3600,
      obstacle: engines,
      by: leaseLab("adversity", "holder", "holders", "oracle", "scenarios"),
      command: [
        "node test/lab/lease/adversity.mjs",
        ...(isWhole ? ["--long"] : []),
        `--handovers ${scaled(HAND_OVERS)} --faults ${scaled(12)}`,
      ].join(" "),
      counts: {
        "hand-overs": {
          pattern: /^total: (\d+) hand-overs/gmu,
          least: Math.min(20_000, scaled(HAND_OVERS)),
        },
        "faults of holders, engines and networks": { pattern: /^total: .* (\d+) faults/gmu },
      },
    },
    {
      name: "pods",
      method:
        "sessions move between pods that are killed, frozen and cut off, on etcd and PostgreSQL",
      kind: "waits",
      seconds: 1800,
      obstacle: () => root() ?? engines(),
      by: [...leaseLab("pods"), ...lab("lease/pods", "worlds/child.mjs")],
      command: `node test/lab/lease/pods.mjs --ttl 3000 --moves ${scaled(MOVES)}`,
      counts: {
        moves: { pattern: /^total: (\d+) moves/gmu, least: scaled(MOVES) },
        "sessions back": { pattern: /^total: .* (\d+) sessions back/gmu },
      },
    },
    {
      name: "strangers",
      method: "one pid is given to process after process while signals are sent",
      kind: "computes",
      seconds: 400,
      obstacle: root,
      by: lab("strangers"),
      command: `node test/lab/strangers/strangers.mjs --reuses ${scaled(REUSES)}`,
      counts: {
        reuses: {
          pattern: /signalProcess\(token\) *│ \d+ +│ \d+ +│ (\d+)/gu,
          least: scaled(REUSES),
        },
      },
    },
    {
      name: "fuzz",
      method: "every parser under libFuzzer, ASan and UBSan",
      kind: "computes",
      seconds: 1500,
      obstacle: () => program("clang++-14"),
      // The parsers are C++, and nothing else is asked.
      of: ["native"],
      by: ["test/lab/fuzz"],
      command: `npm run fuzz -- --jobs 2 --runs ${scaled(EXECUTIONS)}`,
      counts: {
        parsers: { pattern: /^(\d+) passed/gmu },
        "executions each": {
          pattern: /: (\d+) executions/gu,
          least: scaled(EXECUTIONS),
          of: least,
        },
      },
    },
    ...MUTATED.map(({ group, small, seconds, what }) => ({
      name: `mutation-${group}`,
      subject: "mutation",
      method: `${what}, with one change each`,
      kind: "computes",
      seconds,
      command: `node test/lab/mutation/run.mjs ${isWhole ? group : small}`,
      by: [...lab(...MUTATION_FILES), ...testsOf(group)],
      given: groupOf(group),
      counts: {
        mutants: { pattern: /: \d+ of (\d+) mutants killed/gu },
        "mutants noticed": { pattern: /: (\d+) of \d+ mutants killed/gu },
      },
    })),
    {
      name: "sanitizers",
      method:
        "the addon under ASan, UBSan and LeakSanitizer: each of its functions, and the quick tests where it is called most",
      kind: "computes",
      seconds: 240,
      command: [
        "node test/lab/sanitizers/run.mjs --suite --",
        ...(isWhole ? ["unit", "alone"] : ["alone"]).map((name) => `--project ${name}`),
        // A process that is started under them takes seconds.
        "--testTimeout 180000",
        ...SANITIZED.map((room) => `test/${room}/`),
      ].join(" "),
      by: [...SANITIZED.map((room) => `test/${room}`), ...lab("sanitizers")],
      counts: { "tests under sanitizers": { pattern: /Tests\s.*?(\d+) passed/gu } },
    },
    {
      name: "leaks",
      method: "descriptors and memory over every function of the addon",
      // Memory is measured by what the kernel says of one process: another one does not matter.
      kind: "computes",
      seconds: 300,
      // The addon, and nothing above what loads it.
      of: [...ADDON, "lib/native"],
      by: ["test/native/leaks.mjs"],
      command: [
        "node --expose-gc test/native/leaks.mjs --self-check --calls 4000",
        `node --expose-gc test/native/leaks.mjs --calls ${scaled(CALLS)}`,
      ].join(" && "),
      counts: {
        "calls of every native function": {
          pattern: /^ok .*: flat over (\d+) calls/gmu,
          least: scaled(CALLS),
          // Of those that need a thread or a watcher for each there are fewer.
          of: most,
        },
        "kinds of calls": { pattern: /^(\d+) passed/gmu },
      },
    },
    {
      name: "properties",
      method: "rules, tokens, payloads, command lines and limits on random input",
      kind: "computes",
      seconds: 300,
      // Of so many cases each takes minutes.
      command: "npx vitest run --project slow test/properties --testTimeout 1200000",
      environment: { PIDENTITY_PROPERTY_FACTOR: String(50 * scale) },
      by: [SUPPORT, "test/properties"],
      counts: { properties: { pattern: /Tests\s+(\d+) passed/gu } },
    },
    {
      name: "windows",
      method: "the slow proofs on node.exe under Wine; the CI runs all the others there",
      kind: "computes",
      seconds: 900,
      by: [...ON_WINDOWS.map((room) => `test/${room}`), ...lab("windows")],
      command: [
        `node test/lab/windows/run.mjs --project ${isWhole ? "slow" : "alone"}`,
        ...ON_WINDOWS.map((room) => `test/${room}/`),
      ].join(" "),
      counts: { "tests on node.exe": { pattern: /Tests\s.*?(\d+) passed/gu } },
    },
    {
      name: "sweep",
      method: isWhole ? "a million locks in one directory" : "a hundred thousand locks",
      kind: "alone",
      seconds: 300,
      by: lab("bench"),
      command: `npm run bench -- sweep${isWhole ? " --short --million" : ""}`,
      counts: {
        "locks in one directory": {
          pattern: /(\d[\d \u00A0\u202F]*\d) locks of [^,]* pids, half stale/gu,
          least: isWhole ? 1_000_000 : 100_000,
          of: most,
        },
      },
    },
  ];
  return steps.map((step) => ({ subject: step.name, ...step }));
}

/** Acquisitions on one file system. */
function tortureShare(scaled) {
  return TORTURE_ACQUISITIONS.reduce(
    (all, { modes, count }) => all + modes.length * scaled(count),
    0,
  );
}

/**
 * How often what was tried.
 *
 * @param {Step} step
 * @param {string} text its output
 * @throws {Error} when that is less than it must be
 */
export function casesOf({ counts }, text) {
  return Object.fromEntries(
    Object.entries(counts).map(([name, { pattern, least: atLeast = 1, of = sum }]) => {
      const numbers = Array.from(text.matchAll(pattern), ([, digits]) =>
        Number(digits.replaceAll(/[^\d.]/gu, "")),
      );
      const count = numbers.length === 0 ? 0 : of(numbers);
      if (count >= atLeast) return [name, count];
      throw new Error(`at least ${atLeast} ${name} were to be tried: ${count}`);
    }),
  );
}

function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}

function root() {
  return process.getuid?.() === 0 ? null : "needs root";
}

function engines() {
  return etcdObstacle() ?? postgresObstacle();
}

function program(name) {
  return spawnSync(name, ["--version"]).error === undefined ? null : `needs the program ${name}`;
}
