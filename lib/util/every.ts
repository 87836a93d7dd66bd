/** A repeating timer that keeps no process alive. */

/** Calls `callback` every `intervalMs` until the returned function is called. */
export function every(callback: () => void, intervalMs: number): () => void {
  const timer = setInterval(callback, intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}
