/** What a signal that ends a process by default means for the locks of a thread. Pure. */

/** How a signal finds a thread that holds locks. */
export interface SignalFacts {
  /** Listeners of this signal before any of them has run, this module's included. */
  readonly listeners: number;
  /** Those of them that are this module's: 1 or, where it is not installed, 0. */
  readonly own: number;
  /**
   * Those of them that tidy up and raise the signal again once only listeners of their kind are left (signal-exit's):
   * they wait for this module's listener, which therefore must not wait for them.
   */
  readonly reRaisers: number;
  /** This process is pid 1 of its pid namespace: the kernel drops signals for which it has no handler. */
  readonly isPid1: boolean;
  /** Signals are the main thread's. */
  readonly isMainThread: boolean;
}

/**
 * `end`: the process ends by this signal, so its locks go first. `nothing`: another listener decides whether it
 * ends, or it does not end; the locks stay.
 */
export type SignalDecision = "end" | "nothing";

export function decideOnSignal(facts: SignalFacts): SignalDecision {
  if (!facts.isMainThread || facts.isPid1) return "nothing";
  const others = facts.listeners - facts.own - facts.reRaisers;
  return others > 0 ? "nothing" : "end";
}
