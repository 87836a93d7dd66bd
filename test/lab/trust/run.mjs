// The long forms of every test, together: hours on a quiet machine. What the CI does shortly stays there.
//
//   npm run trust                        everything
//   npm run trust -- fuzz mutation ...   some steps; --list names them
//   npm run trust -- --scale 0.01        with a hundredth of the cases, to see that it works
//
// The output of a step goes to build/trust/<step>.log and is shown when it fails. Ends with a table
// and the line "N passed, N failed". A step that this machine cannot do is skipped, with the reason.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { CannotMount, FILE_SYSTEMS, onFileSystem } from "./file-systems.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const logs = join(root, "build/trust");

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: "boolean", default: false },
    scale: { type: "string", default: "1" },
  },
});
const scale = Number(options.scale);
if (!(scale > 0)) throw new RangeError(`--scale must be a number above 0: ${options.scale}`);
const scaled = (count) => Math.max(1, Math.ceil(count * scale));

const TORTURE_MODES = 6;
const TORTURE_ACQUISITIONS = 210_000;

/** `cases` reads what was tried, and how often, out of the output; it throws when that is nothing. */
const STEPS = [
  {
    name: "fuzz",
    method: "every parser under libFuzzer, ASan and UBSan",
    command: `npm run fuzz -- --runs ${scaled(10_000_000)}`,
    cases: (text) => `${sum(text, /: (\d+) executions/gu)} executions`,
  },
  {
    name: "properties",
    method: "rules, tokens, payloads, command lines and limits on random input",
    command: "npx vitest run --project slow test/properties",
    environment: { PIDENTITY_PROPERTY_FACTOR: String(50 * scale) },
    cases: (text) =>
      `${sum(text, /Tests\s+(\d+) passed/gu)} properties, ${50 * scale} times the usual runs`,
  },
  {
    name: "mutation",
    method: "classify, guard and owner with one change each",
    command: "npm run mutate",
    cases: (text) =>
      `${sum(text, /: (\d+) of \d+ mutants killed/gu)} of ${sum(text, /: \d+ of (\d+) mutants killed/gu)} mutants killed`,
  },
  {
    name: "model",
    method: "every interleaving of three processes, a crash and an overdue holder anywhere",
    command: "npx vitest run --project slow test/lab/model/protocol-model.test.ts",
    environment: { PIDENTITY_TRUST: "1" },
    cases: (text) => `${sum(text, /Tests\s+(\d+) passed/gu)} protocols and worlds`,
  },
  {
    name: "worlds",
    method: "locks between containers, hosts, reboots, overlays, FUSE, Node, Bun and Deno",
    command: "node test/lab/worlds/worlds.mjs",
    cases: (text) => `${sum(text, /^(\d+) passed/gmu)} verdicts`,
  },
  {
    name: "kernel",
    method:
      "Debian's 6.1 kernel in a virtual machine: no pidfs, a reset, containers, a share with the host",
    command: "node test/lab/kernel/run.mjs",
    cases: (text) => `${sum(text, /^(\d+) passed/gmu)} answers`,
  },
  {
    name: "windows",
    method: "the whole suite on node.exe under Wine, the slow proofs too",
    command: "node test/lab/windows/run.mjs",
    cases: (text) => `${sum(text, /Tests\s.*?(\d+) passed/gu)} tests`,
  },
  {
    name: "leaks",
    method: "descriptors and memory over every function of the addon",
    command: [
      "node --expose-gc test/native/leaks.mjs --self-check --calls 4000",
      `node --expose-gc test/native/leaks.mjs --calls ${scaled(100_000)}`,
    ].join(" && "),
    cases: (text) => `${sum(text, /flat over (\d+) calls/gu)} calls`,
  },
  {
    name: "sanitizers",
    method: "the addon and the whole suite under ASan, UBSan and LeakSanitizer",
    command: "node test/lab/sanitizers/run.mjs --suite",
    cases: (text) => `${sum(text, /Tests\s.*?(\d+) passed/gu)} tests`,
  },
  ...[null, ...FILE_SYSTEMS].map((kind) => ({
    name: kind === null ? "torture" : `torture-${kind}`,
    method: `processes fight for one lock in ${TORTURE_MODES} modes on ${kind ?? "the folder for temporary files"}`,
    fileSystem: kind,
    command: [
      "node test/lab/torture/torture.mjs",
      `--acquisitions ${scaled(TORTURE_ACQUISITIONS / TORTURE_MODES / (1 + FILE_SYSTEMS.length))}`,
      kind === null ? "" : '--directory "$DIRECTORY"',
    ].join(" "),
    cases: (text) =>
      `${sum(text, /^total: (\d+) acquisitions/gmu)} acquisitions, ${sum(text, /^total: .* (\d+) reclaims/gmu)} reclaims`,
  })),
  {
    name: "strangers",
    method: "one pid is given to process after process while signals are sent",
    command: [
      "npm --prefix test/lab/bench ci --silent --no-audit --no-fund",
      `node test/lab/strangers/strangers.mjs --reuses ${scaled(1_000_000)}`,
    ].join(" && "),
    cases: (text) =>
      `${sum(text, /signalProcess\(token\) +│ \d+ +│ \d+ +│ (\d+)/gu)} reuses, no stranger`,
  },
  {
    name: "lease",
    method: "leases on real etcd and PostgreSQL servers under everything that goes wrong",
    command: [
      "npm --prefix test/lab/lease ci --silent --no-audit --no-fund",
      `node test/lab/lease/adversity.mjs --long --handovers ${scaled(21_000)} --faults ${scaled(12)}`,
    ].join(" && "),
    cases: (text) =>
      `${sum(text, /^total: (\d+) hand-overs/gmu)} hand-overs, ${sum(text, /^total: .* (\d+) faults/gmu)} faults`,
  },
  {
    name: "pods",
    method:
      "sessions move between pods that are killed, frozen and cut off, on etcd and PostgreSQL",
    command: [
      "npm --prefix test/lab/lease ci --silent --no-audit --no-fund",
      `node test/lab/lease/pods.mjs --ttl 3000 --moves ${scaled(1000)}`,
    ].join(" && "),
    cases: (text) =>
      `${sum(text, /^total: (\d+) moves/gmu)} moves, ${sum(text, /^total: .* (\d+) sessions back/gmu)} sessions back`,
  },
  {
    name: "sweep",
    method: "a million locks in one directory",
    command: "npm run bench -- sweep --million",
    cases: (text) =>
      `${sum(text.replaceAll(/(?<=\d)[ ,\u00A0\u202F](?=\d{3})/gu, ""), /\b(1000000)\b/gu) / 1e6} sweeps of 1 000 000 locks`,
  },
];

/** The sum of the numbers that a pattern's group finds in the text; there must be some. */
function sum(text, pattern) {
  const numbers = Array.from(text.matchAll(pattern), ([, digits]) => Number(digits));
  const total = numbers.reduce((all, number) => all + number, 0);
  if (total > 0) return total;
  throw new Error(`nothing was tried: ${String(pattern)}`);
}

/** A row of the table. */
function run(step) {
  const started = performance.now();
  const row = (result, cases = "") => {
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`${result === "passed" ? "ok    " : result} ${step.name}: ${cases} (${seconds} s)`);
    return { method: step.method, cases, result, seconds };
  };
  try {
    const text =
      step.fileSystem == null
        ? execute(step, {})
        : onFileSystem(step.fileSystem, (directory) => execute(step, { DIRECTORY: directory }));
    return row("passed", step.cases(text));
  } catch (error) {
    if (error instanceof CannotMount) return row(`skipped: ${error.message}`);
    console.log(String(error.message));
    return row("FAILED");
  }
}

function execute({ name, command, environment }, more) {
  const log = join(logs, `${name}.log`);
  const output = openSync(log, "w");
  const { status, signal } = spawnSync(command, {
    cwd: root,
    shell: true,
    env: { ...process.env, NO_COLOR: "1", ...environment, ...more },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const text = readFileSync(log, "utf8");
  if (status === 0) return text;
  throw new Error(
    `${text.split("\n").slice(-60).join("\n")}\n${name} ended with ${status ?? signal}, see ${log}`,
  );
}

if (options.list) {
  for (const { name, method } of STEPS) console.log(`${name}: ${method}`);
} else {
  const unknown = names.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) {
    throw new RangeError(
      `step must be one of ${STEPS.map(({ name }) => name).join(", ")}: ${unknown}`,
    );
  }
  mkdirSync(logs, { recursive: true });
  const selected = STEPS.filter(({ name }) => names.length === 0 || names.includes(name));
  const rows = selected.map((step) => [step.name, run(step)]);
  console.table(Object.fromEntries(rows));
  const count = (result) => rows.filter(([, row]) => row.result === result).length;
  console.log(`${count("passed")} passed, ${count("FAILED")} failed`);
  process.exitCode = count("passed") > 0 && count("FAILED") === 0 ? 0 : 1;
}
