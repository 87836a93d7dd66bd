/** Looks after held locks once a minute. */
import { every } from "../util/timers.js";

const INTERVAL_MS = 60_000;

/** Calls `check` every minute until the returned function is called; keeps no process alive. */
export function startWatchdog(check: () => void): () => void {
  return every(check, INTERVAL_MS);
}
