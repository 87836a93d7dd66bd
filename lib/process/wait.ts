/** Waiting for the end of a process, or of many, without a thread and without taking a later process of its pid for it. */
import type { ProcessReference } from "./backends/backend.js";
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import { checkSignal, checkTimeout, optional } from "../util/check-values.js";
import { backOffPauses } from "../util/back-off.js";
import { runtimeMs } from "../util/clocks.js";
import { throwIfAborted } from "../util/on-abort.js";
import { pause } from "../util/pause.js";
import { tokenHost, tokenLookups, verifyProcess } from "./identity.js";
import { judgeToken, type ProcessVerdict } from "./judge-token.js";
import type { NestedProcesses } from "./nested-processes.js";
import { isValidPid } from "./pid.js";
import { ProcessUnknownError } from "./process-unknown-error.js";
import { processBackend } from "./backends/select-backend.js";
import { isSameBoot, parseToken } from "./token.js";
import { type ExitQuestions, waitForManyExits } from "./wait-for-many.js";

export { ProcessUnknownError };

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

/**
 * Waits until the process that a token names has ended, reaped or not; or, given many tokens, each of their processes.
 *
 * A kept pidfd or process handle is asked on a back-off tick of at most 50 ms (a microsecond each time);
 * where there is none, {@link verifyProcess} is. The wait keeps the event loop alive.
 *
 * Many tokens share one timer, and at most 256 descriptors or handles: the processes beyond them are verified. They are
 * read at once from the iterable, each counts once, and all of them are asked in slices of 4 ms.
 *
 * @returns `exited` at once when it is already gone; `timeout` when it still runs after `timeoutMs`. Of many: that by
 * token, in order of first appearance, when all have ended or the time is over.
 * @throws {@link ProcessUnknownError} (rejection, also during the wait) when nothing tells whether it
 * runs, for the first such one of many; the signal's reason when aborted; TypeError or RangeError for bad options.
 */
export function waitForProcessExit(
  token: string,
  options?: WaitForProcessExitOptions,
): Promise<"exited" | "timeout">;
/** The same for many processes, see there. */
export function waitForProcessExit(
  tokens: Iterable<string>,
  options?: WaitForProcessExitOptions,
): Promise<Map<string, "exited" | "timeout">>;
export async function waitForProcessExit(
  tokens: string | Iterable<string>,
  options: WaitForProcessExitOptions = {},
): Promise<"exited" | "timeout" | Map<string, "exited" | "timeout">> {
  checkOptions(options, CHECKS);
  const { signal, timeoutMs = Infinity } = options;
  throwIfAborted(signal);

  const deadline = runtimeMs() + timeoutMs;
  return isMany(tokens)
    ? waitForManyExits(tokens, { signal, deadline }, QUESTIONS)
    : waitForExit(tokens, signal, deadline);
}

/** A text is one token, though it is an iterable of characters; what is neither is a malformed one. */
function isMany(tokens: string | Iterable<string>): tokens is Iterable<string> {
  if (typeof tokens === "string") return false;
  try {
    return typeof (tokens as Partial<Iterable<string>> | null)?.[Symbol.iterator] === "function";
  } catch {
    // A Proxy that was revoked.
    return false;
  }
}

/** @param deadline - On the clock of `runtimeMs`. */
async function waitForExit(
  token: string,
  signal: AbortSignal | undefined,
  deadline: number,
): Promise<"exited" | "timeout"> {
  // Watch first, verify second: if the pid belongs to the named process now, it did so when the watch
  // was opened, for a process does not get its pid back.
  const watch = openWatch(token);
  try {
    if (hasEnded(token)) return "exited";
    const pauses = backOffPauses();
    for (;;) {
      throwIfAborted(signal);
      const left = deadline - runtimeMs();
      if (left <= 0) return "timeout";
      await pause(Math.min(left, pauses.next().value), signal);
      if (watch === null ? hasEnded(token) : watch.exited()) return "exited";
    }
  } finally {
    watch?.close();
  }
}

const QUESTIONS: ExitQuestions = {
  mayRefer: (token) => pidHere(token) !== null,
  refer: openWatch,
  round: verifyInOneRound,
  pause,
};

/** {@link verifyProcess} for many: one look at the processes of nested pid namespaces is enough for all. */
function verifyInOneRound(): (token: string) => ProcessVerdict {
  let look: NestedProcesses | null | undefined;
  const nested = (): NestedProcesses | null => {
    if (look === undefined) look = tokenLookups.nested();
    return look;
  };
  const lookups = { ...tokenLookups, nested };
  return (token) => judgeToken(parseToken(token), tokenHost(), lookups);
}

/** A reference to the process that has the token's pid here; null when that pid means nothing here. */
function openWatch(token: string): ProcessReference | null {
  const pid = pidHere(token);
  return pid === null ? null : processBackend().reference(pid);
}

/** The token's pid; null when it means nothing in this boot and pid namespace. */
function pidHere(text: string): number | null {
  const token = parseToken(text);
  const host = tokenHost();
  if (token === null || !isSameBoot(token, host) || !isValidPid(token.pid)) return null;
  if (token.pidNamespace === null || token.pidNamespace !== host.pidNamespace) return null;
  return token.pid;
}

function hasEnded(token: string): boolean {
  const verdict = verifyProcess(token);
  if (verdict.state === "unknown") throw new ProcessUnknownError(token, verdict.reason);
  return verdict.state === "gone";
}
