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
 * @param cleanUp - Synchronous: nothing asynchronous happens any more. `isEnd` false: others listen to the
 *   signal too, and may let the process go on.
 */
export function listenForEnd(cleanUp: (isEnd: boolean) => void): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    // Counted first: cleaning up may end our own listening.
    const isEnd = process.listenerCount(signal) === 1;
    cleanUp(isEnd);
    if (!isEnd) return;
    stop();
    process.kill(process.pid, signal);
  };
  const onExit = (): void => cleanUp(true);
  const stop = (): void => {
    process.off("exit", onExit);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  process.on("exit", onExit);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return stop;
}
