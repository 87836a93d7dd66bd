/**
 * The locks that this thread holds or is about to take. Whether "this process holds it" is decided here, by
 * path in memory, never by what a file says.
 *
 * Two copies of this module in one thread know each other's locks: see util/thread.ts.
 */
import type { LockFs } from "./protocol/lock-fs.js";
import { runtimeMs } from "../util/clocks.js";
import { basename, setImmediate } from "../util/node-modules.js";
import { threadState } from "../util/thread.js";
import type { CallerQueues } from "../util/queue.js";
import { every } from "../util/timers.js";
import { listenForEnd } from "./exit/listen.js";
import type { ToError } from "./failure.js";
import { canonicalPath } from "./lock-path.js";
import type { HeldLock, HeldLockSummary } from "./held-lock.js";

interface ThreadState {
  /** Stops the watchdog and the listeners for the thread's end; null while there are none. */
  stopLooking: (() => void) | null;
  /** By canonical lock path. */
  readonly held: Map<string, HeldLock>;
  /** By canonical lock path. */
  readonly queues: CallerQueues;
}

const state = threadState<ThreadState>(Symbol.for("pidentity.lock.v1"), () => ({
  held: new Map(),
  queues: new Map(),
  stopLooking: null,
}));

/** Whether this thread holds that lock, by whatever route `lockPath` leads to it. */
export function isHeldHere(lockPath: string, fs: LockFs): boolean {
  const { held } = state();
  // A sweep asks for every lock.
  if (held.size === 0) return false;
  if (held.has(lockPath)) return true;
  const name = basename(lockPath);
  // A real path costs a system call per folder of it: only where the name makes it worth while.
  const isNameHeld = [...held.keys()].some((path) => basename(path) === name);
  return isNameHeld && held.has(canonicalPath(lockPath, fs));
}

export function heldLock(lockPath: string): HeldLock | undefined {
  return state().held.get(lockPath);
}

/** The acquisitions of this thread that wait for a lock, by canonical lock path. */
export function lockQueues(): CallerQueues {
  return state().queues;
}

/** Acquisitions that may share the lock need not wait for it any more. */
function admitSharers(lockPath: string): void {
  const queue = state().queues.get(lockPath) ?? [];
  for (const caller of queue.filter(({ join }) => join !== null)) {
    const place = queue.indexOf(caller);
    // The first one is the holder itself.
    if (place <= 0) continue;
    queue.splice(place, 1);
    caller.join?.();
  }
}

/** With the first lock the watchdog starts, and the listeners for the thread's end are installed. */
export function addHeldLock(lock: HeldLock): void {
  const shared = state();
  shared.held.set(lock.lockPath, lock);
  shared.stopLooking ??= startLooking();
  admitSharers(lock.lockPath);
  if ((shared.queues.get(lock.lockPath)?.length ?? 0) > 1) lock.checkOnTime();
}

/** The locks that this thread holds, whichever face they were acquired through, in the order of their acquisition. */
export function heldLocks(): readonly HeldLockSummary[] {
  return [...state().held.values()]
    .filter(({ isHeld }) => isHeld)
    .map(({ lockPath, label, heldMs }) => ({ lockPath, label, heldMs: Math.round(heldMs) }));
}

/**
 * Gives up every lock that this thread holds. Resolves when all holds have ended.
 *
 * @throws (rejection) the error of the failure when one lock could not be given up, an AggregateError of those when it
 *   was more than one
 */
export async function drainLocks(toError: ToError): Promise<void> {
  const ends = await Promise.allSettled([...state().held.values()].map((lock) => lock.drain()));
  const errors = ends.flatMap((end): readonly unknown[] => {
    if (end.status === "rejected") return [end.reason];
    return end.value === null ? [] : [toError(end.value)];
  });
  if (errors.length > 1) {
    throw new AggregateError(errors, `${String(errors.length)} locks could not be released`);
  }
  if (errors.length === 1) throw errors[0];
}

/**
 * With the last lock they end, one turn of the event loop later: installing and removing signal listeners
 * costs more than taking and releasing a lock (libuv makes ten system calls for each of them), and
 * a program that works through many locks takes the next one at once. The realm may have ended by that turn.
 */
export function forgetHeldLock(lock: HeldLock): void {
  const shared = state();
  if (shared.held.get(lock.lockPath) === lock) shared.held.delete(lock.lockPath);
  if (shared.held.size > 0 || isStopPlanned) return;
  isStopPlanned = true;
  setImmediate(stopLookingWhenIdle).unref();
}

let isStopPlanned = false;

function stopLookingWhenIdle(): void {
  isStopPlanned = false;
  if (state().held.size === 0) stopLooking();
}

function stopLooking(): void {
  const shared = state();
  shared.stopLooking?.();
  shared.stopLooking = null;
}

function startLooking(): () => void {
  // A look may end a hold; a Map allows deletion during iteration.
  const stopWatchdog = every(() => {
    for (const lock of state().held.values()) lock.check();
  }, WATCHDOG_INTERVAL_MS);
  const stopListening = listenForEnd(endAll);
  return () => {
    stopWatchdog();
    stopListening();
  };
}

const WATCHDOG_INTERVAL_MS = 60_000;

// For all locks together: an exit must not take longer for each guard that is busy.
const EXIT_PATIENCE_MS = 50;

function endAll(signal: NodeJS.Signals | null): void {
  const locks = [...state().held.values()];
  // The process may survive the signal that is raised again.
  if (signal !== null)
    for (const lock of locks) lock.lose("process-ending", `process ended by ${signal}`);
  const deadline = runtimeMs() + EXIT_PATIENCE_MS;
  for (const lock of locks) lock.releaseNow(Math.max(0, deadline - runtimeMs()));
  if (signal !== null) stopLooking();
}
