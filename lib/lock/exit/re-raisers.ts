/**
 * Listeners that tidy up and raise a signal again once only listeners of their kind are left: where two kinds wait for
 * each other, the signal has no effect. Counted only where this package's listener cannot be removed in time.
 */

/** Marks a listener as one of them. Other versions of this package look for it: never change it. */
export const RE_RAISES: unique symbol = Symbol.for("pidentity.re-raises");

type Listener = (...args: never[]) => unknown;

// Of the signals in listen.ts, those that signal-exit 3 and 4 listen to on Windows; elsewhere they listen to all.
const ON_WINDOWS: ReadonlySet<NodeJS.Signals> = new Set(["SIGHUP", "SIGINT", "SIGTERM"]);

/** @param listeners - Those of `signal`, without the caller's own. */
export function countReRaisers(signal: NodeJS.Signals, listeners: readonly Listener[]): number {
  const marked = listeners.filter((listener) => RE_RAISES in listener).length;
  const hasSignalExit = process.platform !== "win32" || ON_WINDOWS.has(signal);
  return hasSignalExit ? marked + countSignalExits() : marked;
}

/** How many copies of signal-exit listen: each version's copies count themselves in an object that they share. */
function countSignalExits(): number {
  const { __signal_exit_emitter__: third } = process as { __signal_exit_emitter__?: unknown };
  const { [FOURTH]: fourth } = globalThis as { [FOURTH]?: unknown };
  return countOf(third) + countOf(fourth);
}

const FOURTH = Symbol.for("signal-exit emitter");

function countOf(emitter: unknown): number {
  if (typeof emitter !== "object" || emitter === null || !("count" in emitter)) return 0;
  const { count } = emitter;
  return typeof count === "number" && count > 0 ? count : 0;
}
