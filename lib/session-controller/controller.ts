/** The controller of a run: the public interface of {@link ControlledRun}. */
import { ControlledRun, type RunEnvironment } from "./controlled-run.js";
import type { SessionWrite } from "./writes/fenced-write.js";
import type { SessionCleanupLock } from "./locks/acquired-lock.js";
import {
  type ControllerPlan,
  resolveControllerOptions,
  type SessionControllerOptions,
} from "./options.js";
import { realSessionFs } from "./fence/session-file.js";
import { clearTimeout, setTimeout } from "../util/node-modules.js";

/**
 * Keeps a run's writes safe while its lock is given up around a long model call or an abort.
 *
 * Everything may be called in any order, repeatedly and concurrently. Each call that waits for a release resolves
 * only after the lock was physically released, whichever call began it.
 */
export interface SessionController extends AsyncDisposable {
  /**
   * Runs one write under the lock: the one that the controller holds, or one of its own for the time of the
   * write. Calls from inside `run` (not from work that outlives it) run directly. Before the outermost `run`
   * the file is compared with what it was when the lock was given up; afterwards, also when `run` throws, it is
   * trusted as it is, and the lock is looked at once more.
   *
   * Only {@link SessionWrite.appendFenced} is safe from a lock that is lost in the middle of `run`.
   *
   * @throws (rejection) SessionTakeoverError when the session was taken over before or during `run`, or the lock is
   *   not to be had (timeout, stale) because of another holder; what `run`, `acquire` or the lock's release rejects
   *   with; the file system's error.
   */
  readonly withWriteLock: <T>(run: (write: SessionWrite) => T | Promise<T>) => Promise<T>;
  /**
   * Gives the lock up until {@link SessionController.reacquireAfterPrompt}: waits for running writes, remembers
   * what the file looks like, releases. From inside `withWriteLock` it resolves at once, and happens when that
   * ends.
   *
   * @throws (rejection) the file system's error when the file could not be looked at (the lock is released, and
   *   the next write will be refused as after a takeover); what the lock's release rejects with.
   */
  readonly releaseForPrompt: () => Promise<void>;
  /**
   * The same for an abort, which takes no longer than `settleTimeoutMs` plus the physical release: a write that
   * has not settled by then loses its lock, and the controller is marked as taken over.
   */
  readonly releaseForAbort: () => Promise<void>;
  /**
   * Takes the lock again after a prompt. Does nothing when it is held, after a takeover or `dispose`, and once
   * {@link SessionController.acquireForCleanup} was called; when that is called meanwhile, the lock goes to the
   * cleanup. From inside `withWriteLock` it resolves at once, and happens when that ends.
   *
   * @throws (rejection) SessionTakeoverError when the file was changed meanwhile, or the lock is not to be had
   *   (timeout, stale) because of another holder; what `acquire` rejects with.
   */
  readonly reacquireAfterPrompt: () => Promise<void>;
  /**
   * The lock for the end of a run: the one that is held, once no write uses it, or a new one. After a takeover,
   * also one that is found here, it is a lock that guards nothing, and is not waited for: look at
   * {@link SessionController.hasTakeover} before writing.
   *
   * @throws (rejection) SessionWriteScopeError inside `withWriteLock`; what `acquire` rejects with, except that
   *   a lock which is not to be had (timeout, stale) counts as a takeover; the file system's error.
   */
  readonly acquireForCleanup: () => Promise<SessionCleanupLock>;
  /**
   * Declares what the file is now to be this process's own work, for writes that did not go through
   * `withWriteLock`. All controllers of the process accept it.
   *
   * @throws (rejection) the file system's error.
   */
  readonly publishOwnedWrite: () => Promise<void>;
  /**
   * A timeout abort releases at once, as {@link SessionController.releaseForAbort} does, in the background; a
   * failure is logged. A manual cancel (`timeout: false`) leaves the release to the unwinding of the run.
   */
  readonly abort: (options: { readonly timeout: boolean }) => void;
  /**
   * The end: releases the lock, unless a cleanup has it, in no more time than `releaseForAbort`. Later writes
   * take a lock of their own each.
   *
   * @throws (rejection) what the lock's release rejects with.
   */
  readonly dispose: () => Promise<void>;
  /** Whether the session was taken over: then nothing may be written any more. */
  readonly hasTakeover: () => boolean;
}

const realEnvironment: RunEnvironment = {
  fs: realSessionFs,
  startTimer: (ms, fire) => {
    const timer = setTimeout(fire, ms).unref();
    return { stop: () => clearTimeout(timer), keepAlive: () => void timer.ref() };
  },
};

/**
 * Acquires the session's lock and gives the controller of a run. The session's path is resolved at the call.
 *
 * @throws (rejection) what `acquire` rejects with; TypeError or RangeError for bad options.
 */
export async function createSessionController(
  options: SessionControllerOptions,
): Promise<SessionController> {
  return await createControllerIn(resolveControllerOptions(options), realEnvironment);
}

/** {@link createSessionController} with any file system and timer. */
export async function createControllerIn(
  plan: ControllerPlan,
  environment: RunEnvironment,
): Promise<SessionController> {
  const run = new ControlledRun(plan, environment);
  await run.begin();
  return {
    withWriteLock: (write) => run.withWriteLock(write),
    releaseForPrompt: () => run.releaseForPrompt(),
    releaseForAbort: () => run.releaseForAbort(),
    reacquireAfterPrompt: () => run.reacquireAfterPrompt(),
    acquireForCleanup: () => run.acquireForCleanup(),
    publishOwnedWrite: () => run.publishOwnedWrite(),
    abort: (options) => run.abort(options),
    dispose: () => run.dispose(),
    hasTakeover: () => run.hasTakeover,
    [Symbol.asyncDispose]: () => run.dispose(),
  };
}
