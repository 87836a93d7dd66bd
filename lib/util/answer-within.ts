/** Waiting for an answer of a caller's function, which may never come. */
import { clearTimeout, setTimeout } from "./node-modules.js";
import { onAbort } from "./on-abort.js";

export interface AnswerLimit {
  /** Milliseconds, at most {@link LONGEST_TIMER_MS}. */
  readonly limitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns the answer; undefined when the limit was reached or the signal aborted first
 * @throws (rejection) what the answer rejects with; what it does later goes unheard
 */
export function answerWithin<T>(
  answer: T | PromiseLike<T>,
  { limitMs, signal }: AnswerLimit,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(limit);
      stopListening();
    };
    const giveUp = (): void => {
      stop();
      resolve(undefined);
    };
    const limit = setTimeout(giveUp, limitMs);
    const stopListening = onAbort(signal, giveUp);
    if (signal?.aborted === true) giveUp();
    Promise.resolve(answer).then(
      (given) => {
        stop();
        resolve(given);
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}
