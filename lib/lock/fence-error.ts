import { printable } from "../util/printable.js";

/** A call that would wait for the end of the very fence that it is made in. */
export class LockInFenceError extends Error {
  override readonly name = "LockInFenceError";
  readonly code = "LOCK_IN_FENCE";
  readonly lockPath: string;
  /** What was called. */
  readonly call: "withFence" | "releaseSync";

  constructor(call: "withFence" | "releaseSync", lockPath: string) {
    super(printable(`${call} inside withFence of the same lock: ${lockPath}`));
    this.lockPath = lockPath;
    this.call = call;
  }
}
