/** The public questions about a pid, which tell of the process that has it *now*. For one certain process see identity.ts. */
import { throwIfAborted } from "../util/on-abort.js";
import { DEFAULT_SLICE_MS, TimeSlice } from "../util/time-slice.js";
import { checkArgument, checkOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkIterable,
  checkSignal,
  checkSlice,
  optional,
} from "../util/check-values.js";
import { isValidPid } from "./pid.js";
import type { ProcessInfo } from "./process-info.js";
import { processBackend } from "./backends/select-backend.js";

export interface InspectProcessOptions {
  /** Read the command line, too? It is the one fact that can take long. Default true. */
  readonly args?: boolean | undefined;
}

export interface InspectProcessesOptions extends InspectProcessOptions {
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of work before the event loop gets a turn. Default 4. */
  readonly sliceMs?: number | undefined;
}

/**
 * Does a process with this pid exist, and has it not exited?
 *
 * @param pid - Anything: what cannot be a pid is not alive.
 * @returns true also when the OS says that it exists and no more; false for zombies, processes kept only
 * by an open handle (Windows), and ids of threads. Never throws.
 */
export function isPidAlive(pid: number): boolean {
  return isValidPid(pid) && processBackend().isAlive(pid);
}

/**
 * Is it proven that no process has this pid? What {@link isPidAlive} denies of anything that can be a pid.
 *
 * @param pid - Anything: what cannot be a pid proves nothing.
 * @returns true only on proof: nothing has it, or a zombie, a process kept only by an open handle (Windows) or a thread
 * of another process. false when a process runs, and when the OS denies or cannot say. Never throws.
 */
export function isPidDefinitelyDead(pid: number): boolean {
  return isValidPid(pid) && !processBackend().isAlive(pid);
}

/**
 * The integer that the OS froze when the process started, for telling two processes of one pid apart.
 *
 * @returns Linux: clock ticks (10 ms) since boot, without this process's time-namespace offset
 * (`/proc/<pid>/stat` field 22). macOS: microseconds since the Unix epoch (`p_starttime`). Windows:
 * likewise (`GetProcessTimes`). null when the process is gone, exited or denied, or the platform has no
 * way to ask. Never throws.
 */
export function getProcessStartTime(pid: number): number | null {
  return isValidPid(pid) ? processBackend().startTime(pid) : null;
}

/**
 * The command line of a process as an argument vector.
 *
 * @returns `[]` when the process has none (kernel threads, System); null when it is gone, its command
 * line may not be read, or reading could hang because the process is stuck in the kernel (Linux state D).
 * Invalid UTF-8 is replaced by U+FFFD. Source: `/proc/<pid>/cmdline`, `KERN_PROCARGS2`,
 * `ProcessCommandLineInformation`. Never throws.
 */
export function getProcessArgs(pid: number): string[] | null {
  return isValidPid(pid) ? processBackend().args(pid) : null;
}

/** How many pids are read from an iterable before they are asked about together. */
const GATHERED = 64;

const INSPECT_CHECKS: OptionChecks<InspectProcessOptions> = { args: optional(checkBoolean) };

export const INSPECT_MANY_CHECKS: OptionChecks<InspectProcessesOptions> = {
  ...INSPECT_CHECKS,
  signal: optional(checkSignal),
  sliceMs: optional(checkSlice),
};

/**
 * Everything about one process in one consistent snapshot.
 *
 * @param pid - What cannot be a pid is answered with `gone`, `invalid-pid`.
 * @throws TypeError when an option has the wrong type or is not known.
 */
export function inspectProcess(pid: number, options: InspectProcessOptions = {}): ProcessInfo {
  checkOptions(options, INSPECT_CHECKS);
  return inspectChecked(pid, options.args ?? true);
}

/**
 * {@link inspectProcess} for many pids without holding the event loop: it gets a turn before the first
 * one and after every slice of work.
 *
 * @param pids - Each is asked once.
 * @returns In order of first appearance. Each snapshot is consistent; they are not all of the same point in time.
 * @throws TypeError or RangeError (rejection) for bad options; the signal's reason when aborted.
 */
export async function inspectProcesses(
  pids: Iterable<number>,
  options: InspectProcessesOptions = {},
): Promise<Map<number, ProcessInfo>> {
  checkArgument("pids", pids, checkIterable);
  checkOptions(options, INSPECT_MANY_CHECKS);
  const { args = true, signal, sliceMs = DEFAULT_SLICE_MS } = options;
  throwIfAborted(signal);

  const slice = new TimeSlice(sliceMs);
  await slice.next();
  throwIfAborted(signal);
  const found = new Map<number, ProcessInfo>();
  // A pid keeps its place in `found` by an answer that is put right once it has been asked.
  let unasked: number[] = [];
  for (const pid of pids) {
    if (slice.exhausted()) {
      await slice.next();
      throwIfAborted(signal);
    }
    if (found.has(pid)) continue;
    found.set(pid, invalidPid(pid));
    if (!isValidPid(pid)) continue;
    unasked.push(pid);
    if (unasked.length >= GATHERED) unasked = askSome(unasked, args, slice.leftMs(), found);
  }
  while (unasked.length > 0) {
    if (slice.exhausted()) {
      await slice.next();
      throwIfAborted(signal);
    }
    unasked = askSome(unasked, args, slice.leftMs(), found);
  }
  return found;
}

/** Asks for one pid at least, and for no more than the budget allows; gives those that are left. */
function askSome(
  pids: number[],
  withArgs: boolean,
  budgetMs: number,
  found: Map<number, ProcessInfo>,
): number[] {
  const infos = processBackend().inspectMany(pids, withArgs, budgetMs);
  for (const info of infos) found.set(info.pid, info);
  return infos.length === pids.length ? [] : pids.slice(infos.length);
}

function inspectChecked(pid: number, withArgs: boolean): ProcessInfo {
  return isValidPid(pid) ? processBackend().inspect(pid, withArgs) : invalidPid(pid);
}

function invalidPid(pid: unknown): ProcessInfo {
  return {
    pid: typeof pid === "number" ? pid : Number.NaN,
    state: "gone",
    reason: "invalid-pid",
    startTime: null,
    startedAtMs: null,
    args: null,
    argsReason: "gone",
    commandLine: null,
    parentPid: null,
  };
}
