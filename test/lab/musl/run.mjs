// What one glibc machine can prove about musl, for which no Node is at hand here: both musl addons
// need musl and nothing else, and the OS layer, everything but what stands directly in native/, does its work as a
// static program against musl.
//
//   node test/lab/musl/run.mjs
//
// Closes with the line "N passed, N failed".
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { INCLUDES, ROOT, runPrograms } from "../../native/linux/programs.mjs";
import { compilerArguments, zig } from "../../../.ci/addon/cross.mjs";

const ADDONS = ["linux-x64-musl", "linux-arm64-musl"];
const HERE = "linux-x64-musl";
const output = join(ROOT, "build", "musl");

/** The addons, and the checks of .ci/addon/check-binary.mjs on them. */
function buildAddon(target) {
  const { status } = spawnSync(process.execPath, [join(ROOT, ".ci/addon/cross.mjs"), target], {
    stdio: "inherit",
  });
  return status === 0;
}

function compile(sources, program) {
  const flags = compilerArguments(HERE).compile;
  const includes = INCLUDES.map((folder) => `-I${folder}`);
  zig(
    ["c++", ...flags, ...includes, "-static", "-pthread", "-o", program, ...sources],
    join(output, `${basename(program)}.log`),
  );
  // Else it would run against this machine's C library, or not at all.
  if (asksForLoader(readFileSync(program))) throw new Error(`not a static program: ${program}`);
}

/** Whether an ELF file has a program header PT_INTERP or PT_DYNAMIC (System V gABI, 64-bit). */
function asksForLoader(file) {
  const headers = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  const types = new Set();
  for (let index = 0; index < file.readUInt16LE(56); index++) {
    types.add(file.readUInt32LE(headers + index * size));
  }
  return types.has(2) || types.has(3);
}

function start(program, args) {
  const result = spawnSync(program, args, { encoding: "utf8", timeout: 300_000 });
  if (result.error) throw result.error;
  return result;
}

if (process.platform !== "linux" || process.arch !== "x64") {
  throw new Error(`the test programs are for linux-x64: ${process.platform}-${process.arch}`);
}
mkdirSync(output, { recursive: true });
const fit = ADDONS.filter(buildAddon).length;
const { passed, failed } = runPrograms(output, compile, start);
const total = { passed: passed + fit, failed: failed + ADDONS.length - fit };
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = passed > 0 && total.failed === 0 ? 0 : 1;
