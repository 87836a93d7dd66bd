/** Where the monitor tells that a callback of the host failed. */
import { util } from "../util/node-modules.js";
import { printable, printableStack } from "../util/printable.js";

/** Tells what failed and why, on one line each; an error with its stack. Never throws. */
export type LogFailure = (what: string, why: unknown) => void;

/** @param warn - Its own errors are dropped: no other place is left to tell them. */
export function failureLog(warn: (message: string) => void): LogFailure {
  return (what, why) => {
    try {
      warn(`[session-attention] ${printable(what)}: ${describe(why)}`);
    } catch {
      // See above.
    }
  };
}

const ON_ONE_LINE = { breakLength: Infinity, compact: true };

function describe(why: unknown): string {
  return why instanceof Error ? printableStack(why) : printable(util.inspect(why, ON_ONE_LINE));
}
