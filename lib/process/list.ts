/** All processes that can be seen from here. */
import { checkOptions } from "../util/check-options.js";
import { processBackend } from "./backends/select-backend.js";
import { inspectProcesses, type InspectProcessesOptions, INSPECT_MANY_CHECKS } from "./inspect.js";
import type { ProcessInfo } from "./process-info.js";
import { throwIfAborted } from "../util/on-abort.js";

export type ListProcessesOptions = InspectProcessesOptions;

/**
 * Nothing here can list processes: there is no addon, `/proc` is not this pid namespace's, or there are no descriptors left
 * to look with.
 */
export class ProcessListError extends Error {
  override readonly name = "ProcessListError";
  readonly code = "PROCESS_LIST_UNSUPPORTED";
  /** See `nativeStatus`. */
  readonly backend: "native" | "procfs" | "basic";

  constructor(backend: "native" | "procfs" | "basic") {
    super(
      `processes cannot be listed here (backend ${backend}): nativeStatus() says why, unless file descriptors are used up`,
    );
    this.backend = backend;
  }
}

/**
 * Every process that can be seen from here, without holding the event loop: it gets a turn before the first one and
 * after every slice of work.
 *
 * What the OS hides (`hidepid`, another pid namespace) is left out, as is a process that ends meanwhile, and a zombie.
 * Kernel threads are listed; threads of processes are not. Source: `/proc`, `NtQuerySystemInformation`,
 * `proc_listpids`.
 *
 * @returns In no order. Each snapshot is consistent; they are not all of the same point in time.
 * @throws {@link ProcessListError} (rejection) where processes cannot be listed; TypeError or RangeError for bad
 * options; the signal's reason when aborted.
 */
export async function listProcesses(options: ListProcessesOptions = {}): Promise<ProcessInfo[]> {
  checkOptions(options, INSPECT_MANY_CHECKS);
  throwIfAborted(options.signal);
  const backend = processBackend();
  const pids = backend.list();
  if (pids === null) throw new ProcessListError(backend.name);
  const infos = await inspectProcesses(pids, options);
  return [...infos.values()].filter(({ state }) => state !== "gone");
}
