/**
 * Notices the end of the thread, as far as it ends in a way that can be noticed.
 *
 * This module's listener for a signal is installed only while there is no other. With another one the host decides
 * what the signal does. And some listeners raise the signal again once they are the only one (signal-exit, many
 * programs' own): they would wait for this one for ever. So it is removed when another is added, and installed again
 * at once when the last other one is removed: a listener of `once`, or one that removes itself to raise the signal
 * again, is gone by the time of that second signal, which this listener then receives alone.
 *
 * Bun does not emit `removeListener`. There the listener stays, in front of the others so that it counts them before
 * any of them runs. signal-exit is recognised by its counters; for other listeners it is removed while they run.
 */
import { os, queueMicrotask } from "../../util/node-modules.js";
import { isMainThread } from "../../util/thread.js";
import { countReRaisers, RE_RAISES } from "./re-raisers.js";
import { decideOnSignal, type SignalDecision } from "./signal-rule.js";

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
 * @param letGo - Synchronous: nothing asynchronous happens any more. With a signal: it is raised again right
 *   after, without this module's listener, so that it has the effect that it would have had.
 */
export function listenForEnd(letGo: (signal: NodeJS.Signals | null) => void): () => void {
  const onExit = (): void => letGo(null);
  process.on("exit", onExit);
  const stopSignals = listenForSignals((signal) => {
    try {
      letGo(signal);
    } finally {
      stop();
      raise(signal);
    }
  });
  const stop = (): void => {
    process.off("exit", onExit);
    stopSignals();
  };
  return stop;
}

function listenForSignals(onEnd: (signal: NodeJS.Signals) => void): () => void {
  const place = { isPid1: process.pid === 1, isMainThread: isMainThread() };
  if (decideOnSignal({ listeners: 0, own: 0, reRaisers: 0, ...place }) === "nothing") {
    return () => {};
  }
  const tellsRemovals = runtimeTellsRemovals();
  /** Signals whose listeners have changed in this turn of the event loop. */
  const unsettled = new Set<NodeJS.Signals>();
  let isStopped = false;

  const decide = (signal: NodeJS.Signals): SignalDecision => {
    const listeners = process.listeners(signal);
    const others = listeners.filter((listener) => listener !== onSignal);
    return decideOnSignal({
      listeners: listeners.length,
      own: listeners.length - others.length,
      // Where removals are told this listener is removed in time, so none of them waits for it.
      reRaisers: tellsRemovals ? 0 : countReRaisers(signal, others),
      ...place,
    });
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    // Deno: the very signal at which the last other listener went. One that is raised now comes in a later turn.
    if (unsettled.has(signal)) return;
    if (decide(signal) === "end") {
      onEnd(signal);
      return;
    }
    process.off(signal, onSignal);
    settleSoon(signal);
  };
  Object.defineProperty(onSignal, RE_RAISES, { value: true });

  /** Installs or removes this listener, as the listeners that are there now require. */
  const settle = (signal: NodeJS.Signals): void => {
    if (isStopped) return;
    const isWanted = !tellsRemovals || decide(signal) === "end";
    if (isWanted && process.listeners(signal)[0] === onSignal) return;
    process.off(signal, onSignal);
    if (isWanted) process.prependListener(signal, onSignal);
  };
  const settleSoon = (signal: NodeJS.Signals): void => {
    unsettled.add(signal);
    queueMicrotask(() => {
      unsettled.delete(signal);
      settle(signal);
    });
  };
  const onNewListener = (event: string | symbol, listener: unknown): void => {
    // The event comes before the listener is there.
    if (listener !== onSignal && isEndingSignal(event)) settleSoon(event);
  };
  const onRemoveListener = (event: string | symbol, listener: unknown): void => {
    if (listener === onSignal || !isEndingSignal(event)) return;
    // At once: what raises the signal again does so next.
    settle(event);
    settleSoon(event);
  };
  process.on("newListener", onNewListener);
  process.on("removeListener", onRemoveListener);
  for (const signal of SIGNALS) settle(signal);
  return () => {
    isStopped = true;
    process.off("newListener", onNewListener);
    process.off("removeListener", onRemoveListener);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

function isEndingSignal(event: string | symbol): event is NodeJS.Signals {
  return SIGNALS.some((signal) => signal === event);
}

function raise(signal: NodeJS.Signals): void {
  try {
    process.kill(process.pid, signal);
  } catch {
    // Windows: of these Node raises SIGINT, SIGTERM and SIGQUIT only (ENOSYS). As a shell reports it, then.
    process.exit(128 + os().constants.signals[signal]);
  }
}

let tells: boolean | undefined;

/** Whether the process object emits `removeListener`, as Node's and Deno's do; Bun's emits `newListener` only. */
function runtimeTellsRemovals(): boolean {
  if (tells !== undefined) return tells;
  const told: unknown[] = [];
  const tell = (event: unknown): unknown => told.push(event);
  process.on("removeListener", tell);
  process.on("exit", tell);
  process.off("exit", tell);
  process.off("removeListener", tell);
  tells = told.includes("exit");
  return tells;
}
