/** Waiting for the end of one process, without a thread and without taking a later process of its pid for it. */
import type { ProcessReference } from "./backends/backend.js";
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import { checkSignal, checkTimeout, optional } from "../util/check-values.js";
import { onAbort } from "../util/on-abort.js";
import { printable } from "../util/printable.js";
import { tokenHost, verifyProcess } from "./identity.js";
import type { ProcessUnknownReason } from "./judge-token.js";
import { isValidPid } from "./pid.js";
import { processBackend } from "./backends/select-backend.js";
import { isSameBoot, parseToken } from "./token.js";

export interface WaitForProcessExitOptions {
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait; 0 looks once. Default: without limit. */
  readonly timeoutMs?: number | undefined;
}

const CHECKS: OptionChecks<WaitForProcessExitOptions> = {
  signal: optional(checkSignal),
  timeoutMs: optional(checkTimeout),
};

/** A process can be told neither running nor ended; {@link ProcessUnknownError.reason} says why. */
export class ProcessUnknownError extends Error {
  override readonly name = "ProcessUnknownError";
  readonly code = "PROCESS_UNKNOWN";
  readonly reason: ProcessUnknownReason;
  /** What was passed as the token. */
  readonly token: unknown;

  constructor(token: unknown, reason: ProcessUnknownReason) {
    super(printable(`cannot tell whether the process is running (${reason}): ${String(token)}`));
    this.reason = reason;
    this.token = token;
  }
}

const FIRST_TICK_MS = 1;
const LONGEST_TICK_MS = 50;

/**
 * Waits until the process that a token names has ended, reaped or not.
 *
 * A kept pidfd or process handle is asked on a back-off tick of at most 50 ms (a microsecond each time);
 * where there is none, {@link verifyProcess} is. The wait keeps the event loop alive.
 *
 * @returns `exited` at once when it is already gone; `timeout` when it still runs after `timeoutMs`.
 * @throws {@link ProcessUnknownError} (rejection, also during the wait) when nothing tells whether it
 * runs; the signal's reason when aborted; TypeError or RangeError for bad options.
 */
export async function waitForProcessExit(
  token: string,
  options: WaitForProcessExitOptions = {},
): Promise<"exited" | "timeout"> {
  checkOptions(options, CHECKS);
  const { signal, timeoutMs = Infinity } = options;
  signal?.throwIfAborted();

  const deadline = performance.now() + timeoutMs;
  // Watch first, verify second: if the pid belongs to the named process now, it did so when the watch
  // was opened, for a process does not get its pid back.
  const watch = openWatch(token);
  try {
    if (hasEnded(token)) return "exited";
    for (let tick = FIRST_TICK_MS; ; tick = Math.min(tick * 2, LONGEST_TICK_MS)) {
      signal?.throwIfAborted();
      const left = deadline - performance.now();
      if (left <= 0) return "timeout";
      // Jitter: many waiters for one process must not wake in step.
      await pause(Math.min(left, tick * (0.5 + Math.random() / 2)), signal);
      if (watch === null ? hasEnded(token) : watch.exited()) return "exited";
    }
  } finally {
    watch?.close();
  }
}

/** A reference to the process that has the token's pid here; null when that pid means nothing here. */
function openWatch(text: string): ProcessReference | null {
  const token = parseToken(text);
  const host = tokenHost();
  if (token === null || !isSameBoot(token, host) || !isValidPid(token.pid)) return null;
  if (token.pidNamespace === null || token.pidNamespace !== host.pidNamespace) return null;
  return processBackend().reference(token.pid);
}

function hasEnded(token: string): boolean {
  const verdict = verifyProcess(token);
  if (verdict.state === "unknown") throw new ProcessUnknownError(token, verdict.reason);
  return verdict.state === "gone";
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stopListening();
      resolve();
    }, ms);
    const stopListening = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal?.reason);
    });
  });
}
