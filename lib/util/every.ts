/** A repeating timer that keeps no process alive. */
// Not the global one, which a test runner may have replaced: jsdom's gives numbers.
import { clearInterval, setInterval } from "node:timers";

/** Calls `callback` every `intervalMs` until the returned function is called. */
export function every(callback: () => void, intervalMs: number): () => void {
  const timer = setInterval(callback, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
