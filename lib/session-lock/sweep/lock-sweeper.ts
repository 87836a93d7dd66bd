/** Judges the locks of one sweep and removes those that are removable, with what the sweep remembers. */
import type { NestedProcesses } from "../../process/nested-processes.js";
import { runtimeMs } from "../../util/clocks.js";
import { throwIfAborted } from "../../util/on-abort.js";
import { printable } from "../../util/printable.js";
import type { TimeSlice } from "../../util/time-slice.js";
import { delay } from "../../util/timers.js";
import { guardBusy } from "../../lock/failure.js";
import type { LockFs } from "../../lock/protocol/lock-fs.js";
import { type BusyGuard, canGuardByInode } from "../../lock/protocol/guard.js";
import { freshEvidence, memoisedEvidence } from "../../lock/verdict/evidence.js";
import type { KeptReason } from "../../lock/verdict/inspection.js";
import {
  afterLook,
  judge,
  type JudgeBy,
  type Judgement,
  type PresentReading,
  waitsForNestedLook,
} from "../../lock/verdict/judge.js";
import { type OwnerArgs, OwnerArgsMemo } from "../../lock/verdict/owner-args.js";
import { ProcessReferences } from "../../lock/verdict/process-references.js";
import { type LockReading, OpenLock, openLock, readLock } from "../../lock/verdict/reading.js";
import { tryReclaim } from "../../lock/reclaim.js";
import { presentInspection, type SessionLockInspection } from "../reasons.js";
import type { SweepNotices } from "./notices.js";
import type { SweepPlan } from "./options.js";

// Another process is inside a lock's guard for microseconds; longer means that it is stopped there.
const GUARD_PATIENCE_MS = 50;
// Windows: a virus scanner keeps a file for longer. For all files of one sweep together: a directory
// full of forbidden ones must not hold it up for hours.
const BUSY_FILES_PATIENCE_MS = 2000;

interface Done {
  readonly kind: "done";
  readonly inspection: SessionLockInspection;
}

/** What one try to remove a lock came to. */
type Attempt = BusyGuard | Done;

/** `waits`: the verdict depends on a look at nested pid namespaces. `absent`: there is no such file any more. */
export type Swept =
  | Done
  | { readonly kind: "waits"; readonly reading: PresentReading }
  | { readonly kind: "absent" };

const ABSENT: Swept = { kind: "absent" };
const LISTED = { isRegular: true };
// Windows keeps the name of a file that is deleted while it is open.
const KEEPS_OPEN = canGuardByInode(process.platform);

/** Each pid is asked once, for reports and for keeping locks; never for removing them. */
export class LockSweeper {
  readonly #plan: SweepPlan;
  readonly #fs: LockFs;
  readonly #slice: TimeSlice;
  readonly #by: JudgeBy;
  readonly #references = new ProcessReferences();
  readonly #notices: SweepNotices;
  #busyFilesPatienceMs = BUSY_FILES_PATIENCE_MS;

  constructor(plan: SweepPlan, fs: LockFs, slice: TimeSlice, notices: SweepNotices) {
    this.#plan = plan;
    this.#fs = fs;
    this.#slice = slice;
    this.#notices = notices;
    const fresh = freshEvidence(fs, this.#references.identity);
    this.#by = {
      policy: plan.policy,
      evidence: memoisedEvidence(fresh),
      args: new SlicedOwnerArgs(plan, fresh.identity, slice),
    };
  }

  /** Lets go of the processes that it keeps references to. */
  close(): void {
    this.#references.close();
  }

  /**
   * Judges one lock and carries the verdict out, both through one descriptor where a lock can be its own guard.
   * Synchronous, unless a command line has to be fetched or a guard is busy.
   */
  sweep(lockPath: string): Swept | Promise<Swept> {
    const { evidence } = this.#by;
    if (!KEEPS_OPEN) return this.#judge(readLock(lockPath, this.#fs, evidence, LISTED), null);
    const file = openLock(lockPath, this.#fs);
    if (!(file instanceof OpenLock)) return this.#judge(file, null);
    try {
      return this.#judge(file.read(evidence, LISTED), file);
    } finally {
      file.close();
    }
  }

  #judge(reading: LockReading, file: OpenLock | null): Swept | Promise<Swept> {
    if (reading.kind === "absent") return ABSENT;
    const judgement = judge(reading, this.#by);
    return judgement instanceof Promise
      ? judgement.then((late) => this.#settle(late, null))
      : this.#settle(judgement, file);
  }

  #settle(judgement: Judgement, file: OpenLock | null): Swept | Promise<Swept> {
    if (waitsForNestedLook(judgement)) return { kind: "waits", reading: judgement.reading };
    const inspection = this.#carryOut(judgement, file);
    return inspection instanceof Promise ? inspection.then(finished) : finished(inspection);
  }

  /**
   * Judges again, by a look that began after the locks were read, and carries the verdict out. Synchronous as
   * {@link sweep} is.
   */
  afterLook(
    nested: NestedProcesses,
  ): (reading: PresentReading) => SessionLockInspection | Promise<SessionLockInspection> {
    const by = afterLook(this.#by, nested);
    return (reading) => {
      const judgement = judge(reading, by);
      return judgement instanceof Promise
        ? judgement.then((late) => this.#carryOut(late, null))
        : this.#carryOut(judgement, null);
    };
  }

  /**
   * Removes what is removable.
   *
   * @param file - What was judged, still open; null: not any more.
   */
  #carryOut(
    judgement: Judgement,
    file: OpenLock | null,
  ): SessionLockInspection | Promise<SessionLockInspection> {
    const inspection = presentInspection(judgement.inspection);
    if (!inspection.removable) return inspection;
    if (!this.#plan.removeStale) return { ...inspection, keptReason: "dry-run" };
    const first = this.#tryRemove(judgement, file);
    return first.kind === "done" ? first.inspection : this.#removeWithPatience(judgement, first);
  }

  async #removeWithPatience(
    judgement: Judgement,
    first: BusyGuard,
  ): Promise<SessionLockInspection> {
    const started = runtimeMs();
    let waitedMs = 0;
    let latest: Attempt = first;
    while (latest.kind === "busy" && waitedMs < this.#patienceMs(latest)) {
      // Jitter: sweeps that met here must not meet again. And ever less eager: files stay busy long.
      await delay(Math.min(25, 1 + waitedMs / 16) + Math.random() * 3);
      this.#slice.restart();
      throwIfAborted(this.#plan.signal);
      latest = this.#tryRemove(judgement, null);
      waitedMs = runtimeMs() - started;
    }
    this.#busyFilesPatienceMs -= Math.max(0, waitedMs - GUARD_PATIENCE_MS);
    return latest.kind === "done" ? latest.inspection : keptBusy(judgement, latest);
  }

  #patienceMs({ error }: BusyGuard): number {
    return error === undefined
      ? GUARD_PATIENCE_MS
      : Math.max(GUARD_PATIENCE_MS, this.#busyFilesPatienceMs);
  }

  #tryRemove(judgement: Judgement, file: OpenLock | null): Attempt {
    const { lockPath } = judgement.reading;
    try {
      const { attempt, judgement: latest } = tryReclaim(judgement, this.#fs, file);
      switch (attempt.kind) {
        case "busy":
          return attempt;
        case "changed":
          return finished(kept(latest, latest.inspection.keptReason ?? "changed"));
        case "no-guard": {
          this.#notices.addUnguarded(lockPath);
          const why = `kernel locks are not available here (${attempt.code}): ${lockPath}`;
          return finished(kept(judgement, "no-guard", new Error(printable(why))));
        }
        case "removed": {
          const inspection = presentInspection(latest.inspection);
          const { staleReasons } = inspection;
          this.#notices.add({ kind: "removed-lock", path: lockPath, staleReasons });
          return finished({ ...inspection, removed: true });
        }
      }
    } catch (error) {
      return finished(kept(judgement, "error", error as Error));
    }
  }
}

/** Gives the event loop a turn after a caller's resolver, which may have worked for any time, awaited or not. */
class SlicedOwnerArgs extends OwnerArgsMemo {
  readonly #slice: TimeSlice | null;
  readonly #signal: AbortSignal | undefined;

  constructor(
    { readOwnerProcessArgs, signal }: Pick<SweepPlan, "readOwnerProcessArgs" | "signal">,
    identity: ConstructorParameters<typeof OwnerArgsMemo>[1],
    slice: TimeSlice,
  ) {
    super(readOwnerProcessArgs, identity, { signal });
    this.#signal = signal;
    this.#slice = readOwnerProcessArgs === undefined ? null : slice;
  }

  override async read(pid: number): Promise<OwnerArgs> {
    const args = await super.read(pid);
    throwIfAborted(this.#signal);
    await this.#slice?.next();
    return args;
  }
}

function finished(inspection: SessionLockInspection): Done {
  return { kind: "done", inspection };
}

function keptBusy(judgement: Judgement, { error, guardPath }: BusyGuard): SessionLockInspection {
  if (error !== undefined) return kept(judgement, "error", error);
  return kept(judgement, "guard-busy", new Error(guardBusy(guardPath)));
}

function kept(
  { inspection }: Judgement,
  keptReason: KeptReason,
  error?: Error,
): SessionLockInspection {
  const { error: _, ...rest } = presentInspection(inspection);
  return error === undefined ? { ...rest, keptReason } : { ...rest, keptReason, error };
}
