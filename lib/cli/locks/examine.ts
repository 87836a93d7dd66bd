/** Sweeps the directories that `pidentity locks` was given; gathers what was found and what went wrong. */
import { statSync } from "node:fs";
import { isAbsolute, join } from "node:path";

import type { SessionLockInspection } from "../../session-lock/reasons.js";
import type { SweepCounts } from "../../session-lock/sweep/report.js";
import { describeNotice } from "../../session-lock/sweep/notices.js";
import { ownerRecogniser } from "../../session-lock/openclaw-owner.js";
import { listSessionsDirs } from "../../session-lock/sweep/startup-sweep.js";
import {
  cleanStaleLockFiles,
  type CleanStaleLockFilesResult,
} from "../../session-lock/sweep/sweep.js";
import type { SweepOptions, SweepProgress } from "../../session-lock/sweep/options.js";
import { absolutePath, pathPrefix, tidyPath } from "../../util/absolute-path.js";
import { errorCode } from "../../util/error-code.js";
import { realLockFs } from "../../lock/protocol/lock-fs.js";
import { printable } from "../../util/printable.js";
import type { CliIo } from "../terminal/io.js";
import { hintAtLocksBelow } from "./below.js";
import type { JudgementOptions } from "./judgement-options.js";

/** Where to look for locks: sessions directories, or the state directories of gateways. */
export interface LockDirectories {
  readonly sessionsDirs: readonly string[];
  /** `<stateDir>/agents/<agent>/sessions` are examined. */
  readonly stateDirs: readonly string[];
}

/** What the command's options say about the sweep. */
export interface SweepRequest extends JudgementOptions {
  /** Remove what is proven abandoned. */
  readonly fix: boolean;
}

export interface LocksReport {
  readonly locks: readonly SessionLockInspection[];
  readonly counts: SweepCounts;
  /** Directories and locks that could not be examined, and why. */
  readonly problems: readonly string[];
  /** What the sweep noticed beside locks: odd files, leftovers that it could not remove. */
  readonly notices: readonly string[];
}

export interface ExamineOptions extends Pick<CliIo, "env"> {
  /** Called during the sweep of each directory with the locks of that directory. */
  readonly onProgress?: (checked: number, total: number) => void;
  /** Aborting ends the work; what was found by then is returned. */
  readonly signal?: AbortSignal;
}

/** Whether this process can remove locks of other processes: without the addon only Windows has a guard (delete-on-close). */
export function canRemove(): boolean {
  return process.platform === "win32" || realLockFs.canLock();
}

/**
 * Sweeps one directory after another; one that cannot be examined becomes a problem of the report.
 */
export async function examineLocks(
  { sessionsDirs, stateDirs }: LockDirectories,
  { fix, staleMs, ownerNames, plainLocks }: SweepRequest,
  { env, onProgress, signal }: ExamineOptions,
): Promise<LocksReport> {
  const examination = new Examination(signal, {
    staleMs,
    removeStale: fix,
    env,
    plainLocks,
    isOwnerArgv: ownerNames.length === 0 ? undefined : ownerRecogniser(ownerNames),
    onProgress: ({ checked, total }: SweepProgress) => onProgress?.(checked, total),
    // The report has the sweep's notices; without a log the one about the addon would go to standard error as well.
    log: { warn: () => {} },
  });
  for (const given of distinct(stateDirs)) {
    const agents = below(given, "agents");
    try {
      // The sweep takes a missing directory for one without locks; a user has probably mistyped it.
      statSync(agents.path);
      for (const path of listSessionsDirs(absolutePath(given), realLockFs)) {
        await examination.examine({ path, shown: shownAs(given, path) });
      }
    } catch (error) {
      examination.noteProblem(agents.shown, error);
    }
  }
  for (const given of distinct(sessionsDirs)) {
    const path = absolutePath(given);
    try {
      statSync(path);
      const before = examination.counts.total;
      await examination.examine({ path, shown: given });
      if (examination.counts.total === before) examination.note(hintAtLocksBelow(given));
    } catch (error) {
      examination.noteProblem(given, error);
    }
  }
  return examination;
}

/** A directory, and its path as it is shown: as the user has given it. */
interface ShownDirectory {
  readonly path: string;
  readonly shown: string;
}

/** Collects the sweeps of several directories in one report. */
class Examination implements LocksReport {
  readonly locks: SessionLockInspection[] = [];
  readonly counts = { total: 0, stale: 0, removed: 0, kept: 0 };
  readonly problems: string[] = [];
  readonly notices: string[] = [];
  readonly #signal: AbortSignal | undefined;
  readonly #options: SweepOptions;

  constructor(signal: AbortSignal | undefined, options: SweepOptions) {
    this.#signal = signal;
    this.#options = options;
  }

  /** Does not reject: an error is noted as a problem. */
  async examine(directory: ShownDirectory): Promise<void> {
    if (this.#isAborted()) return;
    try {
      const options = { ...this.#options, sessionsDir: directory.path, signal: this.#signal };
      this.#add(directory, await cleanStaleLockFiles(options));
    } catch (error) {
      if (!this.#isAborted()) this.noteProblem(directory.shown, error);
    }
  }

  #isAborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  #add({ path, shown }: ShownDirectory, result: CleanStaleLockFilesResult): void {
    const prefix = pathPrefix(path);
    const shownPath = (of: string): string =>
      path === shown ? of : join(shown, of.slice(prefix.length));
    for (const lock of result.locks) {
      const lockPath = shownPath(lock.lockPath);
      this.locks.push(lockPath === lock.lockPath ? lock : { ...lock, lockPath });
    }
    for (const key of ["total", "stale", "removed", "kept"] as const) {
      this.counts[key] += result.counts[key];
    }
    for (const notice of result.notices) {
      // The locks themselves say that they were removed.
      if (notice.kind === "removed-lock") continue;
      // A lock that was not looked at must not pass for one that is well.
      const to = notice.kind === "undecodable-name" ? this.problems : this.notices;
      to.push(describeNotice({ ...notice, path: shownPath(notice.path) }));
    }
  }

  note(notice: string | null): void {
    if (notice !== null && !this.#isAborted()) this.notices.push(notice);
  }

  noteProblem(directory: string, error: unknown): void {
    const code = errorCode(error);
    this.problems.push(
      printable(
        code === "ENOENT"
          ? `no such directory: ${directory}`
          : `cannot examine directory (${code ?? (error as Error).message}): ${directory}`,
      ),
    );
  }
}

function below(directory: string, name: string): ShownDirectory {
  const path = pathPrefix(absolutePath(directory)) + name;
  return { path, shown: shownAs(directory, path) };
}

/** `path`, which lies below the directory that the user has given, in the form in which it was given. */
function shownAs(given: string, path: string): string {
  const absolute = absolutePath(given);
  return isAbsolute(given) ? path : join(given, path.slice(pathPrefix(absolute).length));
}

/** The same directory twice would be counted, and fixed, twice. */
function distinct(directories: readonly string[]): string[] {
  const byPath = new Map<string, string>();
  for (const directory of directories) {
    const path = realPath(absolutePath(directory));
    if (!byPath.has(path)) byPath.set(path, directory);
  }
  return [...byPath.values()];
}

function realPath(path: string): string {
  try {
    return realLockFs.realpath(path);
  } catch {
    return tidyPath(path);
  }
}
