/** Removes this thread's locks when the process or worker ends, as far as it ends in a way that can be noticed. */

// Windows: SIGBREAK is Ctrl+Break.
const SIGNALS: readonly NodeJS.Signals[] = [
  "SIGINT",
  "SIGTERM",
  "SIGQUIT",
  "SIGABRT",
  "SIGHUP",
  ...(process.platform === "win32" ? (["SIGBREAK"] as const) : []),
];

/**
 * Listens for the end until the returned function is called.
 *
 * On a signal: when ours is the only listener, clean up, stop listening and raise it again, so that it has
 * the effect it would have had. With other listeners the end is theirs to decide: clean up, no more.
 *
 * @param cleanUp - Synchronous: nothing asynchronous happens any more.
 */
export function listenForEnd(cleanUp: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    cleanUp();
    if (process.listenerCount(signal) > 1) return;
    stop();
    process.kill(process.pid, signal);
  };
  const stop = (): void => {
    process.off("exit", cleanUp);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  process.on("exit", cleanUp);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return stop;
}
