/** Timers for any time. */
import { LONGEST_TIMER_MS } from "./longest-timer.js";

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
