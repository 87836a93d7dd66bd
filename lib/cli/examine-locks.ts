/** The doctor's examination: sweeps directories, and gathers what was found and what went wrong. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";

import type { SessionLockInspection, SweepCounts } from "../session-lock/inspection.js";
import { type SweptDirectory, sweepSessionLocks } from "../session-lock/startup-sweep.js";
import type { SweepProgress } from "../session-lock/sweep-options.js";
import { errorCode } from "../util/error-code.js";
import type { CliIo } from "./io.js";

/** What to examine: sessions directories, or the state directories of gateways. */
export interface Patients {
  readonly sessionsDirs: readonly string[];
  /** `<stateDir>/agents/<agent>/sessions` are examined. */
  readonly stateDirs: readonly string[];
}

export interface Treatment {
  readonly fix: boolean;
  /** Milliseconds; undefined: the environment's or the default. */
  readonly staleMs: number | undefined;
}

export interface LocksReport {
  readonly locks: readonly SessionLockInspection[];
  readonly counts: SweepCounts;
  /** Directories that could not be examined, and why. */
  readonly problems: readonly string[];
  /** What the sweep noticed beside locks: odd files, leftovers that it could not remove. */
  readonly notices: readonly string[];
}

/**
 * One directory after another; what cannot be examined does not keep the rest from it.
 *
 * @param onProgress - Told of each directory's locks, again and again. What it throws ends the work on that
 *   directory, as a problem of it.
 */
export async function examineLocks(
  { sessionsDirs, stateDirs }: Patients,
  { fix, staleMs }: Treatment,
  { env }: Pick<CliIo, "env">,
  onProgress: (checked: number, total: number) => void,
): Promise<LocksReport> {
  const locks: SessionLockInspection[] = [];
  const counts = { total: 0, stale: 0, removed: 0, kept: 0 };
  const problems: string[] = [];
  const notices: string[] = [];
  const treatment = {
    staleMs,
    removeStale: fix,
    env,
    // One at a time: several would take turns on one bar.
    concurrency: 1,
    onProgress: ({ checked, total }: SweepProgress) => onProgress(checked, total),
    log: {
      warn: (message: string) => {
        if (!TOLD_BY_THE_REPORT.test(message)) notices.push(message);
      },
    },
  };
  const note = ({ sessionsDir, result, error }: SweptDirectory): void => {
    if (result === null) {
      problems.push(describeProblem(sessionsDir, error));
      return;
    }
    for (const lock of result.locks) locks.push(lock);
    for (const key of ["total", "stale", "removed", "kept"] as const) {
      counts[key] += result.counts[key];
    }
  };

  for (const stateDir of distinct(stateDirs)) {
    try {
      // For a program a missing directory is one without locks; for a person it is a typing error.
      statSync(join(stateDir, "agents"));
      for (const directory of (await sweepSessionLocks({ ...treatment, stateDir })).directories) {
        note(directory);
      }
    } catch (error) {
      problems.push(describeProblem(join(stateDir, "agents"), error));
    }
  }
  for (const sessionsDir of distinct(sessionsDirs)) {
    try {
      statSync(sessionsDir);
      const sweep = await sweepSessionLocks({ ...treatment, sessionsDirs: [sessionsDir] });
      for (const directory of sweep.directories) note(directory);
    } catch (error) {
      problems.push(describeProblem(sessionsDir, error));
    }
  }
  return { locks, counts, problems, notices };
}

const TOLD_BY_THE_REPORT = /^(?:removed stale session lock|session lock sweep failed): /u;

/** The same directory twice would be counted, and fixed, twice. */
function distinct(directories: readonly string[]): string[] {
  const byPath = new Map<string, string>();
  for (const directory of directories) {
    const path = resolve(directory);
    if (!byPath.has(path)) byPath.set(path, directory);
  }
  return [...byPath.values()];
}

function describeProblem(directory: string, error: unknown): string {
  const code = errorCode(error);
  if (code === "ENOENT") return `no such directory: ${directory}`;
  return `cannot examine directory (${code ?? (error as Error).message}): ${directory}`;
}
