/** Runs a holder's synchronous write inside the guard of its lock. */
import { checkSynchronous } from "../util/synchronous.js";
import { waitSynchronously } from "../util/timers.js";
import type { BusyGuard, Guard } from "./protocol/guard.js";

/** How long a fenced write waits for the guard, milliseconds. */
export const FENCE_PATIENCE_MS = 50;

/** What a fenced write asks of its hold. */
export interface Fence {
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
  readonly tryEnter: () => Guard | BusyGuard;
  /** Called inside the guard. @throws when the lock is no longer the holder's */
  readonly assertStillHeld: () => void;
  /** The error where another process keeps the guard busy. */
  readonly timeout: () => Error;
}

/** @throws what the fence throws; TypeError when `write` returns a promise; whatever `write` throws */
export function writeFenced<T>(write: () => T, fence: Fence): T {
  const guard = enter(fence);
  try {
    fence.assertStillHeld();
    const result = write();
    checkSynchronous("write", result);
    return result;
  } finally {
    guard.leave();
  }
}

function enter({ now, tryEnter, timeout }: Fence): Guard {
  const deadline = now() + FENCE_PATIENCE_MS;
  for (;;) {
    const guard = tryEnter();
    if (guard.kind === "entered") return guard;
    if (now() >= deadline) throw timeout();
    waitSynchronously(0.5 + Math.random());
  }
}
