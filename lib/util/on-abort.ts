/** Being told of an abort by a signal that many wait on. */

/**
 * What aborts with it: the signal's reason, or where it has none (an old polyfill) the error that a runtime makes.
 */
export function abortReason(signal: AbortSignal | undefined): unknown {
  const reason: unknown = signal?.reason;
  return reason === undefined
    ? new DOMException("This operation was aborted", "AbortError")
    : reason;
}

/** Likewise for polyfills, which may lack the method. @throws the signal's reason when it has aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortReason(signal);
}

interface Waiters {
  readonly callbacks: Set<() => void>;
  /** Takes the listener away. */
  readonly stop: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiters>();

/**
 * Calls `callback` once when `signal` aborts; not when it has already.
 *
 * However many ask, a signal gets one listener: the runtime warns of a leak (MaxListenersExceededWarning) when one
 * has more than ten, and waiters are no leak.
 *
 * @param signal - undefined never aborts.
 * @returns stops that; with the last one the signal's listener goes
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {};
  const { callbacks, stop } = waiting.get(signal) ?? listenTo(signal);
  // A function of this call's own: other callers may have passed the same `callback`.
  const call = (): void => callback();
  callbacks.add(call);
  return () => {
    if (callbacks.delete(call) && callbacks.size === 0) stop();
  };
}

function listenTo(signal: AbortSignal): Waiters {
  const callbacks = new Set<() => void>();
  const stop = (): void => {
    waiting.delete(signal);
    signal.removeEventListener("abort", tell);
  };
  const tell = (): void => {
    const told = [...callbacks];
    callbacks.clear();
    stop();
    for (const call of told) call();
  };
  signal.addEventListener("abort", tell);
  const waiters = { callbacks, stop };
  waiting.set(signal, waiters);
  return waiters;
}
