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

/** @returns the descriptor to use from now on, and to be closed by {@link closeFile}. */
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

/** Closes a descriptor, kept or not. */
export function closeFile(fd: number): void {
  if (kept.size > 0 && kept.delete(fd) && drop(fd, loadNative().binding)) return;
  closeSync(fd);
}

/** True when the descriptor is closed. Windows: it is not the addon's. */
function drop(fd: number, binding: NativeBinding | undefined): boolean {
  return binding?.dropFile(fd) === true && process.platform !== "win32";
}

function isKnownToFs(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
