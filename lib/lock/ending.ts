/** Removes a lock's file when its hold ends, with the patience that the kind of end allows. */
import { isLasting } from "../util/error-code.js";
import { pause, type Routine, TURN, waitFor } from "../util/routine.js";
import { waitSynchronously } from "../util/timers.js";
import type { LockFs } from "./protocol/lock-fs.js";
import type { Published } from "./protocol/new-lock-file.js";
import { tryRelease } from "./protocol/release.js";
import { moveAside } from "./protocol/remove.js";
import type { ReleaseOutcome } from "./trace.js";

/** How long a release tries, milliseconds. */
export const RELEASE_PATIENCE_MS = 2000;
/** How often a busy guard is tried again in the very next turn of the event loop. */
const PROMPT_ATTEMPTS = 10;

/** A lock whose hold ends, and how its file is reached. */
export interface ReleaseTarget {
  readonly lockPath: string;
  readonly lock: Published;
  readonly fs: LockFs;
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
}

/** `obstacle`: what the last try failed with; null: the guard was busy, or nothing failed. */
export interface Ending {
  readonly outcome: ReleaseOutcome;
  readonly obstacle: unknown;
}

/**
 * @param isOver - Whether the thread's end has come meanwhile: then nothing is left to be done.
 */
export function* removeInTime(ending: ReleaseTarget, isOver: () => boolean): Routine<Ending> {
  const { lockPath, lock, fs, now } = ending;
  const deadline = now() + RELEASE_PATIENCE_MS;
  let obstacle: unknown = null;
  for (let attempts = 1; ; attempts++) {
    try {
      const attempt = tryRelease(lockPath, lock, fs);
      if (attempt.kind !== "busy") return { outcome: attempt.kind, obstacle: null };
      obstacle = attempt.error ?? null;
    } catch (error) {
      obstacle = error;
    }
    if (now() >= deadline) break;
    // Read-only by now, or full: after these tries two more seconds would not help.
    if (attempts >= PROMPT_ATTEMPTS && isLasting(obstacle)) break;
    // A process in the guard is there for microseconds, as a rule.
    yield* waitFor(attempts < PROMPT_ATTEMPTS ? TURN : pause(2 + Math.random() * 6));
    if (isOver()) return { outcome: "removed", obstacle: null };
  }
  // Where unlinking fails for good a rename may still succeed; a sweep finds the rest.
  return isMovedAside(ending)
    ? { outcome: "removed", obstacle: null }
    : { outcome: "left", obstacle };
}

function isMovedAside({ lockPath, lock, fs }: ReleaseTarget): boolean {
  try {
    return tryRelease(lockPath, lock, fs, moveAside).kind === "removed";
  } catch {
    return false;
  }
}

/** At the end of the thread, where nothing can be awaited. */
export function removeNow(
  { lockPath, lock, fs, now }: ReleaseTarget,
  patienceMs: number,
): ReleaseOutcome {
  const deadline = now() + patienceMs;
  try {
    for (;;) {
      const attempt = tryRelease(lockPath, lock, fs);
      if (attempt.kind !== "busy") return attempt.kind;
      if (now() >= deadline) return "left";
      waitSynchronously(1 + Math.random() * 2);
    }
  } catch {
    // Closing the descriptor makes the file reclaimable.
    return "left";
  }
}
