/** Which thread this is. */
import { isMainThread as isMainNodeThread } from "node:worker_threads";

/**
 * Whether this is the process's main thread.
 *
 * Deno says so of its web workers, too, in node:worker_threads (2.9); they are told by their global object, as
 * is every other one's.
 */
export const isMainThread: boolean = isMainNodeThread && !isWebWorker();

function isWebWorker(): boolean {
  const { WorkerGlobalScope } = globalThis as { readonly WorkerGlobalScope?: unknown };
  return typeof WorkerGlobalScope === "function" && globalThis instanceof WorkerGlobalScope;
}
