/** A question that one key answers. */
import type { CliIo } from "./io.js";

/**
 * Asks on standard error, which is a terminal, and waits for a key.
 *
 * @returns true for `y`; false for any other key, Ctrl-C included, and when a signal asked the process to end, which it
 *   then does once the terminal is what it was.
 */
export async function ask(question: string, { stderr, events }: CliIo): Promise<boolean> {
  stderr.write(`${question} [y/N] `);
  const { key, signal } = await new Promise<{
    readonly key?: string;
    readonly signal?: NodeJS.Signals;
  }>((resolve) => {
    const stopKeys = events.onKeys((keys) => end({ key: keys.slice(0, 1) }));
    const stopSignals = events.onSignal((name) => end({ signal: name }));
    const end = (answer: { key?: string; signal?: NodeJS.Signals }): void => {
      stopKeys();
      stopSignals();
      resolve(answer);
    };
  });
  const isYes = key === "y" || key === "Y";
  stderr.write(isYes ? "yes\n" : "no\n");
  if (signal !== undefined) events.endBySignal(signal);
  return isYes;
}
