/** A live view: looks again and again, and shows each look, until a key or a signal ends it. */
import { setTimeout as delay } from "node:timers/promises";

import type { CliIo } from "./io.js";
import { LiveScreen } from "./live-screen.js";

/** At most this share of the time goes into looking, however long one look takes. */
const BUSY_SHARE = 0.2;

/** The last one is Ctrl-C: where keys come one by one it is no signal. */
const ENDING_KEYS = ["q", "Q", "\u0003"] as const;

export interface Look<T> {
  /** Gathers what is to be seen; what it gathers after an abort is not shown. */
  readonly look: (signal: AbortSignal) => Promise<T>;
  /** Lines for a screen of so many rows, none wider than the terminal. */
  readonly draw: (seen: T, rows: number) => Promise<readonly string[]>;
}

/**
 * Shows `draw(look())` on the second screen every `everyMs` milliseconds, and at once when the terminal changes
 * its size, until `q` or Ctrl-C is typed. A signal ends the process as it would have, after the terminal has
 * been given back.
 *
 * @returns the last thing seen; null when it was over before anything was
 */
export async function watch<T>(
  { look, draw }: Look<T>,
  io: CliIo,
  { everyMs = 1000 }: { readonly everyMs?: number } = {},
): Promise<T | null> {
  const enough = new AbortController();
  let resized = new AbortController();
  let killedBy: NodeJS.Signals | null = null;
  let last: T | null = null;
  const screen = new LiveScreen(io);
  const stopListening = [
    io.events.onKeys((keys) => {
      if (ENDING_KEYS.some((key) => keys.includes(key))) enough.abort();
    }),
    io.events.onResize(() => resized.abort()),
    io.events.onSignal((signal) => {
      killedBy = signal;
      enough.abort();
    }),
  ];
  try {
    while (!enough.signal.aborted) {
      const started = io.now();
      const seen = await look(enough.signal);
      const tookMs = io.now() - started;
      const nextLookAt = io.now() + Math.max(everyMs, tookMs * (1 / BUSY_SHARE - 1));
      do {
        resized = new AbortController();
        const lines = await draw(seen, screen.rows);
        if (enough.signal.aborted) return last;
        screen.paint(lines);
        last = seen;
        const waitMs = Math.max(0, nextLookAt - io.now());
        await pause(waitMs, AbortSignal.any([enough.signal, resized.signal]));
      } while (resized.signal.aborted && !enough.signal.aborted);
    }
    return last;
  } finally {
    for (const stop of stopListening) stop();
    screen.close();
    if (killedBy !== null) io.events.endBySignal(killedBy);
  }
}

/** Resolves after `ms`, or when `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
