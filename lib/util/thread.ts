/** Which thread this is, and state that all copies of a module in one thread share. */
import { workerThreads } from "./node-modules.js";

let isMain: boolean | undefined;

/**
 * Whether this is the process's main thread.
 *
 * Deno says so of its web workers, too, in node:worker_threads (2.9); they are told by their global object, as
 * are web workers of every other runtime.
 */
export function isMainThread(): boolean {
  isMain ??= workerThreads().isMainThread && !isWebWorker();
  return isMain;
}

function isWebWorker(): boolean {
  const { WorkerGlobalScope } = globalThis as { readonly WorkerGlobalScope?: unknown };
  return typeof WorkerGlobalScope === "function" && globalThis instanceof WorkerGlobalScope;
}

/**
 * Gives access to the state under `key`, which the first copy of a module that asks creates. It hangs on the thread's
 * global object: two copies of a module in one thread (two versions of a dependency, say) must know each other's. Its
 * shape is a contract between versions: add to it, never change it, or use another symbol.
 *
 * A realm may end before its thread: Jest gives each test file one, and afterwards deletes what hangs on its global
 * object, or puts a setter in place of every property, which calls itself (jest-util, deleteProperty). What is still
 * to be done then, such as removing listeners, uses the state as it was: the global object is asked once, and the
 * state's properties are no longer configurable, which Jest respects.
 */
export function threadState<T extends object>(key: symbol, create: () => T): () => T {
  let known: T | undefined;
  return () => (known ??= keepProperties(onGlobalObject(key, create)));
}

function onGlobalObject<T extends object>(key: symbol, create: () => T): T {
  const holder = globalThis as { [name: symbol]: T | undefined };
  return (holder[key] ??= create());
}

function keepProperties<T extends object>(state: T): T {
  for (const name of Reflect.ownKeys(state)) {
    Reflect.defineProperty(state, name, { configurable: false });
  }
  return state;
}
