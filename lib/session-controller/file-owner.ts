/** One run at a time per session file, within this thread, first come first served. */
import { absolutePath } from "../util/absolute-path.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import { checkPath, checkSignal, checkTimeout, optional } from "../util/check-values.js";
import { LONGEST_TIMER_MS } from "../util/timers.js";
import { threadState } from "../util/thread.js";
import { type CallerQueues, waitInQueue } from "../util/queue.js";
import { SessionFileOwnerTimeoutError } from "./errors.js";
import { canonicalSessionPath, realSessionFs } from "./fence/session-file.js";

export interface AcquireSessionFileOwnerOptions {
  /** All routes to one file are one session. Need not exist. Resolved at the call. */
  readonly sessionFile: string | URL;
  /**
   * How long to wait, milliseconds, at most 2 147 000 000 (what is more counts as that). 0: not at all. Default:
   * without limit.
   */
  readonly timeoutMs?: number | undefined;
  /** Aborting rejects with the signal's reason and gives up the place in the queue. */
  readonly signal?: AbortSignal | undefined;
}

const CHECKS: OptionChecks<AcquireSessionFileOwnerOptions> = {
  sessionFile: checkPath,
  timeoutMs: optional(checkTimeout),
  signal: optional(checkSignal),
};

/** A session file's owner, until it is released. */
export interface SessionFileOwner extends Disposable {
  /** Lets the next run in the queue own the file. Calling it again does nothing. */
  readonly release: () => void;
}

// Copies of this module in one thread share the queues: see util/thread.ts.
const queues = threadState<CallerQueues>(
  Symbol.for("pidentity.session-file-owners.v1"),
  () => new Map(),
);

/**
 * Waits until no other run of this thread owns the session file. It keeps runs of one process from competing for
 * the session's lock; it does nothing about other processes.
 *
 * @throws (rejection) SessionFileOwnerTimeoutError when the time is used up; the signal's reason when aborted;
 *   TypeError or RangeError for bad options.
 */
export async function acquireSessionFileOwner(
  options: AcquireSessionFileOwnerOptions,
): Promise<SessionFileOwner> {
  checkRequiredOptions(options, CHECKS);
  const { timeoutMs, signal } = options;
  const sessionFile = absolutePath(options.sessionFile);
  const path = canonicalSessionPath(sessionFile, realSessionFs);
  const budgetMs = timeoutMs === undefined ? Infinity : Math.min(timeoutMs, LONGEST_TIMER_MS);
  const place = await waitInQueue(queues(), path, budgetMs, { mayJoin: false, signal });
  if (place.kind !== "first") throw new SessionFileOwnerTimeoutError(budgetMs, sessionFile);
  return { release: place.leave, [Symbol.dispose]: place.leave };
}
