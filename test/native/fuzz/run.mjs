// Builds and runs the fuzzers of this folder: one for each parser of native/parse, under the same
// name.
//
//   npm run fuzz -- [--seconds N] [name...]
//
// N is per target (default 20). Starts from corpus/<name>; what is found goes to build/fuzz/<name>,
// from where it is taken up again, and an input that fails to build/fuzz/<name>-crash-... CXX selects
// the compiler (default clang++-14; it needs libFuzzer).
//
// Closes with the line "N passed, N failed", a target being one.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
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
  options: { seconds: { type: "string", default: "20" } },
});
const seconds = Number(options.seconds);
if (!Number.isSafeInteger(seconds) || seconds < 1) {
  throw new RangeError(`--seconds must be a whole number of 1 or more: ${options.seconds}`);
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
      ..."-std=c++20 -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer".split(" "),
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
function run(name, program) {
  const [seeds, finds] = [join(here, "corpus", name), join(output, name)];
  mkdirSync(finds, { recursive: true });
  const { status, stderr, error } = spawnSync(
    program,
    [
      `-max_total_time=${seconds}`,
      "-timeout=10",
      "-max_len=4096",
      "-print_final_stats=1",
      `-artifact_prefix=${finds}-`,
      // New finds are written to the first folder.
      finds,
      seeds,
    ],
    { encoding: "utf8", maxBuffer: 64 * 1024 * 1024, timeout: (seconds + 120) * 1000 },
  );
  if (error) throw error;
  const executions = Number(/^stat::number_of_executed_units:\s*(\d+)$/mu.exec(stderr)?.[1] ?? 0);
  const edges = Array.from(stderr.matchAll(/\bcov: (\d+)/gu)).at(-1)?.[1] ?? "?";
  const seedCount = readdirSync(seeds).length;
  const survived = status === 0 && executions > seedCount;
  console.log(
    `${survived ? "ok    " : "FAILED"} ${name}: ${executions} executions, ${seedCount} seeds, ${edges} edges`,
  );
  if (!survived) console.log(stderr.split("\n").slice(-60).join("\n"));
  return survived;
}

mkdirSync(output, { recursive: true });
const selected = targets();
const passed = selected.filter((name) => run(name, build(name))).length;
console.log(`${passed} passed, ${selected.length - passed} failed`);
process.exitCode = passed === selected.length ? 0 : 1;
