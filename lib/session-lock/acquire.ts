/** Acquiring: take the turn, publish, or find out who is in the way and whether that is to be respected. */
import { setTimeout as delay } from "node:timers/promises";

import { hostFacts, identifyProcess } from "../process/identity.js";
import { getProcessStartTime } from "../process/inspect.js";
import { type LockFs, realLockFs } from "../util/lock-fs.js";
import { monotonicMs } from "../util/monotonic-clock.js";
import { nextTurn } from "../util/time-slice.js";
import {
  type AcquirePlan,
  type AcquireSessionWriteLockOptions,
  resolveAcquireOptions,
} from "./acquire-options.js";
import {
  describeOwner,
  SessionWriteLockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "./errors.js";
import { type EvidenceSource, freshEvidence } from "./evidence.js";
import { guardPathOf } from "./guard.js";
import { heldLock } from "./held-locks.js";
import type { SessionLockInspection } from "./inspection.js";
import { closeCase, type LockCase, openCase } from "./judge.js";
import { lockPathFor } from "./lock-path.js";
import { LockWatch } from "./lock-watch.js";
import { type OwnerArgs, OwnerArgsMemo } from "./owner-args.js";
import { type PayloadDraft, type Published, tryPublish } from "./publish.js";
import { readLock } from "./read-lock.js";
import { tryReclaim } from "./reclaim.js";
import { waitForTurn } from "./turn.js";
import { Hold, type SessionWriteLock, warnOnStderr } from "./write-lock.js";

/**
 * Takes the write lock of a session file.
 *
 * At most one process holds it, whatever crashes. A dead owner's lock is taken over at once. A live
 * owner's is never taken for its age; only one that is past the `maxHoldMs` that it wrote itself is
 * displaced, and its next fenced step fails before a byte is written.
 *
 * @returns the lock; release it, or use `await using`.
 * @throws (rejection) SessionWriteLockTimeoutError when the budget is used up;
 *   SessionWriteLockStaleError at once when the lock is stale and must be kept;
 *   SessionWriteLockFileError when the file system refuses; the signal's reason when aborted; TypeError or
 *   RangeError for bad options.
 */
export async function acquireSessionWriteLock(
  options: AcquireSessionWriteLockOptions,
): Promise<SessionWriteLock> {
  return await acquireOn(resolveAcquireOptions(options), realLockFs);
}

/** {@link acquireSessionWriteLock} on any implementation of the file calls. */
export async function acquireOn(plan: AcquirePlan, fs: LockFs): Promise<SessionWriteLock> {
  const { signal, allowReentrant, timeoutMs } = plan;
  signal?.throwIfAborted();
  const startedAt = performance.now();
  const left = (): number => timeoutMs - (performance.now() - startedAt);
  const lockPath = orFileError(`${plan.sessionFile}.lock`, () => lockPathFor(plan.sessionFile, fs));

  for (;;) {
    const shared = allowReentrant ? heldLock(lockPath) : undefined;
    if (shared?.isHeld === true) return shared.open();
    const turn = await waitForTurn(lockPath, left(), { mayJoin: allowReentrant, signal });
    if (turn.kind === "joined") continue;
    if (turn.kind !== "turn") {
      throw new SessionWriteLockTimeoutError(timeoutMs, `pid=${process.pid} alive=true`, lockPath);
    }
    try {
      const lock = await new Contention(lockPath, plan, fs, startedAt).win();
      const { sessionFile, maxHoldMs } = plan;
      const hold = new Hold({
        lockPath,
        sessionFile,
        lock,
        maxHoldMs,
        fs,
        now: () => performance.now(),
        warn: warnOnStderr,
        onEnd: turn.handOn,
      });
      return hold.open();
    } catch (error) {
      turn.handOn();
      throw error;
    }
  }
}

/** The longest time after which an unchanged lock is inspected again. */
const SAFETY_INTERVAL_MS = 1000;
const ON_WAIT_INTERVAL_MS = 1000;

/** One acquisition's struggle with other processes. */
class Contention {
  readonly #lockPath: string;
  readonly #plan: AcquirePlan;
  readonly #fs: LockFs;
  readonly #startedAt: number;
  readonly #evidence: EvidenceSource;
  #watch: LockWatch | null = null;
  #lastOwner = "owner=unknown";
  #toldAt: number;

  constructor(lockPath: string, plan: AcquirePlan, fs: LockFs, startedAt: number) {
    this.#lockPath = lockPath;
    this.#plan = plan;
    this.#fs = fs;
    this.#startedAt = startedAt;
    this.#toldAt = startedAt;
    this.#evidence = freshEvidence(fs);
  }

  async win(): Promise<Published> {
    try {
      for (;;) {
        this.#plan.signal?.throwIfAborted();
        const attempt = orFileError(this.#lockPath, () =>
          tryPublish(this.#lockPath, draftOf(this.#plan), this.#fs),
        );
        if (attempt.kind === "published") return attempt;
        if (attempt.kind === "busy") await this.#pauseForGuard();
        else await this.#dealWithHolder();
      }
    } finally {
      this.#watch?.close();
    }
  }

  /** Returns when publishing is worth another try. */
  async #dealWithHolder(): Promise<void> {
    let reported: LockCase | null = null;
    for (;;) {
      // Whatever an owner's inspection costs, the event loop comes first.
      await nextTurn();
      this.#plan.signal?.throwIfAborted();
      const judged = await this.#inspect();
      if (judged === null) {
        // Gone between two looks: others are quicker, which must not go on for ever.
        this.#left();
        return;
      }
      const { lockCase, inspection, ownerArgs } = judged;
      this.#lastOwner = describeOwner(inspection);
      if (inspection.removable) {
        if (await this.#reclaim(lockCase, inspection, ownerArgs)) return;
        continue;
      }
      if (isToBeReported(inspection)) {
        // One fresh look: what vanished or changed hands meanwhile was only passing through.
        if (reported !== null && isSameContent(reported, lockCase)) throw staleError(inspection);
        reported = lockCase;
        continue;
      }
      reported = null;
      if (await this.#waitForChange(lockCase)) return;
    }
  }

  async #inspect(): Promise<{
    readonly lockCase: LockCase;
    readonly inspection: SessionLockInspection;
    readonly ownerArgs: OwnerArgs | null;
  } | null> {
    const { policy, readOwnerProcessArgs } = this.#plan;
    const reading = readLock(this.#lockPath, this.#fs, this.#evidence, { isRegular: false });
    if (reading.kind === "absent") return null;
    const lockCase = openCase(this.#lockPath, reading, policy, this.#evidence);
    const memo = new OwnerArgsMemo(readOwnerProcessArgs, this.#evidence.identity);
    const ownerArgs = lockCase.argsWanted === null ? null : await memo.read(lockCase.argsWanted);
    return {
      lockCase,
      inspection: closeCase(lockCase, ownerArgs?.args ?? null, policy),
      ownerArgs,
    };
  }

  /** True when the lock is gone, by our hand or another's. */
  async #reclaim(
    lockCase: LockCase,
    inspection: SessionLockInspection,
    ownerArgs: OwnerArgs | null,
  ): Promise<boolean> {
    const { attempt, inspection: latest } = orFileError(this.#lockPath, () =>
      tryReclaim(lockCase, inspection, ownerArgs, this.#plan.policy, this.#evidence, this.#fs),
    );
    switch (attempt.kind) {
      case "removed":
        return true;
      case "changed":
        // Another lock by now, or facts that do not bear out what the first look took them for.
        return await this.#waitForChange(lockCase);
      case "busy":
        await this.#pauseForGuard(attempt.error);
        return false;
      case "no-guard":
        throw staleError({ ...latest, keptReason: "no-guard" });
    }
  }

  /** True when the file changed; false when it is time to look at the owner again. */
  async #waitForChange(lockCase: LockCase): Promise<boolean> {
    this.#tellWaiting();
    this.#watch ??= new LockWatch(lockCase, this.#fs);
    const limit = Math.min(SAFETY_INTERVAL_MS, msUntilLimit(lockCase));
    const wake = await this.#watch.wait(Math.min(limit, this.#left()), this.#plan.signal);
    if (wake === "changed") {
      this.#watch.close();
      this.#watch = null;
    }
    return wake === "changed";
  }

  async #pauseForGuard(error?: Error): Promise<void> {
    this.#lastOwner = `guard busy: ${guardPathOf(this.#lockPath)}`;
    const left = this.#left();
    this.#tellWaiting();
    // Windows: a file that nobody may touch stays so.
    if (error !== undefined && performance.now() - this.#startedAt > BUSY_FILE_PATIENCE_MS) {
      throw new SessionWriteLockFileError(this.#lockPath, error);
    }
    await delay(Math.min(left, 1 + Math.random() * 4));
    this.#plan.signal?.throwIfAborted();
  }

  /** @throws SessionWriteLockTimeoutError when nothing is left */
  #left(): number {
    const { timeoutMs } = this.#plan;
    const left = timeoutMs - (performance.now() - this.#startedAt);
    if (left > 0) return left;
    throw new SessionWriteLockTimeoutError(timeoutMs, this.#lastOwner, this.#lockPath);
  }

  #tellWaiting(): void {
    const now = performance.now();
    if (now - this.#toldAt < ON_WAIT_INTERVAL_MS) return;
    this.#toldAt = now;
    this.#plan.onWait?.({ owner: this.#lastOwner, waitedMs: now - this.#startedAt });
  }
}

const BUSY_FILE_PATIENCE_MS = 2000;

/** Kept although stale, in a way that waiting does not change. */
function isToBeReported({ keptReason, staleReasons }: SessionLockInspection): boolean {
  return (
    keptReason === "owner-alive" ||
    keptReason === "other-view" ||
    (keptReason === "owner-unknown" && staleReasons.includes("too-old"))
  );
}

function isSameContent(a: LockCase, b: LockCase): boolean {
  return a.bytes !== null && b.bytes !== null && a.bytes.equals(b.bytes);
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
  const { nowMs, staleMs, graceMs, mtimeMs, monotonicNowMs } = facts;
  const created = Date.parse(payload?.createdAt ?? "");
  const heldMs =
    monotonicNowMs !== null && payload?.monotonicMs != null
      ? monotonicNowMs - payload.monotonicMs
      : nowMs - created;
  const candidates = [
    staleMs - (nowMs - created),
    (payload?.maxHoldMs ?? Number.NaN) - heldMs,
    mtimeMs === null ? Number.NaN : Math.min(staleMs, graceMs) - (nowMs - mtimeMs),
  ];
  // One millisecond more: limits are crossed strictly.
  const ahead = candidates.filter((ms) => ms >= 0).map((ms) => ms + 1);
  return Math.min(Infinity, ...ahead);
}

/** What this process writes into its locks. */
function draftOf({ maxHoldMs, label }: AcquirePlan): PayloadDraft {
  const host = hostFacts();
  return {
    pid: process.pid,
    createdAt: new Date().toISOString(),
    maxHoldMs,
    starttime: ownStartTime(),
    owner: identifyProcess(),
    monotonicMs: Math.round(monotonicMs(host.monotonicOffsetMs)),
    label,
  };
}

let startTime: number | null | undefined;

/** Our start time in the unit that other writers of the format use. */
function ownStartTime(): number | null {
  startTime ??= getProcessStartTime(process.pid);
  if (startTime === null) return null;
  const { platform, startTimeOffset } = hostFacts();
  switch (platform) {
    case "win32":
      return Math.floor(startTime / 1000);
    case "darwin":
      return Math.floor(startTime / 1_000_000);
    default:
      return Math.floor(startTime + startTimeOffset);
  }
}

function orFileError<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new SessionWriteLockFileError(path, cause);
  }
}
