/** The start-up sweep: every agent's sessions directory of a gateway, one after the other. */
import { absolutePath, pathPrefix } from "../../util/absolute-path.js";
import type { Thrown } from "./callbacks.js";
import { typeError } from "../../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../../util/check-options.js";
import {
  checkFunction,
  checkPath,
  checkPathList,
  checkPositiveInteger,
  checkSignal,
  optional,
} from "../../util/check-values.js";
import { errorCode } from "../../util/error-code.js";
import { sep } from "../../util/node-modules.js";
import { type LockFs, realLockFs } from "../../lock/protocol/lock-fs.js";
import { printable } from "../../util/printable.js";
import { resolveLimits } from "../limits.js";
import type { SessionLockInspection } from "../reasons.js";
import type { SweepCounts } from "./report.js";
import { type CleanStaleLockFilesResult, sweepToTheEnd } from "./sweep.js";
import {
  isToRemove,
  resolveSweepOptions,
  SWEEP_CHECKS,
  type SweepLog,
  type SweepOptions,
} from "./options.js";

export interface CleanedDirectory {
  readonly sessionsDir: string;
  /** The locks that were removed there; never empty. */
  readonly cleaned: readonly SessionLockInspection[];
}

export interface SweepSessionLocksOptions extends SweepOptions {
  /**
   * A gateway's state directory: `<stateDir>/agents/<agent>/sessions` are swept. Relative paths are resolved at the
   * call, here and in `sessionsDirs`; those in the result are absolute.
   */
  readonly stateDir?: string | URL | undefined;
  /** Or the directories themselves, swept in this order. Exactly one of the two must be given. */
  readonly sessionsDirs?: readonly (string | URL)[] | undefined;
  /** Directories worked on at a time; they share the event loop's slices. Default 4. */
  readonly concurrency?: number | undefined;
  /**
   * Awaited for every directory that removed something, also when an abort arrived meanwhile: the host
   * can mark the interrupted sessions for restart.
   */
  readonly onDirectoryCleaned?: ((directory: CleanedDirectory) => unknown) | undefined;
  /** Aborting finishes the directories at work and starts no other. */
  readonly signal?: AbortSignal | undefined;
}

export interface SweptDirectory {
  readonly sessionsDir: string;
  /** null when the sweep of this directory failed; see `error`. */
  readonly result: CleanStaleLockFilesResult | null;
  /**
   * What the sweep of this directory failed with, or what a callback threw: `onDirectoryCleaned`, else the first of
   * `log` and `onProgress`. Then `result` is there as well. null: nothing.
   */
  readonly error: unknown;
}

export interface SweepSessionLocksResult {
  /** The directories that were swept, in order. */
  readonly directories: readonly SweptDirectory[];
  /** Sums over all directories. */
  readonly counts: SweepCounts;
  /** The signal arrived before every directory was swept. */
  readonly aborted: boolean;
}

/**
 * Sweeps many sessions directories with {@link cleanStaleLockFiles}.
 *
 * A directory's error, and what a callback throws, is logged and reported, and the others go on.
 *
 * @returns what was done; an abort is part of the answer, because locks may have been removed by then.
 * @throws (rejection) TypeError or RangeError for bad options; the file system's error when
 *   `<stateDir>/agents` exists and cannot be listed.
 */
export async function sweepSessionLocks(
  options: SweepSessionLocksOptions,
): Promise<SweepSessionLocksResult> {
  checkStartupOptions(options);
  const {
    stateDir,
    sessionsDirs: given,
    concurrency = DEFAULT_CONCURRENCY,
    signal,
    onDirectoryCleaned,
    ...rest
  } = options;
  // Before the first wait: the process may change its directory meanwhile.
  const sessionsDirs =
    given?.map(absolutePath) ?? listSessionsDirs(absolutePath(stateDir ?? ""), realLockFs);

  const swept: SweptDirectory[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (signal?.aborted !== true && next < sessionsDirs.length) {
      const index = next++;
      const sessionsDir = sessionsDirs[index] ?? "";
      let result: CleanStaleLockFilesResult | null = null;
      let failure: Thrown | null = null;
      try {
        const plan = resolveSweepOptions({ ...rest, sessionsDir });
        ({ result, thrown: failure } = await sweepToTheEnd(plan, realLockFs));
        const { cleaned } = result;
        if (cleaned.length > 0) await onDirectoryCleaned?.({ sessionsDir, cleaned });
      } catch (error) {
        failure = { error };
      }
      if (failure !== null) warnOfFailure(sessionsDir, failure.error, rest.log);
      swept[index] = { sessionsDir, result, error: failure?.error ?? null };
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, sessionsDirs.length) }, work));
  const directories = swept.filter(() => true);
  return {
    directories,
    counts: sumOf(directories),
    aborted: directories.length < sessionsDirs.length,
  };
}

const DEFAULT_CONCURRENCY = 4;

function warnOfFailure(sessionsDir: string, error: unknown, log: SweepLog | undefined): void {
  try {
    log?.warn?.(printable(`session lock sweep failed: ${sessionsDir} (${String(error)})`));
  } catch {
    // The result says so, too.
  }
}

const CHECKS: OptionChecks<SweepSessionLocksOptions> = {
  ...SWEEP_CHECKS,
  stateDir: optional(checkPath),
  sessionsDirs: optional(checkPathList),
  concurrency: optional(checkPositiveInteger),
  onDirectoryCleaned: optional(checkFunction),
  signal: optional(checkSignal),
};

function checkStartupOptions(options: SweepSessionLocksOptions): void {
  checkRequiredOptions(options, CHECKS);
  const { stateDir, sessionsDirs } = options;
  if ((stateDir === undefined) === (sessionsDirs === undefined)) {
    const found = stateDir === undefined ? "neither" : "both";
    throw typeError(
      "ERR_INVALID_ARG_VALUE",
      `exactly one of options.stateDir and options.sessionsDirs must be given, got ${found}`,
    );
  }
  // Once here, and not as the failure of every directory.
  isToRemove(options);
  const { config, staleMs, env, envPrefix } = options;
  resolveLimits(config, { staleMs, env, envPrefix });
}

/**
 * `<stateDir>/agents/<agent>/sessions` of every agent, sorted; whether they exist the sweep finds out.
 *
 * @throws the file system's error when `<stateDir>/agents` exists and cannot be listed
 */
export function listSessionsDirs(stateDir: string, fs: LockFs): readonly string[] {
  const agentsDir = `${pathPrefix(stateDir)}agents`;
  const agents: string[] = [];
  try {
    const listing = fs.list(agentsDir);
    try {
      for (let entry = listing.next(); entry !== null; entry = listing.next()) {
        if (!entry.isFile) agents.push(entry.name);
      }
    } finally {
      listing.close();
    }
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return agents.sort().map((agent) => agentsDir + sep + agent + sep + "sessions");
}

function sumOf(directories: readonly SweptDirectory[]): SweepCounts {
  const sum = { total: 0, stale: 0, removed: 0, kept: 0 };
  for (const { result } of directories) {
    if (result === null) continue;
    sum.total += result.counts.total;
    sum.stale += result.counts.stale;
    sum.removed += result.counts.removed;
    sum.kept += result.counts.kept;
  }
  return sum;
}
