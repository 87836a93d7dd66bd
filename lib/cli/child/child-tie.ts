/** Windows: the command ends with this program, however that ends. */
import { loadNative } from "../../native/load.js";

/**
 * Whether the processes that are started from now on end with this one. Elsewhere an inherited descriptor keeps the lock
 * for them instead; there, and without the addon, it is false.
 */
export function tieChildren(): boolean {
  return process.platform === "win32" && loadNative().binding?.tieChildren() === true;
}

/** Once the command has ended: what it has left running goes on. */
export function loosenChildren(): void {
  if (process.platform === "win32") loadNative().binding?.loosenChildren();
}
