/** Waiting where nothing may be awaited: a write that must be atomic, or the end of the process. */

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for `ms` milliseconds. */
export function waitSynchronously(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}
