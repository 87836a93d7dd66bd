/**
 * Finds and loads the addon: once per thread, on first use, never at import.
 *
 * node-gyp-build decides which file: `build/Release`, `build/Debug`, then the best match in
 * `prebuilds/<platform>-<arch>`. A file that does not load is no error for the caller: the reason is
 * kept and another backend answers. The environment has the last word:
 *
 * - `PIDENTITY_NATIVE_PATH=<file>` names the file itself, for programs whose bundler or packager left
 *   the addon elsewhere (one-file bundles, Electron, single executables). Nothing else is tried.
 * - `PIDENTITY_NO_NATIVE=1` loads nothing.
 * - `PREBUILDS_ONLY=1` is node-gyp-build's: only `prebuilds/`.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { environmentVariable } from "../util/environment.js";
import { oneLine } from "../util/one-line.js";
import type { NativeBinding } from "./binding.js";

/** The loaded addon and its file, or why there is none (`cause`: the loader's own error). */
export type NativeLoad =
  | { readonly binding: NativeBinding; readonly path: string; readonly error?: undefined }
  | { readonly error: Error; readonly binding?: undefined; readonly path?: undefined };

type NodeGypBuild = { readonly path: (directory: string) => string };

/** A record, so that the compiler insists on every function of the interface. */
const EXPORTS: Readonly<Record<keyof NativeBinding, true>> = {
  isAlive: true,
  startTime: true,
  args: true,
  inspect: true,
  identity: true,
  reasonByExactId: true,
  host: true,
  watchExit: true,
  lockTryExclusive: true,
  lockProbe: true,
  lockRelease: true,
  keepFile: true,
  dropFile: true,
  fileId: true,
  fileSystemType: true,
  isNamed: true,
  monotonicMs: true,
  sinceBootMs: true,
};

let memo: NativeLoad | undefined;

/** Loads the addon on the first call, or finds out why it cannot be loaded. Never throws. */
export function loadNative(): NativeLoad {
  memo ??= load();
  return memo;
}

function load(): NativeLoad {
  if (environmentVariable("PIDENTITY_NO_NATIVE") === "1") {
    return {
      error: new Error(
        "the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
      ),
    };
  }
  const named = environmentVariable("PIDENTITY_NATIVE_PATH");
  // Whoever names a file wants this one: another version of the addon would be a surprise.
  if (named !== undefined && named !== "") return loadFile(resolve(named));

  const found = findFile();
  if (found.error !== undefined) return found;
  const first = loadFile(found.path);
  if (first.error === undefined) return first;
  // node-gyp-build tells musl from glibc by /etc/alpine-release alone, which is wrong for every
  // other musl system (Void, Chimera, postmarketOS) and for a glibc Node inside Alpine.
  const sibling = siblingLibc(found.path);
  if (sibling === null || !existsSync(sibling)) return first;
  const second = loadFile(sibling);
  return second.error === undefined ? second : first;
}

type Found =
  | { readonly path: string; readonly error?: undefined }
  | { readonly error: Error; readonly path?: undefined };

function findFile(): Found {
  let root = "";
  try {
    // This file, and the one in dist/ that it is bundled into, are two levels below the package root.
    // Users' bundlers may have left nothing of the URL, which then throws here.
    root = fileURLToPath(new URL("../..", import.meta.url));
    const require = createRequire(import.meta.url);
    const { path } = require("node-gyp-build") as NodeGypBuild;
    return { path: path(root) };
  } catch (cause) {
    const words = messageOf(cause);
    const message = words.startsWith("No native build was found")
      ? `this installation has no native addon for ${process.platform}-${process.arch}: ${root}`
      : `cannot look for the native addon: ${words}`;
    return { error: new Error(message, { cause }) };
  }
}

function loadFile(path: string): NativeLoad {
  try {
    const loaded: unknown = createRequire(path)(path);
    const missing = missingExport(loaded);
    if (missing === null) return { binding: loaded as NativeBinding, path };
    return { error: new Error(`the native addon lacks the function ${missing}: ${path}`) };
  } catch (cause) {
    return {
      error: new Error(`cannot load the native addon (${messageOf(cause)}): ${path}`, { cause }),
    };
  }
}

function missingExport(loaded: unknown): string | null {
  const found = (typeof loaded === "object" && loaded !== null ? loaded : {}) as Record<
    string,
    unknown
  >;
  return Object.keys(EXPORTS).find((name) => typeof found[name] !== "function") ?? null;
}

/** `…/prebuilds/linux-x64/pidentity.glibc.node` → `….musl.node` and back; null for any other file. */
function siblingLibc(path: string): string | null {
  if (process.platform !== "linux") return null;
  const parts = basename(path).split(".");
  const tag = parts.findIndex((part) => part === "glibc" || part === "musl");
  if (tag === -1) return null;
  parts[tag] = parts[tag] === "glibc" ? "musl" : "glibc";
  return join(dirname(path), parts.join("."));
}

function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
