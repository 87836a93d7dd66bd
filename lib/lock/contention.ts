/** One acquisition's contention with other processes: publish, or find out what is in the way and what to do. */
import { steadyMs } from "../process/machine-clock.js";
import { wallMs } from "../util/clocks.js";
import { throwIfAborted } from "../util/on-abort.js";
import { pause, type Routine, TURN, type Wait, waitFor } from "../util/routine.js";
import { warnOnStderr } from "../util/warn-line.js";
import { holderOf, orFileError } from "./failure.js";
import { describeMissingAddon, firstMissOfAddon } from "./missing-addon.js";
import { draftOf } from "./payload-draft.js";
import type { ContentionPlan } from "./plan.js";
import type { BusyGuard } from "./protocol/guard.js";
import type { LockFs } from "./protocol/lock-fs.js";
import type { Published } from "./protocol/new-lock-file.js";
import { type PublishAttempt, tryPublish } from "./protocol/publish.js";
import { holderIn, RefusalPatience, WaitBudget } from "./patience.js";
import { msUntilLimit } from "./verdict/classify.js";
import { type EvidenceSource, freshEvidence } from "./verdict/evidence.js";
import type { LockInspection } from "./verdict/inspection.js";
import {
  judgeFully,
  judgeFullyAtOnce,
  type JudgingPolicy,
  type Judgement,
} from "./verdict/judge.js";
import { OwnerArgsMemo } from "./verdict/owner-args.js";
import { readLock } from "./verdict/reading.js";
import { tryReclaim } from "./reclaim.js";
import { type FileSighting, LockWatch, sightFile, type Wake } from "./watch.js";

/** The longest time after which an unchanged lock is inspected again. */
const SAFETY_INTERVAL_MS = 1000;
/** A lock younger than this, in milliseconds, is not worth a look at its owner yet. */
const BRIEF_MS = 5;

/** The lock that is in the way: how its file looked, and then how it was judged. */
interface Seen {
  readonly sighting: FileSighting;
  readonly judgement: Judgement;
}

/** `reclaimed`: stale locks that had to be taken away for it. */
export interface Won {
  readonly lock: Published;
  readonly reclaimed: number;
  /** The last of them; null: there was none. */
  readonly removed: Judgement | null;
}

/** One try, without a look at what is in the way. */
export function tryOnce(lockPath: string, plan: ContentionPlan, fs: LockFs): PublishAttempt {
  throwIfAborted(plan.signal);
  return orFileError(lockPath, plan.face.toError, () => tryPublish(lockPath, draftOf(plan), fs));
}

export class Contention {
  readonly #lockPath: string;
  readonly #plan: ContentionPlan;
  readonly #fs: LockFs;
  readonly #budget: WaitBudget;
  /** Gathered when another process is in the way. */
  #evidenceSource: EvidenceSource | null = null;
  #watch: LockWatch | null = null;
  #reclaimed = 0;
  #removed: Judgement | null = null;
  readonly #patience = new RefusalPatience();
  /** The file that has been in the way unchanged, and since when. */
  #seen: { readonly identity: string; readonly sinceMs: number } | null = null;

  constructor(lockPath: string, plan: ContentionPlan, fs: LockFs, startedAt: number) {
    this.#lockPath = lockPath;
    this.#plan = plan;
    this.#fs = fs;
    this.#budget = new WaitBudget(lockPath, plan, fs, startedAt);
  }

  get #evidence(): EvidenceSource {
    return (this.#evidenceSource ??= freshEvidence(this.#fs));
  }

  /** @param attempt - The first try, which failed. */
  *win(attempt: PublishAttempt): Routine<Won> {
    try {
      for (let latest = attempt; ; latest = this.#tryAgain()) {
        if (latest.kind === "published") {
          return { lock: latest, reclaimed: this.#reclaimed, removed: this.#removed };
        }
        if (latest.kind === "busy") {
          yield* this.#pauseForGuard(latest);
          continue;
        }
        this.#patience.answered();
        yield* this.#dealWithHolder();
      }
    } finally {
      this.#watch?.close();
    }
  }

  /** Of many waiters that wake for one release, those that find the name taken again make no file for it. */
  #tryAgain(): PublishAttempt {
    if (this.#fs.exists(this.#lockPath)) return { kind: "contended" };
    return tryOnce(this.#lockPath, this.#plan, this.#fs);
  }

  /** Returns when publishing is worth another try. */
  *#dealWithHolder(): Routine<void> {
    let reported: Judgement | null = null;
    for (;;) {
      // The event loop gets a turn before each inspection of the owner, which may take long.
      yield* waitFor(TURN);
      throwIfAborted(this.#plan.signal);
      const sighting = yield* this.#sightSettled();
      const seen = sighting === null ? null : yield* this.#inspect(sighting);
      if (seen === null) {
        // Gone or changed between two looks: other contenders are quicker. The budget limits how often.
        this.#budget.left();
        this.#budget.tellWaiting();
        return;
      }
      const { judgement } = seen;
      const { inspection } = judgement;
      this.#budget.holder = holderIn(judgement);
      if (inspection.removable) {
        if (yield* this.#reclaim(seen)) return;
        continue;
      }
      if (isToBeReported(judgement)) {
        // Reported only when a second look finds the same content: a lock may vanish or change hands meanwhile.
        if (reported !== null && isSameContent(reported, judgement)) {
          throw this.#staleError(inspection);
        }
        reported = judgement;
        continue;
      }
      reported = null;
      if (yield* this.#waitForChange(seen)) return;
    }
  }

  /**
   * The lock that is worth a look at its owner. null: there is none, or it was only just taken and has gone or
   * changed within a few milliseconds; among many short holds most looks would be in vain.
   */
  *#sightSettled(): Routine<FileSighting | null> {
    const sighting = this.#orFileError(() => sightFile(this.#lockPath, this.#fs));
    if (sighting === null || Math.abs(wallMs() - sighting.mtimeMs) > BRIEF_MS) return sighting;
    const watch = new LockWatch(this.#lockPath, sighting, this.#fs);
    try {
      const limitMs = Math.min(BRIEF_MS, this.#budget.left());
      const wake = yield* waitFor(this.#changeOf(watch, limitMs));
      return wake === "changed" ? null : sighting;
    } finally {
      watch.close();
    }
  }

  #changeOf(watch: LockWatch, limitMs: number): Wait<Wake> {
    const { signal } = this.#plan;
    return {
      inTurns: async () => {
        try {
          return await watch.wait(limitMs, signal);
        } catch (error) {
          throwIfAborted(signal);
          throw this.#fileError(error);
        }
      },
      atOnce: () => this.#orFileError(() => watch.waitAtOnce(limitMs)),
    };
  }

  *#inspect(sighting: FileSighting): Routine<Seen | null> {
    const policy = this.#policyFor(sighting);
    const reading = readLock(this.#lockPath, this.#fs, this.#evidence);
    if (reading.kind === "absent") return null;
    const { readOwnerProcessArgs, signal } = this.#plan;
    const limits = { leftMs: () => this.#budget.rest(), signal };
    const args = new OwnerArgsMemo(readOwnerProcessArgs, this.#evidence.identity, limits);
    const by = { policy, evidence: this.#evidence, args };
    const judgement = yield* waitFor({
      inTurns: () => judgeFully(reading, by),
      atOnce: () => judgeFullyAtOnce(reading, by),
    });
    throwIfAborted(signal);
    return { sighting, judgement };
  }

  /** Where a file's times lie in the future, how long this process has seen it unchanged is all that tells its age. */
  #policyFor({ identity, mtimeMs, ctimeMs }: FileSighting): JudgingPolicy {
    // This clock stands still while the machine sleeps, and the writer cannot write then.
    const now = steadyMs();
    if (this.#seen?.identity !== identity) this.#seen = { identity, sinceMs: now };
    const { policy } = this.#plan;
    if (mtimeMs <= policy.nowMs()) return policy;
    const unchangedForMs = now - this.#seen.sinceMs;
    return { ...policy, watched: { mtimeMs, ctimeMs, unchangedForMs } };
  }

  /** True when the lock is gone, removed by this process or another. */
  *#reclaim(seen: Seen): Routine<boolean> {
    const { attempt, judgement } = this.#orFileError(() => tryReclaim(seen.judgement, this.#fs));
    if (attempt.kind !== "busy") this.#patience.answered();
    switch (attempt.kind) {
      case "removed":
        this.#reclaimed++;
        this.#removed = judgement;
        return true;
      case "changed":
        // Another lock by now, or facts that do not bear out what the first look took them for.
        return yield* this.#waitForChange(seen);
      case "busy":
        yield* this.#pauseForGuard(attempt);
        return false;
      case "no-guard": {
        const missing = firstMissOfAddon();
        if (missing !== null) warnOnStderr(describeMissingAddon(missing));
        throw this.#staleError({ ...judgement.inspection, keptReason: "no-guard" });
      }
    }
  }

  /** True when the file changed; false when it is time to look at the owner again. */
  *#waitForChange({ judgement, sighting }: Seen): Routine<boolean> {
    this.#budget.tellWaiting();
    this.#watch ??= new LockWatch(this.#lockPath, sighting, this.#fs);
    this.#watch.followOwner(judgement);
    const limit = Math.min(SAFETY_INTERVAL_MS, msUntilLimit(judgement.payload, judgement.facts));
    const limitMs = Math.min(limit, this.#budget.leftForHolder());
    const wake = yield* waitFor(this.#changeOf(this.#watch, limitMs));
    if (wake !== "time-is-up") {
      this.#watch.close();
      this.#watch = null;
    }
    return wake === "changed";
  }

  *#pauseForGuard({ error, guardPath }: BusyGuard): Routine<void> {
    const guard = { kind: "guard", guardPath, error } as const;
    this.#budget.holder = guard;
    const left = this.#budget.left(guard);
    this.#budget.tellWaiting();
    if (error === undefined) this.#patience.answered();
    // Windows: waiting does not help with a file that no process may touch.
    else if (!this.#patience.refused(steadyMs())) {
      throw this.#fileError(error);
    }
    yield* waitFor(pause(Math.min(left, 1 + Math.random() * 4)));
    throwIfAborted(this.#plan.signal);
  }

  #staleError(inspection: LockInspection): Error {
    return this.#plan.face.toError({
      kind: "stale",
      lockPath: inspection.lockPath,
      holder: holderOf(inspection),
      staleReasons: inspection.staleReasons,
      keptReason: inspection.keptReason,
    });
  }

  #fileError(cause: unknown): Error {
    return this.#plan.face.toError({ kind: "file", lockPath: this.#lockPath, cause });
  }

  #orFileError<T>(call: () => T): T {
    return orFileError(this.#lockPath, this.#plan.face.toError, call);
  }
}

/**
 * Kept although stale, in a way that waiting does not change. A file whose text is gone and that a process owns is
 * rightly held: that process ends its hold when it sees it.
 */
function isToBeReported({ inspection: { keptReason, staleReasons }, payload }: Judgement): boolean {
  return (
    (keptReason === "owner-alive" && payload !== null) ||
    keptReason === "other-view" ||
    (keptReason === "owner-unknown" && staleReasons.includes("too-old"))
  );
}

function isSameContent(a: Judgement, b: Judgement): boolean {
  return a.content !== null && b.content !== null && a.content.bytes.equals(b.content.bytes);
}
