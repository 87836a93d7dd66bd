/** Which backend answers questions about processes in this thread: decided on the first question. */
import { loadNative } from "../../native/load.js";
import type { ProcessBackend } from "./backend.js";
import { createBasicBackend } from "./basic.js";
import { createNativeBackend } from "./native.js";
import { createProcfsBackend } from "./procfs.js";

/** See {@link nativeStatus}. */
export interface NativeStatus {
  /**
   * - `native`: the addon
   * - `procfs`: the TypeScript reader of `/proc` (Linux and Android); the same answers, slower, without
   *   an exact id
   * - `basic`: `process.kill(pid, 0)`, and everything else unknown
   */
  readonly backend: ProcessBackend["name"];
  /** The loaded addon file; only with `native`. */
  readonly path?: string;
  /** Why the addon is not in use; the loader's own error is its `cause`. Never with `native`. */
  readonly error?: Error;
}

let selected: { readonly backend: ProcessBackend; readonly status: NativeStatus } | undefined;

/** The backend of this thread. Never throws. */
export function processBackend(): ProcessBackend {
  return (selected ??= select()).backend;
}

/**
 * Which backend answers, and why not the addon; for this copy of the package. Where a bundler has taken one entry
 * point in and left another out there are two, and each of them tells of its own: every entry point that knows locks
 * exports this, too. Loads the addon if nothing has done so yet.
 *
 * Two environment variables decide, read once per thread: `PIDENTITY_NATIVE_PATH=<file>` names the addon
 * where a bundler or packager has left it, and nothing else is tried then; `PIDENTITY_NO_NATIVE=1` keeps it
 * from loading.
 *
 * @returns The backend with the addon's path or the reason why it is not loaded. Never throws.
 */
export function nativeStatus(): NativeStatus {
  return (selected ??= select()).status;
}

function select(): { readonly backend: ProcessBackend; readonly status: NativeStatus } {
  const native = loadNative();
  if (native.error === undefined) {
    const backend = createNativeBackend(native.binding);
    return { backend, status: { backend: backend.name, path: native.path } };
  }
  const backend = hasProcfs(process.platform) ? createProcfsBackend() : createBasicBackend();
  return { backend, status: { backend: backend.name, error: native.error } };
}

function hasProcfs(platform: NodeJS.Platform): boolean {
  return platform === "linux" || platform === "android";
}
