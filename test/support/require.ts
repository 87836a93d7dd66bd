/**
 * What a test needs of the machine. Missing: the test is skipped with a reason, which skip-reporter.ts
 * prints at the end of the run; where the environment promises it (`PIDENTITY_REQUIRE_ROOT=1`, `PIDENTITY_REQUIRE_NATIVE=1`), it fails.
 */
import { spawnSync } from "node:child_process";

import type { TestContext } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import { loadNative } from "../../lib/native/load.js";
import { nativeStatus } from "../../lib/process/select-backend.js";

/** Linux with uid 0 and the right to make namespaces, for the reason `why`. */
export function requireRoot(context: TestContext, why: string): void {
  const missing = rootObstacle();
  if (missing !== null)
    refuse(context, "PIDENTITY_REQUIRE_ROOT", `needs root (${why}): ${missing}`);
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

/** Any other need of a root test, e.g. a kernel feature; `obstacle` null means "met". */
export function requireOfRoot(context: TestContext, obstacle: string | null): void {
  if (obstacle !== null) refuse(context, "PIDENTITY_REQUIRE_ROOT", obstacle);
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
  return made.status === 0 ? null : made.stderr.trim();
}

function refuse(context: TestContext, variable: string, reason: string): void {
  if (process.env[variable] === "1") throw new Error(`${variable}=1, but ${reason}`);
  context.skip(reason);
}
