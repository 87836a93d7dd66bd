// Builds and runs the fuzzers of this folder: one for each parser of native/parse, under the same
// name.
//
//   npm run fuzz -- [--seconds N | --runs N] [--jobs N] [name...]
//
// N is per target: seconds (default 20) or executions; `--jobs`: so many targets at a time (default 1). Starts from corpus/<name>; what is found goes to
// build/fuzz/<name>, from where it is taken up again, and an input that fails to
// build/fuzz/<name>-crash-... Inputs have up to 4 KiB, where a parser's cases are; a twentieth of the time,
// or a fiftieth of the executions on top (two minutes at most), goes to those of up to 64 KiB. CXX selects the compiler (default clang++-14; it needs libFuzzer).
//
// Closes with the line "N passed, N failed", a target being one.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");
const parsers = join(root, "native/parse");
const output = join(root, "build/fuzz");

const compiler = process.env["CXX"] || "clang++-14";
const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string" }, runs: { type: "string" }, jobs: { type: "string" } },
});
if (options.seconds !== undefined && options.runs !== undefined) {
  throw new TypeError("--seconds and --runs exclude each other");
}
const seconds = options.runs === undefined ? wholeNumber("seconds", 20) : null;
const runs = wholeNumber("runs", null);
const jobs = wholeNumber("jobs", 1);

const LONG = 64 * 1024;

/** What is tried, in this order. */
const PASSES = [
  { maxLength: 4096, limits: runs === null ? [inSeconds(0.95)] : [`-runs=${runs}`] },
  {
    maxLength: LONG,
    limits:
      runs === null ? [inSeconds(0.05)] : [`-runs=${Math.ceil(runs / 50)}`, "-max_total_time=120"],
  },
];

function inSeconds(share) {
  return `-max_total_time=${Math.max(1, Math.round(seconds * share))}`;
}

function wholeNumber(name, byDefault) {
  if (options[name] === undefined) return byDefault;
  const value = Number(options[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new RangeError(`--${name} must be a whole number of 1 or more: ${options[name]}`);
}

const namesIn = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".cc"))
    .map((name) => basename(name, ".cc"))
    .sort();

/** Every parser has its fuzzer: one that is forgotten fails here. */
function targets() {
  const all = namesIn(here);
  const [expected, found] = [namesIn(parsers).join(" "), all.join(" ")];
  if (expected !== found) throw new Error(`expected the fuzzers ${expected}: ${found}`);
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`no such fuzzer, expected ${found}: ${unknown}`);
  return names.length === 0 ? all : names;
}

function build(name) {
  const program = join(output, `fuzz-${name}`);
  const { status, error } = spawnSync(
    compiler,
    [
      ..."-std=c++20 -g -O2 -Wall -Wextra -Werror -fno-omit-frame-pointer".split(" "),
      "-fsanitize=fuzzer,address,undefined",
      "-fno-sanitize-recover=all",
      `-I${join(root, "native")}`,
      join(here, `${name}.cc`),
      join(parsers, `${name}.cc`),
      "-o",
      program,
    ],
    { stdio: "inherit" },
  );
  if (error) throw error;
  if (status !== 0) throw new Error(`${compiler} failed with exit code ${status}: ${name}`);
  return program;
}

/** Whether the target survived; prints what it did, or the end of its report. */
async function run(name, program) {
  const [seeds, finds] = [join(here, "corpus", name), join(output, name)];
  mkdirSync(finds, { recursive: true });
  const seedCount = readdirSync(seeds).length;
  const stretched = stretch(seeds);
  try {
    const passes = [];
    for (const pass of PASSES) {
      // New finds are written to the first folder.
      const folders = pass.maxLength === LONG ? [stretched] : [finds, seeds];
      passes.push(await fuzz(name, program, folders, pass));
    }
    const executions = passes.reduce((sum, pass) => sum + pass.executions, 0);
    const survived = passes.every((pass) => pass.status === 0) && executions > 2 * seedCount;
    console.log(
      `${survived ? "ok    " : "FAILED"} ${name}: ${executions} executions, ${seedCount} seeds, ${passes[0].edges} edges`,
    );
    for (const { status, report } of survived ? [] : passes) {
      if (status !== 0) console.log(report.split("\n").slice(-60).join("\n"));
    }
    return survived;
  } finally {
    rmSync(stretched, { recursive: true });
  }
}

/** A folder with every seed repeated until it is as long as can be: mutation alone grows too slowly. */
function stretch(seeds) {
  const folder = mkdtempSync(join(tmpdir(), "pidentity-fuzz-"));
  for (const name of readdirSync(seeds)) {
    const seed = readFileSync(join(seeds, name));
    if (seed.length > 0) writeFileSync(join(folder, name), Buffer.alloc(LONG, seed));
  }
  return folder;
}

/** One run of libFuzzer. */
async function fuzz(name, program, folders, { maxLength, limits }) {
  const child = spawn(
    program,
    [
      ...limits,
      "-timeout=10",
      `-max_len=${maxLength}`,
      // From the start any length: the seeds of the long pass are long.
      ...(maxLength === LONG ? ["-len_control=0"] : []),
      "-print_final_stats=1",
      `-artifact_prefix=${join(output, name)}-`,
      ...folders,
    ],
    {
      stdio: ["ignore", "ignore", "pipe"],
      ...(seconds === null ? {} : { timeout: (seconds + 120) * 1000 }),
    },
  );
  let report = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (report += text));
  const [status] = await once(child, "close");
  return {
    status,
    report,
    executions: Number(/^stat::number_of_executed_units:\s*(\d+)$/mu.exec(report)?.[1] ?? 0),
    edges: Array.from(report.matchAll(/\bcov: (\d+)/gu)).at(-1)?.[1] ?? "?",
  };
}

mkdirSync(output, { recursive: true });
const selected = targets();
const programs = selected.map((name) => [name, build(name)]);
const left = programs.values();
let passed = 0;
/** One job: the next target, until there is none. */
async function work() {
  for (const [name, program] of left) if (await run(name, program)) passed += 1;
}
await Promise.all(Array.from({ length: jobs }, work));
console.log(`${passed} passed, ${selected.length - passed} failed`);
process.exitCode = passed === selected.length ? 0 : 1;
