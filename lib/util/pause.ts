/** Waiting that an AbortSignal ends. */
import { clearTimeout, setTimeout } from "./node-modules.js";
import { abortReason, onAbort } from "./on-abort.js";

/** Resolves after `ms` milliseconds, keeping the process alive until then; rejects with the signal's reason when it aborts. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stopListening();
      resolve();
    }, ms);
    const stopListening = onAbort(signal, () => {
      clearTimeout(timer);
      reject(abortReason(signal));
    });
  });
}
