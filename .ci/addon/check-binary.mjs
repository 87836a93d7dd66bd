// Checks that a built addon needs nothing that its users may not have.
//
//   node .ci/addon/check-binary.mjs <platform>-<arch>[-<libc>] <file> [<target> <file> ...]
//
// The files are read here rather than with readelf and its relatives: no single tool on every
// machine knows all three formats.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

import { isElf, readElf } from "./object-file/elf.mjs";
import { isMachO, readMachO } from "./object-file/macho.mjs";
import { isPe, readPe } from "./object-file/pe.mjs";

/** The oldest glibc that Node itself runs on. */
const GLIBC_FLOOR = [2, 28];
const MACOS_FLOOR = "11.0";

/** What Node's loader looks up in a Node-API addon; Mach-O prefixes C names with `_`. */
const EXPORTS = ["napi_register_module_v1", "node_api_module_get_api_version_v1"];

/** Parts of the C library itself, on every system with it. */
const GLIBC_LIBRARIES =
  /^(?:libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux-[\w-]+\.so\.\d)$/u;
const MUSL_LIBRARIES = /^(?:libc\.musl-(?:x86_64|aarch64)\.so\.1|libc\.so)$/u;
/** The universal C runtime belongs to Windows 10; the Visual C++ ones do not. */
const WINDOWS_LIBRARIES =
  /^(?:node\.exe|kernel32\.dll|advapi32\.dll|ntdll\.dll|ucrtbase\.dll|api-ms-win-[\w-]+\.dll)$/iu;
const MACOS_LIBRARIES = /^\/usr\/lib\/lib(?:System\.B|c\+\+\.1|c\+\+abi|objc\.A)\.dylib$/u;

/** @param {Buffer} file */
function read(file) {
  if (isElf(file)) return readElf(file);
  if (isPe(file)) return readPe(file);
  if (isMachO(file)) return readMachO(file);
  throw new Error("neither ELF nor PE nor 64-bit Mach-O");
}

function atMost(version, floor) {
  for (const [index, limit] of floor.entries()) {
    const part = version[index] ?? 0;
    if (part !== limit) return part < limit;
  }
  return version.length <= floor.length || version.slice(floor.length).every((part) => part === 0);
}

/**
 * Everything that is wrong with an addon built for a target; an empty list when it is fit to ship.
 *
 * @param {string} target such as `linux-x64-glibc`, `linux-arm64-musl`, `darwin-x64`, `win32-arm64`
 * @param {Buffer} file
 * @param {{ anyGlibc?: boolean }} [options] `anyGlibc`: built for this machine only, whatever its glibc
 * @returns {{ problems: string[], facts: string }} `facts`: one line for people
 */
export function checkBinary(target, file, { anyGlibc = false } = {}) {
  const [platform, arch, libc] = target.split("-");
  const binary = read(file);
  const problems = [];
  const facts = [];

  const expected = { linux: "elf", win32: "pe", darwin: "mach-o" }[platform];
  if (expected === undefined) throw new Error(`unknown target: ${target}`);
  if (binary.format !== expected) problems.push(`is ${binary.format}, not ${expected}`);
  if (binary.arch !== arch) problems.push(`is for ${binary.arch}, not ${arch}`);

  const prefix = binary.format === "mach-o" ? "_" : "";
  for (const symbol of EXPORTS) {
    if (!binary.exports.includes(prefix + symbol)) problems.push(`does not export ${symbol}`);
  }

  // Node has a C++ runtime of its own, other addons too: whatever else is visible can be mixed up
  // with theirs. (Not on macOS, where a symbol is bound to the library it came from.)
  const surplus = binary.exports.filter((name) => !EXPORTS.includes(name));
  if (binary.format !== "mach-o" && surplus.length > 0) {
    problems.push(`exports ${surplus.length} symbols too many, first ${surplus[0]}`);
  }

  const allowed =
    platform === "win32"
      ? WINDOWS_LIBRARIES
      : platform === "darwin"
        ? MACOS_LIBRARIES
        : libc === "musl"
          ? MUSL_LIBRARIES
          : GLIBC_LIBRARIES;
  for (const library of binary.needed) {
    if (!allowed.test(library)) problems.push(`needs ${library}`);
  }
  facts.push(`needs ${binary.needed.join(" ") || "nothing"}`);

  if (binary.format === "elf") {
    if (libc === "musl") {
      for (const version of binary.versions) problems.push(`needs the symbol version ${version}`);
    } else {
      for (const version of binary.versions) {
        const glibc = /^GLIBC_(\d+(?:\.\d+)*)$/u.exec(version);
        if (glibc === null) problems.push(`needs the symbol version ${version}`);
        else if (!anyGlibc && !atMost(glibc[1].split(".").map(Number), GLIBC_FLOOR)) {
          problems.push(`needs ${version}, newer than GLIBC_${GLIBC_FLOOR.join(".")}`);
        }
      }
      facts.push(`symbol versions ${binary.versions.join(" ") || "none"}`);
    }
  }
  if (binary.format === "mach-o") {
    if (binary.minimumMacos !== MACOS_FLOOR) {
      problems.push(`is for macOS ${binary.minimumMacos ?? "of any version"}, not ${MACOS_FLOOR}`);
    }
    // Apple silicon runs no unsigned code; the linker's ad-hoc signature is enough.
    if (arch === "arm64" && !binary.signed) problems.push("is not signed");
    facts.push(`macOS ${binary.minimumMacos}`);
  }
  return { problems, facts: facts.join("; ") };
}

function main(args) {
  if (args.length === 0 || args.length % 2 !== 0) {
    console.error("usage: node .ci/addon/check-binary.mjs <target> <file> [<target> <file> ...]");
    return 2;
  }
  let failures = 0;
  for (let index = 0; index < args.length; index += 2) {
    const [target, path] = args.slice(index, index + 2);
    const file = readFileSync(path);
    const { problems, facts } = checkBinary(target, file);
    console.log(`${target} ${basename(path)}: ${file.length} bytes; ${facts}`);
    for (const problem of problems) console.error(`${target} ${path}: ${problem}`);
    failures += problems.length;
  }
  return failures === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
