/** Asking a store with a limit of one's own: a store may never answer, and need not listen to its signal. */
import { clearTimeout, setTimeout } from "../util/node-modules.js";
import { abortReason, onAbort } from "../util/on-abort.js";
import { LeaseStoreError, type LeaseOperation } from "./errors.js";
import type { LeaseStore } from "./store.js";

interface Question<Answer> {
  readonly store: LeaseStore;
  readonly operation: LeaseOperation;
  readonly key: string;
  readonly call: (signal: AbortSignal) => Promise<Answer>;
  /** How long an answer is waited for, milliseconds; then the request is aborted. */
  readonly limitMs: number;
  /** Aborting ends the waiting; the request goes on until its limit. */
  readonly signal?: AbortSignal | undefined;
  /** Told of an answer that comes after the waiting has ended. */
  readonly onLate?: ((answer: Answer) => void) | undefined;
  /** Whether the process waits for the answer. */
  readonly keepsAlive: boolean;
}

/**
 * @throws LeaseStoreError (rejection) of the store, of ours when it throws anything else or does not answer; the
 *   signal's reason
 */
export function askStore<Answer>(question: Question<Answer>): Promise<Answer> {
  const { store, operation, key, limitMs, signal, onLate, keepsAlive } = question;
  const request = new AbortController();
  return new Promise((resolve, reject) => {
    let isWaiting = true;
    const stopWaiting = (): boolean => {
      const was = isWaiting;
      isWaiting = false;
      stopListening();
      return was;
    };
    const stopListening = onAbort(signal, () => {
      // Nothing is left to wait for; a late answer is only tidied up.
      limit.unref();
      if (stopWaiting()) reject(abortReason(signal));
    });
    const limit = setTimeout(() => {
      const cause = new Error(`no answer within ${String(Math.round(limitMs))} ms`);
      if (stopWaiting())
        reject(new LeaseStoreError({ store: store.name, operation, key, retryable: true, cause }));
      request.abort(cause);
    }, limitMs);
    if (!keepsAlive) limit.unref();
    called(question.call, request.signal).then(
      (answer) => {
        clearTimeout(limit);
        if (stopWaiting()) resolve(answer);
        else onLate?.(answer);
      },
      (error: unknown) => {
        clearTimeout(limit);
        if (stopWaiting()) reject(storeError(error, store, operation, key));
      },
    );
  });
}

/** What a call gives that may throw at once. */
async function called<Answer>(
  call: (signal: AbortSignal) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  return await call(signal);
}

/** What is no LeaseStoreError a store should not have thrown: trying again will not help. */
function storeError(
  error: unknown,
  { name }: LeaseStore,
  operation: LeaseOperation,
  key: string,
): LeaseStoreError {
  if (error instanceof LeaseStoreError) return error;
  return new LeaseStoreError({ store: name, operation, key, retryable: false, cause: error });
}
