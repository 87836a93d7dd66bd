/** Signals that reach the very process that was meant, or none. */
import { outOfRange, wrongType } from "../util/argument-error.js";
import { os } from "../util/node-modules.js";
import { checkString } from "../util/check-values.js";
import type { ProcessReference } from "./backends/backend.js";
import { endOf, type ProcessGoneReason, type ProcessUnknownReason } from "./judge-token.js";
import { openProcess } from "./open-process.js";

/**
 * What became of a signal. `gone` and `unknown`: nothing was sent.
 *
 * `access-denied`: it is another user's process, or one that the OS protects. `unsupported`: nothing here can signal one
 * certain process (no addon; Linux before 5.3; a sandbox).
 */
export type SignalVerdict =
  | { readonly state: "sent"; readonly reason: "running" }
  | { readonly state: "gone"; readonly reason: ProcessGoneReason }
  | { readonly state: "unknown"; readonly reason: ProcessUnknownReason };

/** Windows has no signals: these two end the process, as `process.kill` does there. */
const ENDING: ReadonlySet<unknown> = new Set<NodeJS.Signals>(["SIGTERM", "SIGKILL"]);

/**
 * Sends a signal to the process that a token names, or to none: whatever has its pid by now is never hit.
 *
 * Linux: `pidfd_send_signal(2)` on a descriptor that was proven to be the token's process. Where the kernel gives
 * processes no exact id (before 6.9) that proof is the start time, in clock ticks of 10 ms. Windows: `TerminateProcess`
 * while a handle keeps the process that was verified from giving its pid away. macOS can signal by pid only: the process
 * is verified, signalled and verified again; one that ends, is reaped and whose pid is given to another one, all between
 * the look and the call, would leave the signal to that one (pids are given in turn).
 *
 * @param token - From `identifyProcess`. Where this process may signal into nested pid namespaces, also one from there.
 * @param signal - A name; 0 sends nothing and tells whether one could be sent. Windows: `SIGTERM`, `SIGKILL` or 0.
 * @returns `sent` once the OS has taken it; `gone` only on proof, also of a zombie; `unknown` with the reason otherwise,
 * also for what is not a token.
 * @throws TypeError when an argument has the wrong type; RangeError for a signal that this platform does not have.
 */
export function signalProcess(
  token: string,
  signal: NodeJS.Signals | 0 = "SIGTERM",
): SignalVerdict {
  checkString("token", token);
  const number = signalNumber("signal", signal);
  const opened = openProcess(token);
  if (opened.state !== "same") return opened;
  try {
    return signalReferenced(opened.reference, number);
  } finally {
    opened.reference.close();
  }
}

/** @param number - From {@link signalNumber}. */
function signalReferenced(reference: ProcessReference, number: number): SignalVerdict {
  const delivery = reference.signal(number);
  switch (delivery) {
    case "sent":
      return { state: "sent", reason: "running" };
    case "gone":
      return { state: "gone", reason: endOf(reference.identity().reason) };
    default:
      return { state: "unknown", reason: delivery };
  }
}

/** @throws TypeError or RangeError when `signal` is none that can be sent here. */
export function signalNumber(field: string, signal: unknown): number {
  const isWindows = process.platform === "win32";
  const expected = 'the name of a signal (on Windows "SIGTERM" or "SIGKILL"), or 0';
  if (typeof signal !== "string" && typeof signal !== "number") {
    throw wrongType(field, expected, signal);
  }
  if (signal === 0) return 0;
  const { signals } = os().constants;
  const number = Object.hasOwn(signals, signal) ? signals[signal as NodeJS.Signals] : undefined;
  if (number === undefined || (isWindows && !ENDING.has(signal))) {
    throw outOfRange(field, expected, signal);
  }
  return number;
}
