/** Timers for any time, repeating ones that keep no process alive, and waiting where nothing may be awaited. */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "./node-modules.js";

/** The longest delay that setTimeout and setInterval can count, milliseconds: 2^31 − 1. A longer one fires at once. */
export const LONGEST_DELAY_MS = 2_147_483_647;

/** The same, rounded down to 1 000 s: the longest limit that is given where a longer one was asked for. */
export const LONGEST_TIMER_MS = 2_147_000_000;

/**
 * Calls `callback` after `ms` milliseconds, however many they are (setTimeout counts to 2^31 - 1; beyond, it calls
 * back at once); after Infinity never.
 *
 * @param keepsAlive - Whether the process waits for it; for Infinity, too.
 * @returns stops it
 */
export function startTimer(
  callback: () => void,
  ms: number,
  { keepsAlive }: { readonly keepsAlive: boolean },
): () => void {
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    const step = Math.min(left, LONGEST_TIMER_MS);
    timer = setTimeout(() => {
      if (left > step) arm(left - step);
      else callback();
    }, step);
    if (!keepsAlive) timer.unref();
  };
  arm(ms);
  return () => clearTimeout(timer);
}

/** Calls `callback` every `intervalMs` until the returned function is called; keeps no process alive. */
export function every(callback: () => void, intervalMs: number): () => void {
  const timer = setInterval(callback, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Resolves after `ms` milliseconds; keeps the process alive until then. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this thread for `ms` milliseconds: for a write that must be atomic, or the end of the process. */
export function waitSynchronously(ms: number): void {
  Atomics.wait(cell, 0, 0, ms);
}
