/** Acquiring: wait for the turn in this process, win against the others, hold. */
import { steadyMs } from "../process/machine-clock.js";
import { type LockFs, realLockFs } from "./protocol/lock-fs.js";
import { waitInQueue } from "../util/queue.js";
import { warnOnStderr } from "../util/warn-line.js";
import {
  type AcquirePlan,
  type AcquireSessionWriteLockOptions,
  resolveAcquireOptions,
} from "../session-lock/acquire-options.js";
import { Contention, tryOnce } from "./contention.js";
import { orFileError, SessionWriteLockTimeoutError } from "../session-lock/errors.js";
import { heldLock, lockQueues } from "./held-locks.js";
import { prepareLockPath } from "./lock-path.js";
import { obstacleAt } from "./obstacle.js";
import { traceAsync, traces } from "./trace.js";
import { Hold, type SessionWriteLock } from "./hold.js";

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
  plan.signal?.throwIfAborted();
  const startedAt = steadyMs();
  const { sessionFile, label, timeoutMs, staleMs, maxHoldMs } = plan;
  const lockPath = orFileError(plan.lockPath, () => prepareLockPath(plan, fs));
  const { lock } = await traceAsync(
    traces.acquire,
    () => ({ lockPath, sessionFile, label, timeoutMs, staleMs, maxHoldMs }),
    () => acquireInTurn(lockPath, plan, fs, startedAt),
    ({ nonce, reclaimed }) => ({ nonce, reclaimed, waitedMs: steadyMs() - startedAt }),
  );
  return lock;
}

/** `nonce` null: another handle to a lock that this process held already. */
interface Acquired {
  readonly lock: SessionWriteLock;
  readonly nonce: string | null;
  readonly reclaimed: number;
}

async function acquireInTurn(
  lockPath: string,
  plan: AcquirePlan,
  fs: LockFs,
  startedAt: number,
): Promise<Acquired> {
  const { sessionFile, maxHoldMs, signal, allowReentrant, timeoutMs } = plan;
  for (;;) {
    const shared = allowReentrant ? heldLock(lockPath) : undefined;
    // One that was displaced ends by this look; the next one is a lock of its own.
    if (shared?.isHeld === true && shared.isStillOurs()) {
      return { lock: shared.open(), nonce: null, reclaimed: 0 };
    }
    heldLock(lockPath)?.checkOnTime();
    const left = timeoutMs - (steadyMs() - startedAt);
    const place = await waitInQueue(lockQueues(), lockPath, left, {
      mayJoin: allowReentrant,
      signal,
    });
    if (place.kind === "joined") continue;
    if (place.kind !== "first") {
      const obstacle = obstacleAt(lockPath, fs);
      const owner = obstacle === null ? `pid=${process.pid} alive=true` : "owner=unknown";
      throw new SessionWriteLockTimeoutError(timeoutMs, owner, lockPath, obstacle);
    }
    try {
      const first = tryOnce(lockPath, plan, fs);
      const { lock, reclaimed } =
        first.kind === "published"
          ? { lock: first, reclaimed: 0 }
          : await new Contention(lockPath, plan, fs, startedAt).win(first);
      const hold = new Hold({
        lockPath,
        sessionFile,
        lock,
        maxHoldMs,
        fs,
        now: steadyMs,
        logTag: plan.logTag,
        warn: warnOnStderr,
        onEnd: place.leave,
      });
      return { lock: hold.open(), nonce: lock.nonce, reclaimed };
    } catch (error) {
      place.leave();
      throw error;
    }
  }
}
