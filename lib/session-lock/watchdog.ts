/** Looks after held locks once a minute. */

const INTERVAL_MS = 60_000;

/** Calls `check` every minute until the returned function is called; keeps no process alive. */
export function startWatchdog(check: () => void): () => void {
  const timer = setInterval(check, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
