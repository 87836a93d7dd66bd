/** The sweep: judges every lock of one sessions directory and removes those whose owner is gone. */
import { identityOf } from "../../process/identity.js";
import { lookForNestedProcesses } from "../../process/nested-processes.js";
import { pathPrefix } from "../../util/absolute-path.js";
import { throwIfAborted } from "../../util/on-abort.js";
import { TimeSlice } from "../../util/time-slice.js";
import { traceAsync } from "../../util/tracing.js";
import { type LockFs, realLockFs } from "../../lock/protocol/lock-fs.js";
import { removeLeftover } from "../../lock/protocol/leftovers.js";
import type { PresentReading } from "../../lock/verdict/judge.js";
import type { SessionLockInspection } from "../reasons.js";
import { sweepTrace } from "../trace.js";
import { Callbacks, type Thrown } from "./callbacks.js";
import { loadInTurns } from "./first-use.js";
import { listLocks } from "./list-locks.js";
import { LockSweeper } from "./lock-sweeper.js";
import { type SweepNotice, SweepNotices } from "./notices.js";
import { type CleanStaleLockFilesOptions, resolveSweepOptions, type SweepPlan } from "./options.js";
import { type SweepCounts, SweepReport } from "./report.js";

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
    sweepTrace(),
    () => ({ sessionsDir, removeStale, staleMs: policy.staleMs }),
    () => new DirectorySweep(plan, fs, callbacks).run(),
    ({ counts }) => counts,
  );
  return { result, thrown: callbacks.thrown };
}

// A look at all processes serves every lock that was read before it. As many as are remembered for it survive the
// garbage collector's first rounds, which copy them: with 4096 of them its pauses were twice as long.
const LOCKS_PER_LOOK = 1024;

/** A lock whose verdict depends on a look at nested pid namespaces. */
interface WaitingLock {
  readonly reading: PresentReading;
  readonly settle: (inspection: SessionLockInspection) => void;
}

/** One sweep of one directory. */
class DirectorySweep {
  readonly #plan: SweepPlan;
  readonly #prefix: string;
  readonly #fs: LockFs;
  readonly #callbacks: Callbacks;
  readonly #slice: TimeSlice;
  readonly #notices: SweepNotices;
  readonly #report: SweepReport;
  #waiting: WaitingLock[] = [];
  /** Locks that were listed. */
  #total = 0;

  constructor(plan: SweepPlan, fs: LockFs, callbacks: Callbacks) {
    this.#plan = plan;
    // Joining the same directory a million times takes time that can be measured.
    this.#prefix = pathPrefix(plan.sessionsDir);
    this.#fs = fs;
    this.#callbacks = callbacks;
    this.#slice = new TimeSlice(plan.sliceMs);
    this.#notices = new SweepNotices(plan.warn, callbacks);
    this.#report = new SweepReport(plan.report);
  }

  async run(): Promise<CleanStaleLockFilesResult> {
    const { signal, sessionsDir, removeStale } = this.#plan;
    throwIfAborted(signal);
    // Not in the caller's turn, nor in that of another directory's sweep.
    await this.#slice.next();
    throwIfAborted(signal);
    const listed = await listLocks(sessionsDir, this.#fs, this.#slice);
    for (const name of listed.odd) {
      this.#notices.add({ kind: "odd-file", path: this.#prefix + name });
    }
    for (const name of listed.undecodable) {
      this.#notices.add({ kind: "undecodable-name", path: this.#prefix + name });
    }
    await this.#slice.next();
    await loadInTurns(this.#slice);
    await this.#sweepLocks(listed.locks);
    if (removeStale) await this.#removeLeftovers(listed.leftovers);
    const { locks, cleaned, counts } = this.#report.result();
    return { locks, cleaned, counts, missing: listed.missing, notices: this.#notices.all };
  }

  async #sweepLocks(names: readonly string[]): Promise<void> {
    this.#total = names.length;
    const { signal } = this.#plan;
    const sweeper = new LockSweeper(this.#plan, this.#fs, this.#slice, this.#notices);
    try {
      await this.#slice.next();
      for (const [index, name] of names.entries()) {
        if (this.#slice.exhausted()) await this.#pause(index);
        throwIfAborted(signal);
        const answer = sweeper.sweep(this.#prefix + name);
        const swept = answer instanceof Promise ? await answer : answer;
        if (swept.kind === "done") this.#report.add(swept.inspection);
        if (swept.kind !== "waits") continue;
        this.#waiting.push({ reading: swept.reading, settle: this.#report.reserve() });
        if (this.#waiting.length === LOCKS_PER_LOOK) await this.#settleWaiting(sweeper, index);
      }
      await this.#settleWaiting(sweeper, names.length);
    } finally {
      sweeper.close();
    }
    this.#tell(names.length);
  }

  async #settleWaiting(sweeper: LockSweeper, checked: number): Promise<void> {
    if (this.#waiting.length === 0) return;
    const { signal } = this.#plan;
    const carryOut = sweeper.afterLook(await lookForNestedProcesses(identityOf, this.#slice));
    for (const { reading, settle } of this.#waiting) {
      if (this.#slice.exhausted()) await this.#pause(checked);
      throwIfAborted(signal);
      const done = carryOut(reading);
      settle(done instanceof Promise ? await done : done);
    }
    this.#waiting = [];
  }

  async #pause(checked: number): Promise<void> {
    this.#tell(checked);
    await this.#slice.next();
  }

  #tell(checked: number): void {
    const { removed } = this.#report;
    const total = this.#total;
    this.#callbacks.call(() => this.#plan.onProgress?.({ checked, total, removed }));
  }

  async #removeLeftovers(names: readonly string[]): Promise<void> {
    const { nowMs, graceMs } = this.#plan.policy;
    for (const name of names) {
      if (this.#slice.exhausted()) await this.#slice.next();
      const path = this.#prefix + name;
      try {
        removeLeftover(path, this.#fs, { nowMs: nowMs(), graceMs });
      } catch (error) {
        this.#notices.add({ kind: "leftover-kept", path, error: error as Error });
      }
    }
  }
}
