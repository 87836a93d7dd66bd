/**
 * One body of code in two forms: a routine says what it waits for, and its runner waits in turns of the event loop or
 * by stopping the thread.
 */
import { nextTurn } from "./time-slice.js";
import { delay, waitSynchronously } from "./timers.js";

/** Something to be waited for, in both forms. */
export interface Wait<T> {
  readonly inTurns: () => Promise<T>;
  /** Where the event loop stands still meanwhile. */
  readonly atOnce: () => T;
}

/** Made by a generator function; `yield*` runs one within another. */
export type Routine<T> = Generator<Wait<unknown>, T, unknown>;

export function* waitFor<T>(wait: Wait<T>): Routine<T> {
  return (yield wait) as T;
}

/** @throws (rejection) what the routine throws */
export async function runInTurns<T>(routine: Routine<T>): Promise<T> {
  let step = routine.next();
  while (step.done !== true) {
    let answer: unknown;
    try {
      answer = await step.value.inTurns();
    } catch (error) {
      step = routine.throw(error);
      continue;
    }
    step = routine.next(answer);
  }
  return step.value;
}

/** @throws what the routine throws */
export function runAtOnce<T>(routine: Routine<T>): T {
  let step = routine.next();
  while (step.done !== true) {
    let answer: unknown;
    try {
      answer = step.value.atOnce();
    } catch (error) {
      step = routine.throw(error);
      continue;
    }
    step = routine.next(answer);
  }
  return step.value;
}

/** Gives the event loop a turn, where there is one to give. */
export const TURN: Wait<void> = { inTurns: nextTurn, atOnce: () => {} };

/** @param ms - Milliseconds. */
export function pause(ms: number): Wait<void> {
  return { inTurns: () => delay(ms), atOnce: () => waitSynchronously(ms) };
}
