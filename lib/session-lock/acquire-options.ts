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
import { DEFAULT_GRACE_MS, type JudgingPolicy, tolerant } from "../lock/verdict/judge.js";
import { lockPathFor, type LockRoute } from "../lock/lock-path.js";
import { isOpenClawArgv } from "./openclaw-owner.js";
import {
  type Environment,
  resolveLimits,
  type SessionWriteLockConfig,
  type SessionWriteLockLimits,
} from "./limits.js";
import { PLAIN_LOCKS, type PlainLocks } from "../lock/verdict/owner.js";
import type { ReadOwnerProcessArgs } from "../lock/verdict/owner-args.js";

/** What a waiter is told once a second. */
export interface WaitingForLock {
  /** `pid=N alive=true|false ageMs=N`, or `owner=unknown`. */
  readonly owner: string;
  /** Milliseconds since the acquire began. */
  readonly waitedMs: number;
}

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
  /** The host's configuration; `session.writeLock` is looked at. */
  readonly config?: SessionWriteLockConfig | null | undefined;
  /** Default `process.env`. */
  readonly env?: Environment | undefined;
  /** Prefix of the environment variables. Default `OPENCLAW_`. */
  readonly envPrefix?: string | undefined;
}

/** Options in the shape that acquire works with; its paths are absolute. */
export interface AcquirePlan extends SessionWriteLockLimits, LockRoute {
  /** The file to be guarded. */
  readonly sessionFile: string;
  /** What its log lines begin with; absent: the session lock's. */
  readonly logTag?: string | undefined;
  readonly allowReentrant: boolean;
  readonly signal: AbortSignal | undefined;
  readonly label: string | null;
  readonly onWait: ((waiting: WaitingForLock) => void) | undefined;
  readonly readOwnerProcessArgs: ReadOwnerProcessArgs | undefined;
  readonly policy: JudgingPolicy;
}

// A caller in a hurry cannot wait out the sweep's grace.
const SHORT_GRACE_MS = 5000;

const CHECKS: OptionChecks<AcquireSessionWriteLockOptions> = {
  sessionFile: checkPath,
  timeoutMs: optional(checkTimeout),
  staleMs: optional(checkDuration),
  maxHoldMs: optional(checkDuration),
  allowReentrant: optional(checkBoolean),
  signal: optional(checkSignal),
  label: optional(checkLabel),
  onWait: optional(checkFunction),
  isOwnerArgv: optional(checkFunction),
  readOwnerProcessArgs: optional(checkFunction),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
  // The host's own: what is in them is looked at leniently.
  config: unchecked,
  env: optional(checkObject),
  envPrefix: optional(checkString),
};

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveAcquireOptions(options: AcquireSessionWriteLockOptions): AcquirePlan {
  checkRequiredOptions(options, CHECKS);
  const limits = resolveLimits(options.config, options);
  const sessionFile = absolutePath(options.sessionFile);
  return {
    // Not `...limits`: V8 clones an object into a larger one fifty times slower than it builds one.
    timeoutMs: limits.timeoutMs,
    staleMs: limits.staleMs,
    maxHoldMs: limits.maxHoldMs,
    sessionFile,
    lockPath: lockPathFor(sessionFile),
    linkedFile: sessionFile,
    refusesDirectory: true,
    allowReentrant: options.allowReentrant ?? false,
    signal: options.signal,
    label: options.label ?? null,
    onWait: options.onWait,
    readOwnerProcessArgs: options.readOwnerProcessArgs,
    policy: acquirePolicy(limits, {
      isOwnerArgv: options.isOwnerArgv ?? isOpenClawArgv,
      plainLocks: options.plainLocks,
    }),
  };
}

// What others do at the lock takes microseconds: not to wait for a holder is not to wait for that.
const SHORTEST_BUDGET_MS = 100;

/** How long acquire may take in all where it does not wait for a holder, milliseconds. */
export function budgetOf({ timeoutMs }: Pick<AcquirePlan, "timeoutMs">): number {
  return Math.max(timeoutMs, SHORTEST_BUDGET_MS);
}

/** How contenders judge. */
export function acquirePolicy(
  { timeoutMs, staleMs }: Pick<SessionWriteLockLimits, "timeoutMs" | "staleMs">,
  {
    isOwnerArgv,
    plainLocks = "judge",
    readOther,
  }: {
    readonly isOwnerArgv: (args: readonly string[]) => boolean;
    readonly plainLocks?: PlainLocks | undefined;
    readonly readOther?: JudgingPolicy["readOther"];
  },
): JudgingPolicy {
  return {
    nowMs: Date.now,
    staleMs,
    graceMs: timeoutMs >= DEFAULT_GRACE_MS ? DEFAULT_GRACE_MS : SHORT_GRACE_MS,
    respectMaxHold: true,
    atAcquire: true,
    // Whoever contends has its turn, so nobody in this thread holds the lock.
    isHeldHere: () => false,
    isOwnerArgv: tolerant(isOwnerArgv),
    plainLocks,
    readOther,
  };
}
