/** Passes on to a child process the signals that this one is sent. */
import type { ChildProcess } from "node:child_process";

import { isInForeground } from "./foreground.js";

/** Every one that has a program end, clean up or look again, and at which this package's locks would be given up. */
const RELAYED: readonly NodeJS.Signals[] =
  process.platform === "win32"
    ? ["SIGINT", "SIGBREAK", "SIGHUP"]
    : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGABRT", "SIGUSR1", "SIGUSR2"];

/** Those that a terminal sends to its whole foreground process group. */
const OF_KEYS: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT"]);

/**
 * Listens from its making on: a signal that comes before there is a child aborts {@link SignalRelay.early}. Nothing that
 * comes ends this process until {@link SignalRelay.stop}.
 */
export class SignalRelay {
  readonly #early = new AbortController();
  #child: ChildProcess | null = null;
  #earlySignal: NodeJS.Signals | null = null;
  readonly #relay = (signal: NodeJS.Signals): void => {
    if (this.#child === null) {
      this.#earlySignal ??= signal;
      this.#early.abort();
      return;
    }
    // On Windows the console tells every process that it has, and there is nothing else to pass on.
    if (process.platform === "win32") return;
    // The terminal's keys have reached the child already: a second SIGINT ends many a program at once.
    if (OF_KEYS.has(signal) && isInForeground()) return;
    this.#child.kill(signal);
  };

  constructor() {
    for (const signal of RELAYED) process.on(signal, this.#relay);
  }

  /** Aborts with the first signal while there is no child. */
  get early(): AbortSignal {
    return this.#early.signal;
  }

  /** null: none came while there was no child. */
  get earlySignal(): NodeJS.Signals | null {
    return this.#earlySignal;
  }

  relayTo(child: ChildProcess): void {
    this.#child = child;
  }

  stop(): void {
    for (const signal of RELAYED) process.off(signal, this.#relay);
  }
}
