/** One acquisition's struggle with other processes: publish, or find out who is in the way and what to do about it. */
import { setTimeout as delay } from "node:timers/promises";

import { steadyMs } from "../process/machine-clock.js";
import type { LockFs } from "./protocol/lock-fs.js";
import { printable } from "../util/printable.js";
import { nextTurn } from "../util/time-slice.js";
import { type AcquirePlan, budgetOf } from "../session-lock/acquire-options.js";
import { warnOnStderr } from "../util/warn-line.js";
import { ageOf, heldMsOf } from "./verdict/classify.js";
import {
  describeOwner,
  orFileError,
  SessionWriteLockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../session-lock/errors.js";
import { type EvidenceSource, freshEvidence } from "./verdict/evidence.js";
import { guardPathOf } from "./protocol/guard.js";
import type { SessionLockInspection } from "./verdict/inspection.js";
import type { JudgingPolicy, LockCase } from "./verdict/judge.js";
import { type JudgedLock, judgeLock } from "./verdict/judge-lock.js";
import { type FileSighting, LockWatch, sightFile } from "./watch.js";
import { describeMissingAddon, firstMissOfAddon } from "./missing-addon.js";
import { obstacleAt } from "./obstacle.js";
import { draftOf } from "./payload-draft.js";
import { OwnerArgsMemo } from "./verdict/owner-args.js";
import { type PublishAttempt, type Published, tryPublish } from "./protocol/publish.js";
import { readLock } from "./protocol/read-lock.js";
import { tryReclaim } from "./verdict/reclaim.js";
import { RefusalPatience } from "./refusal-patience.js";
import type { RemovalAttempt } from "./protocol/remove.js";

/** The longest time after which an unchanged lock is inspected again. */
const SAFETY_INTERVAL_MS = 1000;
const ON_WAIT_INTERVAL_MS = 1000;
/** A lock may be so young that it is not worth a look at its owner yet. */
const BRIEF_MS = 5;

/** One look at the lock that is in the way. */
interface Look extends JudgedLock {
  /** From before the look. */
  readonly sighting: FileSighting;
  /** What it was judged by. */
  readonly policy: JudgingPolicy;
}

type Busy = Extract<RemovalAttempt, { readonly kind: "busy" }>;

/** `reclaimed`: stale locks that had to be taken away for it. */
export interface Won {
  readonly lock: Published;
  readonly reclaimed: number;
}

/** One try, without looking who is in the way. */
export function tryOnce(lockPath: string, plan: AcquirePlan, fs: LockFs): PublishAttempt {
  plan.signal?.throwIfAborted();
  return orFileError(lockPath, () => tryPublish(lockPath, draftOf(plan), fs));
}

export class Contention {
  readonly #lockPath: string;
  readonly #plan: AcquirePlan;
  readonly #fs: LockFs;
  readonly #startedAt: number;
  /** Gathered when somebody is in the way. */
  #evidenceSource: EvidenceSource | null = null;
  #watch: LockWatch | null = null;
  #lastOwner = "owner=unknown";
  #reclaimed = 0;
  readonly #patience = new RefusalPatience();
  /** The file that has been in the way unchanged, and since when. */
  #seen: { readonly identity: string; readonly sinceMs: number } | null = null;
  #toldAt: number;

  constructor(lockPath: string, plan: AcquirePlan, fs: LockFs, startedAt: number) {
    this.#lockPath = lockPath;
    this.#plan = plan;
    this.#fs = fs;
    this.#startedAt = startedAt;
    this.#toldAt = startedAt;
  }

  get #evidence(): EvidenceSource {
    return (this.#evidenceSource ??= freshEvidence(this.#fs));
  }

  /** @param attempt - The first try, which failed. */
  async win(attempt: PublishAttempt): Promise<Won> {
    try {
      for (let latest = attempt; ; latest = this.#tryAgain()) {
        if (latest.kind === "published") return { lock: latest, reclaimed: this.#reclaimed };
        if (latest.kind === "busy") {
          await this.#pauseForGuard(latest);
          continue;
        }
        this.#patience.answered();
        await this.#dealWithHolder();
      }
    } finally {
      this.#watch?.close();
    }
  }

  /** Eight waiters who all wake for one release must not all make a file for it. */
  #tryAgain(): PublishAttempt {
    if (this.#fs.exists(this.#lockPath)) return { kind: "contended" };
    return tryOnce(this.#lockPath, this.#plan, this.#fs);
  }

  /** Returns when publishing is worth another try. */
  async #dealWithHolder(): Promise<void> {
    let reported: LockCase | null = null;
    for (;;) {
      // Whatever an owner's inspection costs, the event loop comes first.
      await nextTurn();
      this.#plan.signal?.throwIfAborted();
      const sighting = await this.#sightSettled();
      const judged = sighting === null ? null : await this.#inspect(sighting);
      if (judged === null) {
        // Gone or changed between two looks: others are quicker, which must not go on for ever.
        this.#left();
        this.#tellWaiting();
        return;
      }
      const { lockCase, inspection } = judged;
      this.#lastOwner = describeOwner(inspection);
      if (inspection.removable) {
        if (await this.#reclaim(judged)) return;
        continue;
      }
      if (isToBeReported(inspection)) {
        // One fresh look: what vanished or changed hands meanwhile was only passing through.
        if (reported !== null && isSameContent(reported, lockCase)) throw staleError(inspection);
        reported = lockCase;
        continue;
      }
      reported = null;
      if (await this.#waitForChange(judged)) return;
    }
  }

  /**
   * The lock that is worth a look at its owner. null: there is none, or it was only just taken and has gone or
   * changed within a few milliseconds; among many short holds most looks would be in vain.
   */
  async #sightSettled(): Promise<FileSighting | null> {
    const sighting = orFileError(this.#lockPath, () => sightFile(this.#lockPath, this.#fs));
    if (sighting === null || Math.abs(Date.now() - sighting.mtimeMs) > BRIEF_MS) return sighting;
    const watch = new LockWatch(this.#lockPath, sighting, this.#fs);
    try {
      const wake = await watch.wait(Math.min(BRIEF_MS, this.#left()), this.#plan.signal);
      return wake === "changed" ? null : sighting;
    } finally {
      watch.close();
    }
  }

  async #inspect(sighting: FileSighting): Promise<Look | null> {
    const { readOwnerProcessArgs } = this.#plan;
    const policy = this.#policyFor(sighting);
    const reading = readLock(this.#lockPath, this.#fs, this.#evidence, { isRegular: false });
    if (reading.kind === "absent") return null;
    const args = new OwnerArgsMemo(readOwnerProcessArgs, this.#evidence.identity);
    const judged = await judgeLock(this.#lockPath, reading, policy, this.#evidence, args);
    return { ...judged, sighting, policy };
  }

  /** Where a file's times lie in the future, how long this process has seen it unchanged is all that tells its age. */
  #policyFor({ identity, mtimeMs, ctimeMs }: FileSighting): JudgingPolicy {
    // On a clock that stands still while the machine sleeps: so did the writer.
    const now = steadyMs();
    if (this.#seen?.identity !== identity) this.#seen = { identity, sinceMs: now };
    const { policy } = this.#plan;
    if (mtimeMs <= policy.nowMs()) return policy;
    const unchangedForMs = now - this.#seen.sinceMs;
    return { ...policy, watched: { mtimeMs, ctimeMs, unchangedForMs } };
  }

  /** True when the lock is gone, by our hand or another's. */
  async #reclaim(look: Look): Promise<boolean> {
    const { lockCase, inspection, ownerArgs, evidence, policy } = look;
    const { attempt, inspection: latest } = orFileError(this.#lockPath, () =>
      tryReclaim(lockCase, inspection, ownerArgs, policy, evidence, this.#fs),
    );
    if (attempt.kind !== "busy") this.#patience.answered();
    switch (attempt.kind) {
      case "removed":
        this.#reclaimed++;
        return true;
      case "changed":
        // Another lock by now, or facts that do not bear out what the first look took them for.
        return await this.#waitForChange(look);
      case "busy":
        await this.#pauseForGuard(attempt);
        return false;
      case "no-guard": {
        const missing = firstMissOfAddon();
        if (missing !== null) warnOnStderr(describeMissingAddon(missing));
        throw staleError({ ...latest, keptReason: "no-guard" });
      }
    }
  }

  /** True when the file changed; false when it is time to look at the owner again. */
  async #waitForChange({ lockCase, sighting }: Look): Promise<boolean> {
    this.#tellWaiting();
    this.#watch ??= new LockWatch(this.#lockPath, sighting, this.#fs);
    this.#watch.followOwner(lockCase);
    const limit = Math.min(SAFETY_INTERVAL_MS, msUntilLimit(lockCase));
    const wake = await this.#watch.wait(Math.min(limit, this.#leftForHolder()), this.#plan.signal);
    if (wake !== "time-is-up") {
      this.#watch.close();
      this.#watch = null;
    }
    return wake === "changed";
  }

  async #pauseForGuard({ error, guardPath = guardPathOf(this.#lockPath) }: Busy): Promise<void> {
    this.#lastOwner = printable(`guard busy: ${guardPath}`);
    const left = this.#left();
    this.#tellWaiting();
    if (error === undefined) this.#patience.answered();
    // Windows: a file that no process may touch stays so.
    else if (!this.#patience.refused(steadyMs())) {
      throw new SessionWriteLockFileError(this.#lockPath, error);
    }
    await delay(Math.min(left, 1 + Math.random() * 4));
    this.#plan.signal?.throwIfAborted();
  }

  /** @throws SessionWriteLockTimeoutError when nothing is left */
  #left(): number {
    return this.#leftOf(budgetOf(this.#plan));
  }

  /** For waiting for a holder. @throws as {@link #left} */
  #leftForHolder(): number {
    return this.#leftOf(this.#plan.timeoutMs);
  }

  #leftOf(budgetMs: number): number {
    const left = budgetMs - (steadyMs() - this.#startedAt);
    if (left > 0) return left;
    const { timeoutMs } = this.#plan;
    const obstacle = obstacleAt(this.#lockPath, this.#fs);
    throw new SessionWriteLockTimeoutError(timeoutMs, this.#lastOwner, this.#lockPath, obstacle);
  }

  #tellWaiting(): void {
    const now = steadyMs();
    if (now - this.#toldAt < ON_WAIT_INTERVAL_MS) return;
    this.#toldAt = now;
    this.#plan.onWait?.({ owner: this.#lastOwner, waitedMs: now - this.#startedAt });
  }
}

/** Kept although stale, in a way that waiting does not change. */
function isToBeReported({ keptReason, staleReasons }: SessionLockInspection): boolean {
  return (
    keptReason === "owner-alive" ||
    keptReason === "other-view" ||
    (keptReason === "owner-unknown" && staleReasons.includes("too-old"))
  );
}

function isSameContent(a: LockCase, b: LockCase): boolean {
  return a.content !== null && b.content !== null && a.content.bytes.equals(b.content.bytes);
}

function staleError(inspection: SessionLockInspection): SessionWriteLockStaleError {
  const { staleReasons, lockPath, keptReason } = inspection;
  return new SessionWriteLockStaleError(
    staleReasons,
    describeOwner(inspection),
    lockPath,
    keptReason,
  );
}

/** Milliseconds until an unchanged lock's age crosses a limit; Infinity when it never does. */
function msUntilLimit({ payload, facts }: LockCase): number {
  const { nowMs, staleMs, graceMs, mtimeMs } = facts;
  const ageMs = ageOf(payload?.createdAt ?? null, nowMs);
  const ahead = [
    msLeft(staleMs, ageMs),
    msLeft(payload?.maxHoldMs ?? null, heldMsOf(payload, ageMs, facts)),
    msLeft(Math.min(staleMs, graceMs), mtimeMs === null ? null : nowMs - mtimeMs),
  ];
  // One millisecond more: limits are crossed strictly.
  return Math.min(...ahead.filter((ms) => ms >= 0)) + 1;
}

function msLeft(limitMs: number | null, ageMs: number | null): number {
  return limitMs === null || ageMs === null ? Infinity : limitMs - ageMs;
}
