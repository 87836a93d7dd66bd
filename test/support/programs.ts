/** The C programs of test/support/native, compiled once per change by global-setup.ts. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const SOURCES = join(ROOT, "test/support/native");
const PROGRAMS = join(ROOT, "build/test-programs");

/** Path of the compiled `<name>.c`. */
export function program(name: string): string {
  return join(PROGRAMS, name);
}

/** Compiles what is missing or older than its source. Linux only; throws with the compiler's words. */
export function compilePrograms(): void {
  if (process.platform !== "linux") return;
  mkdirSync(PROGRAMS, { recursive: true });
  for (const file of readdirSync(SOURCES)) {
    if (!file.endsWith(".c")) continue;
    const source = join(SOURCES, file);
    const target = program(file.slice(0, -2));
    if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) continue;
    // Under another name first: another test run may be starting the program right now.
    const fresh = `${target}.${process.pid}`;
    const args = [
      "-std=gnu11",
      "-O1",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-pthread",
      "-o",
      fresh,
      source,
    ];
    const { status, stderr, error } = spawnSync("cc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`cannot compile ${file}: ${error?.message ?? stderr}`);
    renameSync(fresh, target);
  }
}
