/** The sweep: judges every lock of one sessions directory and removes those whose owner is gone. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { hostFacts } from "../process/identity.js";
import { type LockFs, realLockFs } from "../util/lock-fs.js";
import { TimeSlice } from "../util/time-slice.js";
import { type EvidenceSource, freshEvidence, memoisedEvidence } from "./evidence.js";
import type { KeptReason, SessionLockInspection, SweepCounts } from "./inspection.js";
import { closeCase, type LockCase, openCase } from "./judge.js";
import { removeLeftover } from "./leftovers.js";
import { listLocks } from "./list-locks.js";
import { type OwnerArgs, OwnerArgsMemo } from "./owner-args.js";
import { readLock } from "./read-lock.js";
import { tryReclaim } from "./reclaim.js";
import type { RemovalAttempt } from "./remove.js";
import { traceAsync, traces } from "./tracing.js";
import { WatchedOccupants } from "./watched-occupants.js";
import {
  type CleanStaleLockFilesOptions,
  resolveSweepOptions,
  type SweepPlan,
} from "./sweep-options.js";

export interface CleanStaleLockFilesResult {
  /** Every lock, or only the stale ones with `report: "stale"`, sorted by name. */
  readonly locks: readonly SessionLockInspection[];
  /** The removed ones: the same objects as in {@link locks}. */
  readonly cleaned: readonly SessionLockInspection[];
  readonly counts: SweepCounts;
}

// Another process is inside a lock's guard for microseconds; longer means that it is stopped there.
const GUARD_PATIENCE_MS = 50;
// Windows: a virus scanner keeps a file for longer. For all files of one sweep together: a directory
// full of forbidden ones must not hold it up for hours.
const BUSY_FILES_PATIENCE_MS = 2000;

type Busy = Extract<RemovalAttempt, { readonly kind: "busy" }>;

/**
 * Judges every session lock of one directory and removes the ones whose owner is provably gone.
 *
 * Safe beside running gateways and beside other sweeps: a lock that changes hands between the look and
 * the removal survives, and whenever it is in doubt whether the owner lives, the lock is kept and
 * reported. The event loop gets a turn at least every `sliceMs` of work.
 *
 * @returns what was found, kept and removed, and why. A directory that does not exist gives an empty
 *   result; one lock's I/O error is reported on that lock.
 * @throws (rejection) TypeError or RangeError for bad options; the file system's error when the
 *   directory cannot be listed (ENOTDIR, EACCES, …); the signal's reason when aborted — what was removed
 *   before has been logged.
 */
export async function cleanStaleLockFiles(
  options: CleanStaleLockFilesOptions,
): Promise<CleanStaleLockFilesResult> {
  return await sweepDirectory(resolveSweepOptions(options), realLockFs);
}

/** {@link cleanStaleLockFiles} on any implementation of the file calls. */
export async function sweepDirectory(
  plan: SweepPlan,
  fs: LockFs,
): Promise<CleanStaleLockFilesResult> {
  const { sessionsDir, removeStale, policy } = plan;
  return await traceAsync(
    traces.sweep,
    () => ({ sessionsDir, removeStale, staleMs: policy.staleMs }),
    () => listAndJudge(plan, fs),
    ({ counts }) => counts,
  );
}

async function listAndJudge(plan: SweepPlan, fs: LockFs): Promise<CleanStaleLockFilesResult> {
  const { signal } = plan;
  signal?.throwIfAborted();
  const slice = new TimeSlice(plan.sliceMs);
  const { locks: names, odd, leftovers } = await listLocks(plan.sessionsDir, fs, slice);
  for (const name of odd) plan.warn(`skipped, not a regular file: ${join(plan.sessionsDir, name)}`);

  // A process's first sweep loads the addon, then what digests the machine's ids: milliseconds each.
  await slice.next();
  hostFacts();
  await slice.next();
  const sweep = new Sweep(plan, fs, slice);
  let result: CleanStaleLockFilesResult;
  try {
    result = await judgeAll(names, sweep, plan, slice);
  } finally {
    sweep.close();
  }
  if (plan.removeStale) await removeLeftovers(leftovers, plan, fs, slice);
  return result;
}

async function judgeAll(
  names: readonly string[],
  sweep: Sweep,
  { sessionsDir, report, onProgress, signal }: SweepPlan,
  slice: TimeSlice,
): Promise<CleanStaleLockFilesResult> {
  const locks: SessionLockInspection[] = [];
  const cleaned: SessionLockInspection[] = [];
  let stale = 0;
  let total = 0;
  const tell = (checked: number): void => {
    onProgress?.({ checked, total: names.length, removed: cleaned.length });
  };
  // What `join` puts before each name: normalising one directory a million times is felt.
  const prefix = join(sessionsDir, "_").slice(0, -1);
  await slice.next();
  for (const [index, name] of names.entries()) {
    if (slice.exhausted()) {
      tell(index);
      await slice.next();
    }
    signal?.throwIfAborted();
    const judged = sweep.judge(prefix + name);
    const inspection = judged instanceof Promise ? await judged : judged;
    if (inspection === null) continue;
    total++;
    if (inspection.stale) stale++;
    if (inspection.removed) cleaned.push(inspection);
    if (inspection.stale || report === "all") locks.push(inspection);
  }
  tell(names.length);
  const removed = cleaned.length;
  return { locks, cleaned, counts: { total, stale, removed, kept: total - removed } };
}

async function removeLeftovers(
  names: readonly string[],
  { sessionsDir, policy, warn }: SweepPlan,
  fs: LockFs,
  slice: TimeSlice,
): Promise<void> {
  for (const name of names) {
    if (slice.exhausted()) await slice.next();
    const path = join(sessionsDir, name);
    try {
      removeLeftover(path, fs, policy.nowMs(), policy.graceMs);
    } catch (error) {
      warn(`cannot remove leftover: ${path} (${(error as Error).message})`);
    }
  }
}

/** One sweep's memory: each pid asked once, for reports and for keeping; never for removing. */
class Sweep {
  readonly #plan: SweepPlan;
  readonly #fs: LockFs;
  readonly #slice: TimeSlice;
  readonly #fresh: EvidenceSource;
  readonly #memo: EvidenceSource;
  readonly #args: OwnerArgsMemo;
  readonly #occupants = new WatchedOccupants();
  #busyFilesPatienceMs = BUSY_FILES_PATIENCE_MS;

  constructor(plan: SweepPlan, fs: LockFs, slice: TimeSlice) {
    this.#plan = plan;
    this.#fs = fs;
    this.#slice = slice;
    this.#fresh = freshEvidence(fs, this.#occupants.identity);
    this.#memo = memoisedEvidence(this.#fresh);
    this.#args = new OwnerArgsMemo(plan.readOwnerProcessArgs, this.#fresh.identity);
  }

  /** Lets go of the processes that it keeps references to. */
  close(): void {
    this.#occupants.close();
  }

  /**
   * Judges one lock and carries the verdict out. Synchronous, unless a command line has to be fetched or a
   * guard is busy: a promise per lock would cost more than the lock. null: no such file any more.
   */
  judge(lockPath: string): SessionLockInspection | null | Promise<SessionLockInspection | null> {
    const lockCase = this.#openCase(lockPath);
    if (lockCase === null) return null;
    if (lockCase.argsWanted === null) return this.#decide(lockCase, null);
    const known = this.#args.peek(lockCase.argsWanted);
    if (known !== undefined) return this.#decide(lockCase, known);
    return this.#fetchArgs(lockCase.argsWanted).then((args) => this.#decide(lockCase, args));
  }

  #openCase(lockPath: string): LockCase | null {
    const { policy } = this.#plan;
    try {
      const reading = readLock(lockPath, this.#fs, this.#memo, { isRegular: true });
      return reading.kind === "absent" ? null : openCase(lockPath, reading, policy, this.#memo);
    } catch (cause) {
      const unreadable = { kind: "unreadable", error: cause as Error } as const;
      return openCase(lockPath, unreadable, policy, this.#memo);
    }
  }

  async #fetchArgs(pid: number): Promise<OwnerArgs> {
    const args = await this.#args.read(pid);
    // A caller's resolver may have worked for any time, awaited or not.
    if (this.#plan.readOwnerProcessArgs !== undefined) await this.#slice.next();
    return args;
  }

  #decide(
    lockCase: LockCase,
    ownerArgs: OwnerArgs | null,
  ): SessionLockInspection | Promise<SessionLockInspection> {
    const { policy, removeStale } = this.#plan;
    const inspection = closeCase(lockCase, ownerArgs?.args ?? null, policy);
    if (!inspection.removable) return inspection;
    if (!removeStale) return { ...inspection, keptReason: "dry-run" };
    return this.#remove(lockCase, ownerArgs, inspection);
  }

  #remove(
    lockCase: LockCase,
    ownerArgs: OwnerArgs | null,
    inspection: SessionLockInspection,
  ): SessionLockInspection | Promise<SessionLockInspection> {
    const first = this.#tryRemove(lockCase, ownerArgs, inspection);
    return isBusy(first) ? this.#removeWithPatience(lockCase, ownerArgs, inspection, first) : first;
  }

  async #removeWithPatience(
    lockCase: LockCase,
    ownerArgs: OwnerArgs | null,
    inspection: SessionLockInspection,
    first: Busy,
  ): Promise<SessionLockInspection> {
    const started = performance.now();
    let waitedMs = 0;
    let result: SessionLockInspection | Busy = first;
    while (isBusy(result) && waitedMs < this.#patienceMs(result)) {
      // Jitter: sweeps that met here must not meet again. And ever less eager: files stay busy long.
      await delay(Math.min(25, 1 + waitedMs / 16) + Math.random() * 3);
      this.#slice.restart();
      this.#plan.signal?.throwIfAborted();
      result = this.#tryRemove(lockCase, ownerArgs, inspection);
      waitedMs = performance.now() - started;
    }
    this.#busyFilesPatienceMs -= Math.max(0, waitedMs - GUARD_PATIENCE_MS);
    if (!isBusy(result)) return result;
    return result.error === undefined
      ? kept(inspection, "guard-busy")
      : kept(inspection, "error", result.error);
  }

  #patienceMs({ error }: Busy): number {
    return error === undefined
      ? GUARD_PATIENCE_MS
      : Math.max(GUARD_PATIENCE_MS, this.#busyFilesPatienceMs);
  }

  #tryRemove(
    lockCase: LockCase,
    ownerArgs: OwnerArgs | null,
    inspection: SessionLockInspection,
  ): SessionLockInspection | Busy {
    const { lockPath } = lockCase;
    const { policy } = this.#plan;
    try {
      const { attempt, inspection: latest } = tryReclaim(
        lockCase,
        inspection,
        ownerArgs,
        policy,
        this.#fresh,
        this.#fs,
      );
      switch (attempt.kind) {
        case "busy":
          return attempt;
        case "changed":
          return kept(latest, latest.keptReason ?? "changed");
        case "no-guard":
          return kept(
            inspection,
            "no-guard",
            new Error(`kernel locks are not available here (${attempt.code}): ${lockPath}`),
          );
        case "removed":
          this.#plan.warn(
            `removed stale session lock: ${lockPath} (${latest.staleReasons.join(", ")})`,
          );
          return { ...latest, removed: true };
      }
    } catch (error) {
      return kept(inspection, "error", error as Error);
    }
  }
}

function isBusy(result: SessionLockInspection | Busy): result is Busy {
  return "kind" in result;
}

function kept(
  inspection: SessionLockInspection,
  keptReason: KeptReason,
  error?: Error,
): SessionLockInspection {
  const { error: _, ...rest } = inspection;
  return error === undefined ? { ...rest, keptReason } : { ...rest, keptReason, error };
}
