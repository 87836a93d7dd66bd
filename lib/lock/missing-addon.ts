/**
 * Tells that stale locks stay where the addon is not loaded: bundled, say, without its file. Everything seems to work
 * then, and no stale lock is ever removed.
 *
 * Once per thread; copies of this module in one thread tell it once between them: see util/thread.ts. Threads share
 * no memory, so each of them tells it for itself.
 */
import { loadNative } from "../native/load.js";
import { oneLine } from "../util/printable.js";
import { threadState } from "../util/thread.js";

const state = threadState(Symbol.for("pidentity.missing-addon.v1"), () => ({ isTold: false }));

export interface MissingAddon {
  /** The loader's. */
  readonly error: Error;
  /** Switched off by an environment variable, which is then what to change. */
  readonly isSwitchedOff: boolean;
}

/**
 * To be asked when a stale lock stays because there is no guard.
 *
 * @returns why there is none the first time that this thread asks without the addon; null later, and with the addon
 *   (then the file system is what has no locks)
 */
export function firstMissOfAddon(): MissingAddon | null {
  const { error, isSwitchedOff = false } = loadNative();
  if (error === undefined || state().isTold) return null;
  state().isTold = true;
  return { error, isSwitchedOff };
}

/** The line for people: what it means, the loader's reason, the remedy. Pure. */
export function describeMissingAddon({ error, isSwitchedOff }: MissingAddon): string {
  const meaning = "removing one takes the native addon, and that is not loaded";
  const line = `pidentity: stale locks are kept (no-guard): ${meaning}: ${oneLine(error.message)}`;
  // The reason names the variable.
  if (isSwitchedOff) return line;
  return `${line}; keep every pidentity import out of the bundle (external), or name the addon's file in PIDENTITY_NATIVE_PATH`;
}
