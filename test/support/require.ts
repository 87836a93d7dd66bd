/**
 * What a test needs of the machine. Missing: the test is skipped with a reason, which skip-reporter.ts
 * prints at the end of the run; where the environment promises it (`PIDENTITY_REQUIRE_ROOT=1`, `PIDENTITY_REQUIRE_NATIVE=1`,
 * `PIDENTITY_REQUIRE_RUNTIMES=1`, `PIDENTITY_REQUIRE_ENGINES=1`), it fails.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import type { TestContext } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import { loadNative } from "../../lib/native/load.js";
import { nativeStatus } from "../../lib/process/backends/select-backend.js";
import { ROOT } from "./processes/programs.js";
import { AS_NOBODY, NOBODY } from "./processes/unprivileged.js";

/** Linux with uid 0 and the right to make namespaces and to become another user, for the reason `why`. */
export function requireRoot(context: TestContext, why: string): void {
  const missing = rootObstacle();
  if (missing !== null)
    refuse(context, "PIDENTITY_REQUIRE_ROOT", `needs root (${why}): ${missing}`);
}

/** What makes a child process an ordinary user's, whom file modes bind: root's own are not. */
export function asOrdinaryUser(context: TestContext): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  requireRoot(context, "reads every file itself");
  return { uid: NOBODY, gid: NOBODY };
}

/** The addon is loaded. */
export function requireNative(context: TestContext): void {
  const { error } = nativeStatus();
  if (error) refuse(context, "PIDENTITY_REQUIRE_NATIVE", `needs the addon: ${error.message}`);
}

/** {@link requireNative}, and the addon itself. */
export function requireBinding(context: TestContext): NativeBinding {
  requireNative(context);
  const { binding, error } = loadNative();
  if (binding === undefined) throw error;
  return binding;
}

/** Linux, for the reason `why`; there is no variable that promises a platform. */
export function requireLinux(context: TestContext, why: string): void {
  if (process.platform !== "linux") context.skip(`needs Linux (${why})`);
}

/** Anything but Windows, for the reason `why`. */
export function requirePosix(context: TestContext, why: string): void {
  if (process.platform === "win32") context.skip(`needs POSIX (${why})`);
}

/** Windows, for the reason `why`. */
export function requireWindows(context: TestContext, why: string): void {
  if (process.platform !== "win32") context.skip(`needs Windows (${why})`);
}

/** A program that is found by its name and knows `--version`; there is no variable that promises one. */
export function requireProgram(context: TestContext, name: string): void {
  const { error } = spawnSync(name, ["--version"]);
  if (error !== undefined) context.skip(`needs the program ${name}: ${error.message}`);
}

/** Any other need of a root test, e.g. a kernel feature; `obstacle` null means "met". */
export function requireOfRoot(context: TestContext, obstacle: string | null): void {
  if (obstacle !== null) refuse(context, "PIDENTITY_REQUIRE_ROOT", obstacle);
}

/** A lease's engine (PostgreSQL, etcd) that can be started here; `obstacle` null means "met". */
export function requireEngine(context: TestContext, obstacle: string | null): void {
  if (obstacle !== null) refuse(context, "PIDENTITY_REQUIRE_ENGINES", obstacle);
}

export const RUNTIMES = ["Node", "Bun", "Deno"] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** The command that runs a module file on that runtime: this Node, or what test/lab/install/get-runtimes.mjs got. */
export function requireRuntime(context: TestContext, runtime: Runtime): readonly string[] {
  if (runtime === "Node") return [process.execPath];
  requirePosix(context, `${runtime} is tried there`);
  const file = downloadedFile(runtime);
  if (file === null) {
    refuse(
      context,
      "PIDENTITY_REQUIRE_RUNTIMES",
      `needs ${runtime}: "node test/lab/install/get-runtimes.mjs" downloads it into build/tools`,
    );
    return [];
  }
  return runtime === "Bun" ? [file] : [file, "run", "--allow-all"];
}

function downloadedFile(runtime: "Bun" | "Deno"): string | null {
  const scope = runtime === "Bun" ? "@oven" : "@deno";
  const tools = join(ROOT, "build/tools");
  const folders = existsSync(tools) ? readdirSync(tools) : [];
  const folder = folders.find(
    (name) =>
      name.startsWith(`${scope}+`) &&
      name.includes(process.platform) &&
      existsSync(join(tools, name, ".complete")),
  );
  if (folder === undefined) return null;
  const name = folder.slice(scope.length + 1, folder.lastIndexOf("@"));
  const program = runtime === "Bun" ? "bin/bun" : "deno";
  return join(tools, folder, "node_modules", scope, name, program);
}

let obstacle: string | null | undefined;

function rootObstacle(): string | null {
  obstacle ??= findRootObstacle();
  return obstacle;
}

function findRootObstacle(): string | null {
  if (process.platform !== "linux") return `platform ${process.platform}`;
  if (process.getuid?.() !== 0) return `uid ${String(process.getuid?.())}`;
  // Root in a container may not make namespaces.
  const made = spawnSync("unshare", ["--pid", "--fork", "--mount-proc", "true"], {
    encoding: "utf8",
  });
  if (made.error) return made.error.message;
  if (made.status !== 0) return made.stderr.trim();
  // Root of a user namespace may not become another user where only its own number is mapped.
  const [file, ...asNobody] = AS_NOBODY;
  const became = spawnSync(file, [...asNobody, "true"], { encoding: "utf8" });
  if (became.error) return became.error.message;
  return became.status === 0 ? null : became.stderr.trim();
}

function refuse(context: TestContext, variable: string, reason: string): void {
  if (process.env[variable] === "1") throw new Error(`${variable}=1, but ${reason}`);
  context.skip(reason);
}
