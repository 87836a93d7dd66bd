/** Acquiring: queue in this thread, win against other processes, hold. */
import { steadyMs } from "../process/machine-clock.js";
import { throwIfAborted } from "../util/on-abort.js";
import { wallMs } from "../util/clocks.js";
import { enterFreeQueue, type QueueResult, waitInQueue } from "../util/queue.js";
import { type Routine, type Wait, waitFor } from "../util/routine.js";
import { traced } from "../util/tracing.js";
import { warnOnStderr } from "../util/warn-line.js";
import { Contention, tryOnce } from "./contention.js";
import { describeHolder, type LockHolder, orFileError, UNKNOWN_HOLDER } from "./failure.js";
import {
  claimOf,
  type LeaseAbove,
  leaseTexts,
  type LockLease,
  type TakeLease,
} from "./lease-above.js";
import { heldLock, lockQueues } from "./held-locks.js";
import { Hold } from "./hold.js";
import { obstacleAt, prepareLockPath } from "./lock-path.js";
import type { AcquirePlan } from "./plan.js";
import type { LockFs } from "./protocol/lock-fs.js";
import { tellReclaimed } from "./reclaimed.js";
import { traces } from "./trace.js";

/**
 * Takes the lock that the plan names.
 *
 * @throws (rejection) the error that the plan's face makes of a failure; the signal's reason when aborted
 */
export async function acquireLock<Handle>(plan: AcquirePlan<Handle>, fs: LockFs): Promise<Handle> {
  return (await acquiring(plan, fs).inTurns()).handle;
}

/**
 * The same, stopping the thread where it has to wait; never for a lock of its own thread, which could not be released
 * meanwhile.
 *
 * @throws as {@link acquireLock} rejects
 */
export function acquireLockAtOnce<Handle>(plan: AcquirePlan<Handle>, fs: LockFs): Handle {
  return acquiring(plan, fs).atOnce().handle;
}

function acquiring<Handle>(plan: AcquirePlan<Handle>, fs: LockFs): Wait<Acquired<Handle>> {
  throwIfAborted(plan.signal);
  const startedAt = steadyMs();
  const { face, file, label, timeoutMs, staleMs, maxHoldMs } = plan;
  const lockPath = orFileError(plan.lockPath, face.toError, () => prepareLockPath(plan, fs));
  return traced(
    traces.acquire,
    () => ({ lockPath, ...face.traced(file), label, timeoutMs, staleMs, maxHoldMs }),
    () => acquireQueued(lockPath, plan, fs, startedAt),
    ({ nonce, reclaimed, lease }) => ({
      nonce,
      reclaimed,
      waitedMs: Math.round(steadyMs() - startedAt),
      lease: leaseTexts(lease),
    }),
  );
}

/** `nonce` null: another handle to a lock that this process held already. */
interface Acquired<Handle> {
  readonly handle: Handle;
  readonly nonce: string | null;
  readonly reclaimed: number;
  readonly lease: LockLease | null;
}

function* acquireQueued<Handle>(
  lockPath: string,
  plan: AcquirePlan<Handle>,
  fs: LockFs,
  startedAt: number,
): Routine<Acquired<Handle>> {
  const { face, signal, allowReentrant, timeoutMs } = plan;
  for (;;) {
    const shared = allowReentrant ? openShared(lockPath, plan) : null;
    if (shared !== null) return { ...shared, nonce: null, reclaimed: 0 };
    heldLock(lockPath)?.checkOnTime();
    const queues = lockQueues();
    const place =
      enterFreeQueue(queues, lockPath) ??
      (yield* waitFor<QueueResult>({
        inTurns: () => {
          const left = timeoutMs - (steadyMs() - startedAt);
          return waitInQueue(queues, lockPath, left, { mayJoin: allowReentrant, signal });
        },
        atOnce: () => ({ kind: "timeout" }),
      }));
    if (place.kind === "joined") continue;
    if (place.kind !== "first") {
      const obstacle = obstacleAt(lockPath, fs);
      const holder = obstacle === null ? ownHolder(lockPath) : UNKNOWN_HOLDER;
      throw face.toError({ kind: "timeout", lockPath, timeoutMs, holder, obstacle });
    }
    try {
      return yield* acquireNow(lockPath, plan, fs, { startedAt, onEnd: place.leave });
    } catch (error) {
      place.leave();
      throw error;
    }
  }
}

/** Who of this process is before a caller in the queue. */
function ownHolder(lockPath: string): LockHolder {
  const held = heldLock(lockPath);
  const heldMs = held === undefined ? null : Math.round(held.heldMs);
  const takenAt = heldMs === null ? null : new Date(wallMs() - heldMs).toISOString();
  return { kind: "own", pid: process.pid, ageMs: heldMs, takenAt };
}

/** Another handle to a lock that this thread holds; null: it holds none that is still its own. */
function openShared<Handle>(
  lockPath: string,
  { face }: AcquirePlan<Handle>,
): Pick<Acquired<Handle>, "handle" | "lease"> | null {
  const held = heldLock(lockPath);
  if (held?.isHeld !== true) return null;
  // This look ends the hold of a lock that was displaced.
  const isHeld = orFileError(lockPath, face.toError, () => held.isStillOurs());
  return isHeld ? { handle: held.open(face), lease: held.lease } : null;
}

function* acquireNow<Handle>(
  lockPath: string,
  plan: AcquirePlan<Handle>,
  fs: LockFs,
  { startedAt, onEnd }: { readonly startedAt: number; readonly onEnd: () => void },
): Routine<Acquired<Handle>> {
  if (plan.takeLease === undefined) {
    return yield* win(lockPath, plan, fs, { startedAt, onEnd, lease: null });
  }
  const lease = yield* takeLease(lockPath, plan, plan.takeLease, startedAt);
  const policy = { ...plan.policy, lease: claimOf(lease) };
  try {
    return yield* win(lockPath, { ...plan, policy }, fs, { startedAt, onEnd, lease });
  } catch (error) {
    // What it may fail with, too, ends with the lease's own time.
    yield* waitFor({ inTurns: () => lease.release().catch(() => {}), atOnce: () => {} });
    throw error;
  }
}

function* takeLease<Handle>(
  lockPath: string,
  { face, timeoutMs, signal, onWait }: AcquirePlan<Handle>,
  take: TakeLease,
  startedAt: number,
): Routine<LeaseAbove> {
  const waitedMs = (): number => Math.round(steadyMs() - startedAt);
  const answer = yield* waitFor({
    inTurns: () =>
      take({
        lockPath,
        budgetMs: Math.max(0, timeoutMs - waitedMs()),
        signal,
        tellWaiting: (holder) => {
          onWait?.({ owner: describeHolder(holder ?? UNKNOWN_HOLDER), waitedMs: waitedMs() });
        },
      }),
    atOnce: () => {
      throw new TypeError("a lease cannot be taken without waiting for its store");
    },
  });
  if (!("kind" in answer)) return answer;
  throw face.toError({ kind: "timeout", lockPath, timeoutMs, holder: answer, obstacle: null });
}

function* win<Handle>(
  lockPath: string,
  plan: AcquirePlan<Handle>,
  fs: LockFs,
  {
    startedAt,
    onEnd,
    lease,
  }: { readonly startedAt: number; readonly onEnd: () => void; readonly lease: LeaseAbove | null },
): Routine<Acquired<Handle>> {
  const { face, file, label, maxHoldMs } = plan;
  const first = tryOnce(lockPath, plan, fs);
  const { lock, reclaimed, removed } =
    first.kind === "published"
      ? { lock: first, reclaimed: 0, removed: null }
      : yield* new Contention(lockPath, plan, fs, startedAt).win(first);
  const hold = new Hold({
    lockPath,
    file,
    label,
    lock,
    maxHoldMs,
    fs,
    now: steadyMs,
    face,
    warn: warnOnStderr,
    onEnd,
    lease,
  });
  const handle = hold.open(face);
  // Lost while the lock was waited for: `lost` would tell of it a moment later.
  if (hold.loss !== null) throw face.toError(hold.loss);
  if (removed !== null) {
    yield* tellReclaimed(plan, removed, {
      inTurns: () => hold.close(face.toError),
      atOnce: () => hold.closeAtOnce(face.toError),
    });
  }
  return { handle, nonce: lock.nonce, reclaimed, lease };
}
