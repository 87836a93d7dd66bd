/** The options of acquire: checked, with defaults, as one plan. */
import { absolutePath } from "../util/absolute-path.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkLabel,
  checkOneOf,
  checkPath,
  checkSignal,
  checkString,
  checkTimeout,
  checkObject,
  optional,
  unchecked,
} from "../util/check-values.js";
import { leaseTaker, type LockLeaseOptions } from "../lease/for-lock.js";
import { lockPathFor } from "../lock/lock-path.js";
import {
  acquirePolicy,
  type AcquirePlan,
  type ReclaimedLock,
  type WaitingForLock,
} from "../lock/plan.js";
import type { ReadOwnerProcessArgs, ReadOwnerProcessArgsSync } from "../lock/verdict/owner-args.js";
import { PLAIN_LOCKS, type PlainLocks } from "../lock/verdict/plain-owner.js";
import {
  type Environment,
  resolveLimits,
  type SessionWriteLockConfig,
  type SessionWriteLockLimits,
} from "./limits.js";
import { isOpenClawArgv } from "./openclaw-owner.js";
import { presentInspection } from "./reasons.js";
import { sessionLockFace, type SessionWriteLock } from "./write-lock.js";

export interface AcquireSessionWriteLockOptions {
  /**
   * The file to be guarded; the lock is `<sessionFile>.lock`. Need not exist. A symbolic link is followed: a file
   * and its links are one session. A relative path is resolved at the call.
   */
  readonly sessionFile: string | URL;
  /** How long to wait for a holder, milliseconds; 0: not at all; Infinity: for ever. Default 60 000. */
  readonly timeoutMs?: number | undefined;
  /**
   * Age in milliseconds beyond which a lock whose owner lives is reported as stale
   * ({@link SessionWriteLockStaleError}). It reports: a live owner's lock is never taken for it.
   * Default 1 800 000.
   */
  readonly staleMs?: number | undefined;
  /**
   * The hard limit of this hold, milliseconds: afterwards the watchdog gives the lock up and contenders may
   * take it. Default 300 000.
   */
  readonly maxHoldMs?: number | undefined;
  /** Share the lock when this thread holds it already; it ends with the last release. Default false. */
  readonly allowReentrant?: boolean | undefined;
  /** Aborting rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
  /** Text to be written into the lock file, e.g. a run id: at most 1 024 bytes as UTF-8. */
  readonly label?: string | undefined;
  /** Called once a second while waiting for another process. */
  readonly onWait?: ((waiting: WaitingForLock) => void) | undefined;
  /**
   * Called once when this acquisition took over a stale lock, with the evidence, before it resolves. What it throws the
   * acquisition rejects with, as with `onWait`; the lock is released first.
   */
  readonly onReclaimed?: ((reclaimed: ReclaimedLock) => void) | undefined;
  /** Recognises an owner by its command line. Default {@link isOpenClawArgv}. */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
  /** Another way to an owner's command line. Default: ask the OS. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgs | undefined;
  /**
   * What the pid of a plain lock (one that another program wrote, without this package's keys) proves. `judge`:
   * whether its owner is gone; inside a container that is so although a neighbour container's processes cannot be
   * seen. `keep`: nothing; such a lock is reported and never removed. Default `judge`.
   */
  readonly plainLocks?: PlainLocks | undefined;
  /**
   * A lease above the lock, for sessions that several machines share: it is taken first and given back last. The lock
   * of a machine that has lost the lease is then known to be stale, whatever its age. Default: none.
   */
  readonly lease?: LockLeaseOptions | undefined;
  /** The host's configuration; `session.writeLock` is looked at. */
  readonly config?: SessionWriteLockConfig | null | undefined;
  /** Default `process.env`. */
  readonly env?: Environment | undefined;
  /** Prefix of the environment variables. Default `OPENCLAW_`. */
  readonly envPrefix?: string | undefined;
}

const CHECKS: OptionChecks<AcquireSessionWriteLockOptions> = {
  sessionFile: checkPath,
  timeoutMs: optional(checkTimeout),
  staleMs: optional(checkDuration),
  maxHoldMs: optional(checkDuration),
  allowReentrant: optional(checkBoolean),
  signal: optional(checkSignal),
  label: optional(checkLabel),
  onWait: optional(checkFunction),
  onReclaimed: optional(checkFunction),
  isOwnerArgv: optional(checkFunction),
  readOwnerProcessArgs: optional(checkFunction),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
  lease: optional(checkObject),
  // The host's own: what is in them is looked at leniently.
  config: unchecked,
  env: optional(checkObject),
  envPrefix: optional(checkString),
};

/** The same where the thread stops for it: nothing can be told or aborted meanwhile. */
export interface AcquireSessionWriteLockSyncOptions extends Omit<
  AcquireSessionWriteLockOptions,
  "timeoutMs" | "signal" | "onWait" | "readOwnerProcessArgs" | "lease"
> {
  /** How long to stop the thread for a holder, milliseconds; Infinity: for ever. Default 0: not at all. */
  readonly timeoutMs?: number | undefined;
  /** Another way to an owner's command line. Default: ask the OS. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgsSync | undefined;
}

const { signal: _signal, onWait: _onWait, lease: _lease, ...SYNC_CHECKS } = CHECKS;

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveAcquireOptions(
  options: AcquireSessionWriteLockOptions,
): AcquirePlan<SessionWriteLock> {
  checkRequiredOptions(options, CHECKS);
  return planOf(options, resolveLimits(options.config, options));
}

/** {@link resolveAcquireOptions}; neither environment nor configuration make a thread stop. */
export function resolveAcquireSyncOptions(
  options: AcquireSessionWriteLockSyncOptions,
): AcquirePlan<SessionWriteLock> {
  checkRequiredOptions(
    options,
    SYNC_CHECKS satisfies OptionChecks<AcquireSessionWriteLockSyncOptions>,
  );
  const { timeoutMs = 0 } = options;
  return planOf(options, resolveLimits(options.config, { ...options, timeoutMs }));
}

function planOf(
  options: AcquireSessionWriteLockOptions,
  limits: SessionWriteLockLimits,
): AcquirePlan<SessionWriteLock> {
  const sessionFile = absolutePath(options.sessionFile);
  return {
    // Not `...limits`: V8 clones an object into a larger one fifty times slower than it builds one.
    timeoutMs: limits.timeoutMs,
    staleMs: limits.staleMs,
    maxHoldMs: limits.maxHoldMs,
    face: sessionLockFace,
    file: sessionFile,
    lockPath: lockPathFor(sessionFile),
    linkedFile: sessionFile,
    refusesDirectory: true,
    allowReentrant: options.allowReentrant ?? false,
    signal: options.signal,
    label: options.label ?? null,
    onWait: options.onWait,
    onReclaimed: options.onReclaimed,
    readOwnerProcessArgs: options.readOwnerProcessArgs,
    policy: acquirePolicy(limits, {
      isOwnerArgv: options.isOwnerArgv ?? isOpenClawArgv,
      plainLocks: options.plainLocks,
      present: presentInspection,
    }),
    takeLease: leaseTaker(options.lease),
  };
}
