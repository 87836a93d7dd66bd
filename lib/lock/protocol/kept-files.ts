/**
 * Open files that end with their thread, on every runtime: a worker that is terminated must not leave a lock that
 * looks held, nor a guard that no process can enter.
 *
 * Node closes what a terminated worker has opened through node:fs, unless it was started with
 * `trackUnmanagedFds: false`; Deno does; Bun does not. The addon always closes what it was given. The
 * main thread needs none of it: it ends with its process.
 */
import type { NativeBinding } from "../../native/binding.js";
import { loadNative } from "../../native/load.js";
import { fs } from "../../util/node-modules.js";
import { isMainThread } from "../../util/thread.js";

const { closeSync, fstatSync } = fs;

/** Descriptors that the addon keeps for this thread. */
const kept = new Set<number>();

// Deno's node:fs takes no descriptor that it has not opened itself; it also closes those it has.
let canKeep: boolean | undefined;

/**
 * Keeps what node:fs has opened.
 *
 * @returns the descriptor to use from now on, and to be closed by {@link closeKept}.
 */
export function keepFile(fd: number): number {
  canKeep ??= !isMainThread();
  const binding = canKeep ? loadNative().binding : undefined;
  const own = binding?.keepFile(fd) ?? null;
  if (binding === undefined || own === null) return fd;
  if (own !== fd && !isKnownToFs(own)) {
    canKeep = false;
    binding.dropFile(own);
    return fd;
  }
  if (own !== fd) closeSync(fd);
  kept.add(own);
  return own;
}

/** Adds a descriptor that the addon has opened, and keeps, for this thread. */
export function addKept(fd: number): void {
  kept.add(fd);
}

/** True when the descriptor was kept and is closed now; false: it is the caller's to close. */
export function closeKept(fd: number): boolean {
  return kept.size > 0 && kept.delete(fd) && drop(fd, loadNative().binding);
}

/** Windows: the descriptor is not the addon's. */
function drop(fd: number, binding: NativeBinding | undefined): boolean {
  return binding?.dropFile(fd) === true && process.platform !== "win32";
}

/** Whether node:fs takes a descriptor that it has not opened. */
export function isKnownToFs(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
