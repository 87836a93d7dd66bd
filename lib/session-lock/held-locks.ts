/**
 * The locks that this thread holds or is about to take. Whether "this process holds it" is decided here, by
 * path in memory, never by what a file says.
 *
 * The state hangs on the thread's global object: two copies of this module in one thread (two versions
 * of a dependency, say) must know each other's locks. Its shape is a contract between versions: add to it,
 * never change it, or use another symbol.
 */

import { basename } from "node:path";

import type { LockFs } from "../util/lock-fs.js";
import type { TurnQueues } from "../util/turn-queue.js";
import { listenForEnd } from "./exit-cleanup.js";
import { canonicalPath } from "./lock-path.js";
import { startWatchdog } from "./watchdog.js";
import type { SessionWriteLock } from "./write-lock.js";

/** One lock of this thread, as all copies of the module see it. */
export interface HeldLock {
  readonly lockPath: string;
  /** False from the moment at which its release begins. */
  readonly isHeld: boolean;
  /** One more handle to it. */
  readonly open: () => SessionWriteLock;
  /** Removes the file and lets go, synchronously, as far as that is possible; for process exit. */
  readonly releaseNow: () => void;
  /** A signal that others listen to as well does not end it: only the process's end does. */
  readonly outlivesSignals?: boolean;
  /** What the watchdog does every minute. */
  readonly check: () => void;
}

interface ThreadState {
  /** Stops the watchdog and the listeners for the thread's end; null while there are none. */
  stopLooking: (() => void) | null;
  /** By canonical lock path. */
  readonly held: Map<string, HeldLock>;
  /** By canonical lock path. */
  readonly queues: TurnQueues;
}

const KEY = Symbol.for("pidentity.session-lock.v1");

function state(): ThreadState {
  const holder = globalThis as { [KEY]?: ThreadState };
  return (holder[KEY] ??= { held: new Map(), queues: new Map(), stopLooking: null });
}

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

/** Those who wait for their turn at a lock. */
export function lockQueues(): TurnQueues {
  return state().queues;
}

/** Lets those who may share the lock leave the queue. */
function welcomeJoiners(lockPath: string): void {
  const queue = state().queues.get(lockPath) ?? [];
  for (const turn of queue.filter(({ join }) => join !== null)) {
    const place = queue.indexOf(turn);
    // The first one is the holder itself.
    if (place <= 0) continue;
    queue.splice(place, 1);
    turn.join?.();
  }
}

/** With the first lock the watchdog starts, and the listeners for the thread's end are installed. */
export function addHeldLock(lock: HeldLock): void {
  const shared = state();
  shared.held.set(lock.lockPath, lock);
  shared.stopLooking ??= startLooking();
  welcomeJoiners(lock.lockPath);
}

/**
 * With the last lock they end, one turn of the event loop later: installing and removing signal listeners
 * costs more than taking and releasing a lock (libuv makes ten system calls for each of them), and
 * whoever works through many locks takes the next one at once.
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
  const shared = state();
  if (shared.held.size > 0) return;
  shared.stopLooking?.();
  shared.stopLooking = null;
}

function startLooking(): () => void {
  // Looking may end a hold: a Map takes that well.
  const stopWatchdog = startWatchdog(() => {
    for (const lock of state().held.values()) lock.check();
  });
  const stopListening = listenForEnd((isEnd) => {
    for (const lock of state().held.values()) {
      if (isEnd || lock.outlivesSignals !== true) lock.releaseNow();
    }
  });
  return () => {
    stopWatchdog();
    stopListening();
  };
}
