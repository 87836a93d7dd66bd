// Compiles the Windows unit tests with Zig and runs them, on Windows itself or under Wine.
//
//   node test/lab/windows/native/run.mjs [name...]
//
// A name selects the programs whose name contains it. Wine's prefix is WINEPREFIX, by default
// build/wine, made when it is not there. Closes with "N passed, N failed", counting tests.
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { compilerArguments, zig } from "../../../../.ci/addon/cross.mjs";
import { countChecks } from "../../../native/count-checks.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../../..");
const output = join(root, "build", "windows-unit");

/** Sources beside the addon's own, and what else each program needs. */
const PROGRAMS = [
  { name: "process_test", extra: ["child_program.cc"], libraries: ["-lshell32"] },
  { name: "command_line_corpus_test", extra: [], libraries: ["-lshell32"] },
  { name: "file_lock_test", extra: [], libraries: [] },
  { name: "clock_test", extra: [], libraries: [] },
  {
    name: "file_lock_without_uv_test",
    source: "file_lock_test.cc",
    extra: [],
    libraries: [],
    flags: ["-DWITHOUT_UV"],
  },
];

function build({ name, source = `${name}.cc`, extra, libraries, flags = [] }) {
  const program = join(output, `${name}.exe`);
  const { sources, compile, link } = compilerArguments("win32-x64");
  // The addon without its JavaScript side, which is what stands directly in native/. RTTI is for
  // std::function in the tests.
  const own = sources.filter((path) => dirname(path) !== "native");
  zig(
    [
      "c++",
      ...compile,
      "-frtti",
      ...flags,
      `-I${here}`,
      `-I${join(root, "test/native/unit")}`,
      "-s",
      "-o",
      program,
      join(here, source),
      ...extra.map((path) => join(here, path)),
      ...own,
      ...link,
      ...libraries,
    ],
    join(output, `${name}.log`),
  );
  return program;
}

function run(program) {
  const onWindows = process.platform === "win32";
  const prefix = process.env["WINEPREFIX"] ?? join(root, "build", "wine");
  mkdirSync(dirname(prefix), { recursive: true });
  const env = { ...process.env, WINEPREFIX: prefix, WINEDEBUG: "-all" };
  if (!onWindows && !existsSync(join(prefix, "system.reg"))) {
    spawnSync("wine", ["wineboot", "-i"], { env, stdio: "ignore" });
  }
  // Wine has no standard output that is a pipe.
  const path = `${program}.txt`;
  const text = openSync(path, "w");
  const [command, args] = onWindows ? [program, []] : ["wine", [program]];
  const result = spawnSync(command, args, {
    env,
    stdio: ["ignore", text, text],
    timeout: 300_000,
  });
  closeSync(text);
  const printed = readFileSync(path, "utf8").replaceAll("\r", "");
  process.stdout.write(printed);
  if (result.error !== undefined) throw result.error;
  const counts = countChecks(printed);
  // One that crashes, or tests nothing, has failed whatever it printed before.
  const isOk = result.status === 0 && counts.passed > 0;
  return isOk ? counts : { ...counts, failed: Math.max(1, counts.failed) };
}

const names = process.argv.slice(2);
const selected = PROGRAMS.filter(
  ({ name }) => names.length === 0 || names.some((wanted) => name.includes(wanted)),
);
if (selected.length === 0) {
  console.error(`no Windows unit tests selected: ${names.join(" ")}`);
  process.exit(1);
}
mkdirSync(output, { recursive: true });
const total = { passed: 0, failed: 0 };
for (const program of selected) {
  const built = build(program);
  console.log(`${program.name}:`);
  const { passed, failed } = run(built);
  if (failed > 0) console.error(`${program.name} failed`);
  total.passed += passed;
  total.failed += failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
