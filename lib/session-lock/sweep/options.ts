/** The sweep's options: checked, with defaults, as one plan. */
import { absolutePath } from "../../util/absolute-path.js";
import { typeError } from "../../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../../util/check-options.js";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkLog,
  checkEpochMs,
  checkObject,
  checkOneOf,
  checkPath,
  checkSignal,
  checkSlice,
  checkString,
  optional,
  unchecked,
} from "../../util/check-values.js";
import { DEFAULT_SLICE_MS } from "../../util/time-slice.js";
import { realLockFs } from "../../lock/protocol/lock-fs.js";
import { isHeldHere } from "../../lock/held-locks.js";
import { askedOnce, tolerant, type ReadOwnerProcessArgs } from "../../lock/verdict/owner-args.js";
import { clockAt, DEFAULT_GRACE_MS, type JudgingPolicy } from "../../lock/verdict/judge.js";
import { isOpenClawArgv } from "../openclaw-owner.js";
import { presentInspection } from "../reasons.js";
import { type Environment, resolveLimits, type SessionWriteLockConfig } from "../limits.js";
import { PLAIN_LOCKS, type PlainLocks } from "../../lock/verdict/plain-owner.js";

/**
 * Where the sweep tells what it did; `console` fits. The result's `notices` say the same as fields. What `warn` throws
 * changes nothing but that the sweep, when it is done, rejects with it. Without a `warn` one thing is told on standard
 * error, once in a thread: that stale locks stay because the native addon is not loaded.
 */
export interface SweepLog {
  readonly warn?: ((message: string) => void) | undefined;
}

export interface SweepProgress {
  readonly checked: number;
  readonly total: number;
  readonly removed: number;
}

/** What {@link cleanStaleLockFiles} and {@link sweepSessionLocks} have in common. */
export interface SweepOptions {
  /** The host's configuration; only `session.writeLock.staleMs` matters here. */
  readonly config?: SessionWriteLockConfig | null | undefined;
  /** Default `process.env`; only `OPENCLAW_SESSION_WRITE_LOCK_STALE_MS` matters here. */
  readonly env?: Environment | undefined;
  /** Prefix of that variable. Default `OPENCLAW_`. */
  readonly envPrefix?: string | undefined;
  /** Age in milliseconds beyond which a lock is `too-old`. Default 1 800 000. */
  readonly staleMs?: number | undefined;
  /** false: a dry run, the same report and nothing touched. Default true. */
  readonly removeStale?: boolean | undefined;
  /** true: the same as `removeStale: false`. Default false. */
  readonly dryRun?: boolean | undefined;
  /** The wall clock to judge by, milliseconds since the Unix epoch. Default: now, for each lock. */
  readonly nowMs?: number | undefined;
  readonly log?: SweepLog | undefined;
  /**
   * Another way to an owner's command line; asked at most once per pid (again only after it threw).
   * Default: ask the OS.
   */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgs | undefined;
  /** Recognises an owner by its command line. Default {@link isOpenClawArgv}. */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
  /**
   * What the pid of a plain lock (one that another program wrote, without this package's keys) proves. `judge`:
   * whether its owner is gone; inside a container that is so although a neighbour container's processes cannot be
   * seen. `keep`: nothing; such a lock is reported and never removed. Default `judge`.
   */
  readonly plainLocks?: PlainLocks | undefined;
  /**
   * Called now and then during the work, and at the end. What it throws changes nothing but that the sweep, when it is
   * done, rejects with it; to end the sweep there is `signal`.
   */
  readonly onProgress?: ((progress: SweepProgress) => void) | undefined;
  /** `stale` lets the report of a huge directory stay small; the counts cover all. Default `all`. */
  readonly report?: "all" | "stale" | undefined;
  /** Milliseconds of work before the event loop gets a turn; less in a process's first slices. Default 4. */
  readonly sliceMs?: number | undefined;
}

export interface CleanStaleLockFilesOptions extends SweepOptions {
  /** A relative path is resolved at the call; the paths in the result are absolute. */
  readonly sessionsDir: string | URL;
  /** Aborting rejects with the signal's reason; what was removed before stays removed. */
  readonly signal?: AbortSignal | undefined;
}

/** Options in the shape that the sweep works with. */
export interface SweepPlan {
  /** Absolute. */
  readonly sessionsDir: string;
  readonly policy: JudgingPolicy;
  readonly removeStale: boolean;
  readonly report: "all" | "stale";
  readonly sliceMs: number;
  /** undefined: the caller has no log. */
  readonly warn: ((message: string) => void) | undefined;
  readonly readOwnerProcessArgs: ReadOwnerProcessArgs | undefined;
  readonly onProgress: ((progress: SweepProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveSweepOptions(options: CleanStaleLockFilesOptions): SweepPlan {
  checkRequiredOptions(options, CHECKS);
  const { config, env, envPrefix, staleMs, nowMs, log, isOwnerArgv = isOpenClawArgv } = options;
  return {
    sessionsDir: absolutePath(options.sessionsDir),
    policy: {
      nowMs: clockAt(nowMs),
      staleMs: resolveLimits(config, { staleMs, env, envPrefix }).staleMs,
      graceMs: DEFAULT_GRACE_MS,
      respectMaxHold: false,
      atAcquire: false,
      isHeldHere: (lockPath) => isHeldHere(lockPath, realLockFs),
      // A throw is no answer: asked again.
      isOwnerArgv: tolerant(askedOnce(isOwnerArgv)),
      plainLocks: options.plainLocks ?? "judge",
      present: presentInspection,
    },
    removeStale: isToRemove(options),
    report: options.report ?? "all",
    sliceMs: options.sliceMs ?? DEFAULT_SLICE_MS,
    warn: log?.warn === undefined ? undefined : (message) => log.warn?.(message),
    readOwnerProcessArgs: options.readOwnerProcessArgs,
    onProgress: options.onProgress,
    signal: options.signal,
  };
}

/** What the options of every sweep must be. */
export const SWEEP_CHECKS: OptionChecks<SweepOptions> = {
  // The host's own: what is in them is looked at leniently.
  config: unchecked,
  env: optional(checkObject),
  envPrefix: optional(checkString),
  staleMs: optional(checkDuration),
  removeStale: optional(checkBoolean),
  dryRun: optional(checkBoolean),
  nowMs: optional(checkEpochMs),
  log: optional(checkLog),
  readOwnerProcessArgs: optional(checkFunction),
  isOwnerArgv: optional(checkFunction),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
  onProgress: optional(checkFunction),
  report: optional(checkOneOf(["all", "stale"])),
  sliceMs: optional(checkSlice),
};

const CHECKS: OptionChecks<CleanStaleLockFilesOptions> = {
  ...SWEEP_CHECKS,
  sessionsDir: checkPath,
  signal: optional(checkSignal),
};

/** @throws TypeError when the two contradict each other */
export function isToRemove({ removeStale, dryRun }: SweepOptions): boolean {
  if (removeStale !== undefined && removeStale === dryRun) {
    const both = `${String(removeStale)} for both`;
    throw typeError(
      "ERR_INVALID_ARG_VALUE",
      `options.removeStale and options.dryRun must not contradict each other, got ${both}`,
    );
  }
  return removeStale ?? !(dryRun ?? false);
}
