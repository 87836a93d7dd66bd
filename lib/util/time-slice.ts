/**
 * Long loops in slices: work for a few milliseconds, then let the event loop turn once.
 *
 * Every loop of this thread queues for the same turns, one slice per turn: four loops at once hold
 * the event loop no longer than one does.
 */
import { runtimeMs } from "./clocks.js";
import { setImmediate } from "./node-modules.js";

/** Milliseconds of uninterrupted work that go unnoticed beside timers and sockets. */
export const DEFAULT_SLICE_MS = 4;

/**
 * A thread's first slices overrun: V8 compiles what they run, and its collector moves what a young heap keeps. So they
 * begin with this length, milliseconds, and grow while the clock shows that they end in time.
 */
const FIRST_SLICE_MS = 1;
const GROWTH_MS = 0.25;
/** Later than this is no rounding of the work's steps. */
const OVERRUN_MS = 0.5;

/** What slices of this thread have at the most for now; Infinity once they have grown to the default. */
let allowedMs = FIRST_SLICE_MS;

function learnFrom(spentMs: number): void {
  // One that ended early shows nothing.
  if (spentMs < allowedMs) return;
  const isKept = spentMs - allowedMs <= OVERRUN_MS;
  allowedMs = isKept ? allowedMs + GROWTH_MS : Math.max(FIRST_SLICE_MS, allowedMs / 2);
  if (allowedMs >= DEFAULT_SLICE_MS) allowedMs = Infinity;
}

/** As long as nothing else took this many milliseconds, a turn's work begins at once. */
const CROWDED_TURN_MS = 1;

const waiting: (() => void)[] = [];
let scheduled = false;
let isPostponed = false;
let lastCallAt = 0;

/** Resolves in a later turn of the event loop, after pending I/O had its chance. */
export function nextTurn(): Promise<void> {
  lastCallAt = runtimeMs();
  return new Promise((resolve) => {
    waiting.push(resolve);
    schedule();
  });
}

function schedule(): void {
  if (scheduled || waiting.length === 0) return;
  scheduled = true;
  setImmediate(grantTurn);
}

function grantTurn(): void {
  scheduled = false;
  // Something else has held this turn: I/O, the garbage collector, which V8 likes to run between two
  // slices. Timers wait for both together unless they run in between. Once: we must get on as well.
  isPostponed = !isPostponed && runtimeMs() - lastCallAt > CROWDED_TURN_MS;
  if (!isPostponed) waiting.shift()?.();
  // An immediate set inside an immediate runs in the next iteration of the loop, behind I/O.
  schedule();
}

/**
 * The clock of one sliced loop: `if (slice.exhausted()) await slice.next();` before each step.
 * After waiting for something else call {@link TimeSlice.restart}: only own work counts.
 */
export class TimeSlice {
  readonly #sliceMs: number;
  #startedAt: number;

  constructor(sliceMs: number = DEFAULT_SLICE_MS) {
    this.#sliceMs = sliceMs;
    this.#startedAt = runtimeMs();
  }

  /** True once this slice's milliseconds are used up; sooner in a thread's first slices. */
  exhausted(): boolean {
    return this.leftMs() === 0;
  }

  /** The rest of this slice's milliseconds; 0 once they are used up. */
  leftMs(): number {
    const lengthMs = Math.min(this.#sliceMs, allowedMs);
    return Math.max(0, lengthMs - (runtimeMs() - this.#startedAt));
  }

  /** Gives the event loop a turn and starts the next slice. */
  async next(): Promise<void> {
    learnFrom(runtimeMs() - this.#startedAt);
    await nextTurn();
    this.restart();
  }

  restart(): void {
    this.#startedAt = runtimeMs();
  }
}
