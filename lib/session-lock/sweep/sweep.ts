/** The sweep: judges every lock of one sessions directory and removes those whose owner is gone. */
import { setTimeout as delay } from "node:timers/promises";

import { hostFacts, identityOf } from "../../process/identity.js";
import { lookForNestedProcesses, type NestedProcesses } from "../../process/nested-processes.js";
import { pathPrefix } from "../../util/absolute-path.js";
import { Callbacks, type Thrown } from "./callbacks.js";
import { type LockFs, realLockFs } from "../../lock/protocol/lock-fs.js";
import { printable } from "../../util/printable.js";
import { TimeSlice } from "../../util/time-slice.js";
import { dependsOnNestedLook } from "../../lock/verdict/classify.js";
import {
  type EvidenceSource,
  freshEvidence,
  memoisedEvidence,
  withNestedLook,
} from "../../lock/verdict/evidence.js";
import { guardPathOf } from "../../lock/protocol/guard.js";
import type {
  KeptReason,
  SessionLockInspection,
  SweepCounts,
} from "../../lock/verdict/inspection.js";
import { closeCase, type LockCase, openCase } from "../../lock/verdict/judge.js";
import { removeLeftover } from "../../lock/protocol/leftovers.js";
import { listLocks } from "./list-locks.js";
import { type SweepNotice, SweepNotices } from "./notices.js";
import { type OwnerArgs, OwnerArgsMemo } from "../../lock/verdict/owner-args.js";
import { type LockReading, readLock } from "../../lock/protocol/read-lock.js";
import { tryReclaim } from "../../lock/verdict/reclaim.js";
import type { RemovalAttempt } from "../../lock/protocol/remove.js";
import { traceAsync, traces } from "../../lock/trace.js";
import { WatchedOccupants } from "../../lock/verdict/process-references.js";
import { SweepReport } from "./report.js";
import { type CleanStaleLockFilesOptions, resolveSweepOptions, type SweepPlan } from "./options.js";

export interface CleanStaleLockFilesResult {
  /** Every lock, or only the stale ones with `report: "stale"`, sorted by name. */
  readonly locks: readonly SessionLockInspection[];
  /** The removed ones: the same objects as in {@link locks}. */
  readonly cleaned: readonly SessionLockInspection[];
  readonly counts: SweepCounts;
  /** True: there is no such directory, so nothing was looked at. */
  readonly missing: boolean;
  /** What was told to the log, in that order. */
  readonly notices: readonly SweepNotice[];
}

// Another process is inside a lock's guard for microseconds; longer means that it is stopped there.
const GUARD_PATIENCE_MS = 50;
// Windows: a virus scanner keeps a file for longer. For all files of one sweep together: a directory
// full of forbidden ones must not hold it up for hours.
const BUSY_FILES_PATIENCE_MS = 2000;

// A look at all processes serves every lock that was read before it; so many are remembered for it.
const LOCKS_PER_LOOK = 4096;

type Busy = Extract<RemovalAttempt, { readonly kind: "busy" }>;

/** One lock as the sweep has judged it. */
interface JudgedLock {
  readonly reading: Exclude<LockReading, { readonly kind: "absent" }>;
  readonly lockCase: LockCase;
  readonly ownerArgs: OwnerArgs | null;
  readonly inspection: SessionLockInspection;
  /** What a removal is to be judged by: asked afresh. */
  readonly fresh: EvidenceSource;
}

/** A lock whose verdict depends on a look at nested pid namespaces. */
interface WaitingLock {
  readonly judged: JudgedLock;
  readonly settle: (inspection: SessionLockInspection) => void;
}

/**
 * Judges every session lock of one directory and removes the ones whose owner is provably gone.
 *
 * Safe beside running gateways and beside other sweeps: a lock that changes hands between the look and
 * the removal survives, and whenever it is in doubt whether the owner lives, the lock is kept and
 * reported. The event loop gets a turn at least every `sliceMs` of work.
 *
 * @returns what was found, kept and removed, and why. A directory that does not exist gives an empty
 *   result that says `missing`; one lock's I/O error is reported on that lock.
 * @throws (rejection) TypeError or RangeError for bad options; the file system's error when the
 *   directory cannot be listed (ENOTDIR, EACCES, …); the signal's reason when aborted — what was removed
 *   before has been logged; when the sweep is done, what a callback (`log`, `onProgress`) threw first.
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
  const { result, thrown } = await sweepToTheEnd(plan, fs);
  if (thrown !== null) throw thrown.error;
  return result;
}

/**
 * {@link sweepDirectory}, with its result also when a callback has thrown.
 *
 * @throws (rejection) what {@link cleanStaleLockFiles} rejects with, but for what callbacks threw
 */
export async function sweepToTheEnd(
  plan: SweepPlan,
  fs: LockFs,
): Promise<{ readonly result: CleanStaleLockFilesResult; readonly thrown: Thrown | null }> {
  const { sessionsDir, removeStale, policy } = plan;
  const callbacks = new Callbacks();
  const result = await traceAsync(
    traces.sweep,
    () => ({ sessionsDir, removeStale, staleMs: policy.staleMs }),
    () => listAndJudge(plan, fs, callbacks),
    ({ counts }) => counts,
  );
  return { result, thrown: callbacks.thrown };
}

async function listAndJudge(
  plan: SweepPlan,
  fs: LockFs,
  callbacks: Callbacks,
): Promise<CleanStaleLockFilesResult> {
  const { signal } = plan;
  signal?.throwIfAborted();
  const slice = new TimeSlice(plan.sliceMs);
  const notices = new SweepNotices(plan.warn, callbacks);
  const prefix = pathPrefix(plan.sessionsDir);
  const listed = await listLocks(plan.sessionsDir, fs, slice);
  const { locks: names, odd, leftovers, missing } = listed;
  for (const name of odd) notices.add({ kind: "odd-file", path: prefix + name });

  // A process's first sweep loads the addon, then what digests the machine's ids: milliseconds each.
  await slice.next();
  hostFacts();
  await slice.next();
  const sweep = new Sweep(plan, fs, slice, notices);
  const report = new SweepReport(plan.report);
  try {
    await judgeAll(names, sweep, report, plan, slice, callbacks);
  } finally {
    sweep.close();
  }
  if (plan.removeStale) await removeLeftovers(leftovers, plan, fs, slice, notices);
  const { locks, cleaned, counts } = report.result();
  return { locks, cleaned, counts, missing, notices: notices.all };
}

async function judgeAll(
  names: readonly string[],
  sweep: Sweep,
  report: SweepReport,
  { sessionsDir, onProgress, signal }: SweepPlan,
  slice: TimeSlice,
  callbacks: Callbacks,
): Promise<void> {
  let waiting: WaitingLock[] = [];
  const tell = (checked: number): void => {
    const { removed } = report;
    callbacks.call(() => onProgress?.({ checked, total: names.length, removed }));
  };
  const pause = async (checked: number): Promise<void> => {
    if (slice.exhausted()) {
      tell(checked);
      await slice.next();
    }
    signal?.throwIfAborted();
  };
  const settleWaiting = async (checked: number): Promise<void> => {
    if (waiting.length === 0) return;
    const nested = await lookForNestedProcesses(identityOf, slice);
    for (const { judged, settle } of waiting) {
      await pause(checked);
      settle(await sweep.judgeAfterLook(judged, nested));
    }
    waiting = [];
  };
  // Joining the same directory a million times is felt.
  const prefix = pathPrefix(sessionsDir);
  await slice.next();
  for (const [index, name] of names.entries()) {
    await pause(index);
    const answer = sweep.judge(prefix + name);
    const judged = answer instanceof Promise ? await answer : answer;
    if (judged === null) continue;
    if (sweep.waitsForLook(judged)) {
      waiting.push({ judged, settle: report.reserve() });
      if (waiting.length === LOCKS_PER_LOOK) await settleWaiting(index);
      continue;
    }
    const done = sweep.carryOut(judged);
    report.add(done instanceof Promise ? await done : done);
  }
  await settleWaiting(names.length);
  tell(names.length);
}

async function removeLeftovers(
  names: readonly string[],
  { sessionsDir, policy }: SweepPlan,
  fs: LockFs,
  slice: TimeSlice,
  notices: SweepNotices,
): Promise<void> {
  const prefix = pathPrefix(sessionsDir);
  for (const name of names) {
    if (slice.exhausted()) await slice.next();
    const path = prefix + name;
    try {
      removeLeftover(path, fs, policy.nowMs(), policy.graceMs);
    } catch (error) {
      notices.add({ kind: "leftover-kept", path, error: error as Error });
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
  readonly #notices: SweepNotices;
  #busyFilesPatienceMs = BUSY_FILES_PATIENCE_MS;

  constructor(plan: SweepPlan, fs: LockFs, slice: TimeSlice, notices: SweepNotices) {
    this.#plan = plan;
    this.#fs = fs;
    this.#slice = slice;
    this.#notices = notices;
    this.#fresh = freshEvidence(fs, this.#occupants.identity);
    this.#memo = memoisedEvidence(this.#fresh);
    this.#args = new OwnerArgsMemo(plan.readOwnerProcessArgs, this.#fresh.identity);
  }

  /** Lets go of the processes that it keeps references to. */
  close(): void {
    this.#occupants.close();
  }

  /**
   * Judges one lock. Synchronous, unless a command line has to be fetched: a promise per lock would cost more than
   * the lock. null: no such file any more.
   */
  judge(lockPath: string): JudgedLock | null | Promise<JudgedLock> {
    const reading = this.#read(lockPath);
    return reading.kind === "absent" ? null : this.#judgeReading(lockPath, reading, null);
  }

  /** Whether the verdict may be another one after a look at nested pid namespaces. */
  waitsForLook({ inspection, lockCase }: JudgedLock): boolean {
    return dependsOnNestedLook(inspection, lockCase.facts.owner);
  }

  /** Judges again, by a look that began after the lock was read, and carries the verdict out. */
  async judgeAfterLook(
    { lockCase, reading }: JudgedLock,
    nested: NestedProcesses,
  ): Promise<SessionLockInspection> {
    return await this.carryOut(await this.#judgeReading(lockCase.lockPath, reading, nested));
  }

  /** Removes what is removable. Synchronous, unless a guard is busy. */
  carryOut(judged: JudgedLock): SessionLockInspection | Promise<SessionLockInspection> {
    const { inspection } = judged;
    if (!inspection.removable) return inspection;
    if (!this.#plan.removeStale) return { ...inspection, keptReason: "dry-run" };
    const first = this.#tryRemove(judged);
    return isBusy(first) ? this.#removeWithPatience(judged, first) : first;
  }

  #read(lockPath: string): LockReading {
    try {
      return readLock(lockPath, this.#fs, this.#memo, { isRegular: true });
    } catch (cause) {
      return { kind: "unreadable", error: cause as Error };
    }
  }

  #judgeReading(
    lockPath: string,
    reading: JudgedLock["reading"],
    nested: NestedProcesses | null,
  ): JudgedLock | Promise<JudgedLock> {
    const memo = nested === null ? this.#memo : withNestedLook(this.#memo, nested);
    const fresh = nested === null ? this.#fresh : withNestedLook(this.#fresh, nested);
    const { policy } = this.#plan;
    const lockCase = openCase(lockPath, reading, policy, memo);
    const close = (ownerArgs: OwnerArgs | null): JudgedLock => {
      const inspection = closeCase(lockCase, ownerArgs?.args ?? null, policy);
      return { reading, lockCase, ownerArgs, inspection, fresh };
    };
    if (lockCase.argsWanted === null) return close(null);
    const known = this.#args.peek(lockCase.argsWanted);
    return known === undefined ? this.#fetchArgs(lockCase.argsWanted).then(close) : close(known);
  }

  async #fetchArgs(pid: number): Promise<OwnerArgs> {
    const args = await this.#args.read(pid);
    // A caller's resolver may have worked for any time, awaited or not.
    if (this.#plan.readOwnerProcessArgs !== undefined) await this.#slice.next();
    return args;
  }

  async #removeWithPatience(judged: JudgedLock, first: Busy): Promise<SessionLockInspection> {
    const { inspection } = judged;
    const started = performance.now();
    let waitedMs = 0;
    let result: SessionLockInspection | Busy = first;
    while (isBusy(result) && waitedMs < this.#patienceMs(result)) {
      // Jitter: sweeps that met here must not meet again. And ever less eager: files stay busy long.
      await delay(Math.min(25, 1 + waitedMs / 16) + Math.random() * 3);
      this.#slice.restart();
      this.#plan.signal?.throwIfAborted();
      result = this.#tryRemove(judged);
      waitedMs = performance.now() - started;
    }
    this.#busyFilesPatienceMs -= Math.max(0, waitedMs - GUARD_PATIENCE_MS);
    if (!isBusy(result)) return result;
    if (result.error !== undefined) return kept(inspection, "error", result.error);
    const { guardPath = guardPathOf(inspection.lockPath) } = result;
    return kept(inspection, "guard-busy", new Error(printable(`guard busy: ${guardPath}`)));
  }

  #patienceMs({ error }: Busy): number {
    return error === undefined
      ? GUARD_PATIENCE_MS
      : Math.max(GUARD_PATIENCE_MS, this.#busyFilesPatienceMs);
  }

  #tryRemove({ lockCase, ownerArgs, inspection, fresh }: JudgedLock): SessionLockInspection | Busy {
    const { lockPath } = lockCase;
    const { policy } = this.#plan;
    try {
      const { attempt, inspection: latest } = tryReclaim(
        lockCase,
        inspection,
        ownerArgs,
        policy,
        fresh,
        this.#fs,
      );
      switch (attempt.kind) {
        case "busy":
          return attempt;
        case "changed":
          return kept(latest, latest.keptReason ?? "changed");
        case "no-guard":
          this.#notices.addUnguarded(lockPath);
          return kept(
            inspection,
            "no-guard",
            new Error(
              printable(`kernel locks are not available here (${attempt.code}): ${lockPath}`),
            ),
          );
        case "removed":
          this.#notices.add({
            kind: "removed-lock",
            path: lockPath,
            staleReasons: latest.staleReasons,
          });
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
