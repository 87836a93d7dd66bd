import { abortReason, onAbort } from "../../util/on-abort.js";

/** What a promise brings, or the signal's reason (rejection) once that aborts; it has not yet. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = onAbort(signal, () => reject(abortReason(signal)));
    promise.then(resolve, reject).finally(stop);
  });
}
