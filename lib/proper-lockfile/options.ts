/** The options of proper-lockfile: checked, with that package's defaults. */
import { absolutePath } from "../util/absolute-path.js";
import { outOfRange, wrongType } from "../util/argument-error.js";
import { checkArgument, checkOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkFunction,
  checkNumber,
  checkPath,
  checkTimeout,
  type Check,
  nullable,
  optional,
} from "../util/check-values.js";
import { fs as nodeFs } from "../util/node-modules.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";

/** How often and when to try again: the options of the package `retry`. */
export interface RetryOptions {
  /** How many times. Default 10. */
  readonly retries?: number | undefined;
  /** The last delay again and again once they are used up. Default false. */
  readonly forever?: boolean | undefined;
  /** Accepted; the process stays alive while it waits. */
  readonly unref?: boolean | undefined;
  /** No more attempts after so many milliseconds. Default Infinity. */
  readonly maxRetryTime?: number | undefined;
  /** What each delay is multiplied with for the next. Default 2. */
  readonly factor?: number | undefined;
  /** The first delay, milliseconds. Default 1000. */
  readonly minTimeout?: number | undefined;
  /** The longest delay, milliseconds. Default Infinity. */
  readonly maxTimeout?: number | undefined;
  /** Multiplies each delay with 1 to 2. Default false. */
  readonly randomize?: boolean | undefined;
}

/** What {@link unlock} takes. */
export interface UnlockOptions {
  /** Accepted when it is Node's, or graceful-fs; another one is refused. */
  readonly fs?: object | undefined;
  /** Resolve symbolic links; the file must exist then. Default true. */
  readonly realpath?: boolean | undefined;
  /** The lock's own path. Default `<file>.lock`. */
  readonly lockfilePath?: string | undefined;
}

/** What {@link check} takes. */
export interface CheckOptions extends UnlockOptions {
  /**
   * After so many milliseconds without a sign of life the *directory* of another program's proper-lockfile counts for
   * nothing; at least 2000. A lock of this package lives as long as its holder does. Default 10 000.
   */
  readonly stale?: number | undefined;
}

/** What {@link lock} takes. */
export interface LockOptions extends CheckOptions {
  /** How often is looked whether the lock is still this one, milliseconds; 1000 to `stale / 2`. Default `stale / 2`. */
  readonly update?: number | undefined;
  /** How often a lock that is held is tried again. Default 0. */
  readonly retries?: number | RetryOptions | undefined;
  /** Called once when the lock is lost; without it that is an uncaught exception. */
  readonly onCompromised?: ((error: Error) => unknown) | undefined;
}

/** A number of times, or the options of the package `retry`. */
function checkRetries(field: string, value: unknown): void {
  if (typeof value === "object" && value !== null) checkOptions(value, RETRY_CHECKS, field);
  else checkAttempts(field, value);
}

// All delays are made and sorted before the first attempt.
const MOST_RETRIES = 100_000;

function checkAttempts(field: string, value: unknown): void {
  if (value === Infinity) return;
  const expected = `an integer from 0 to ${String(MOST_RETRIES)}, or Infinity`;
  if (typeof value !== "number") throw wrongType(field, expected, value);
  if (!Number.isInteger(value) || value < 0 || value > MOST_RETRIES) {
    throw outOfRange(field, expected, value);
  }
}

function checkFactor(field: string, value: unknown): void {
  checkNumber(field, value);
  if (!((value as number) > 0)) throw outOfRange(field, "a number above 0", value);
}

const RETRY_CHECKS: OptionChecks<RetryOptions> = {
  retries: optional(checkAttempts),
  forever: optional(checkBoolean),
  unref: optional(checkBoolean),
  maxRetryTime: optional(checkTimeout),
  factor: optional(checkFactor),
  minTimeout: optional(checkTimeout),
  maxTimeout: optional(checkTimeout),
  randomize: optional(checkBoolean),
};

/** Locks are files of the machine: what is asked of a file system in memory would say nothing about them. */
function checkFileSystem(field: string, value: unknown): void {
  if (
    value === nodeFs ||
    typeof (value as { gracefulify?: unknown } | null)?.gracefulify === "function"
  ) {
    return;
  }
  const isNode = (value as { realpathSync?: unknown } | null)?.realpathSync === nodeFs.realpathSync;
  if (!isNode) throw wrongType(field, "node:fs or graceful-fs: locks are real files here", value);
}

/** null, too, is that package's way to say "default". */
function orNull(check: Check): Check {
  return optional(nullable(check));
}

// Callers hand the same object to all functions.
const CHECKS: OptionChecks<LockOptions> = {
  fs: orNull(checkFileSystem),
  realpath: orNull(checkBoolean),
  lockfilePath: orNull(checkPath),
  stale: orNull(checkTimeout),
  update: orNull(checkTimeout),
  retries: orNull(checkRetries),
  onCompromised: orNull(checkFunction),
};

/** Which lock. */
export interface Target {
  /** The guarded file, absolute, by its real path unless that was not wanted. */
  readonly file: string;
  readonly lockPath: string;
}

const SHORTEST_STALE_MS = 2000;
const DEFAULT_STALE_MS = 10_000;
const SHORTEST_UPDATE_MS = 1000;

/**
 * @throws TypeError or RangeError that names the option; the file system's error where the real path is not to be had
 */
export function targetOf(file: unknown, options: LockOptions | undefined): Target {
  checkArgument("file", file, checkPath);
  checkOptions(options, CHECKS);
  const given = absolutePath(file as string | URL);
  const path = (options?.realpath ?? true) ? realLockFs.realpath(given) : given;
  const lockPath = options?.lockfilePath ?? null;
  return { file: path, lockPath: lockPath === null ? `${path}.lock` : absolutePath(lockPath) };
}

/** Milliseconds. */
export function staleMsOf(options: CheckOptions | undefined): number {
  return Math.max(options?.stale ?? DEFAULT_STALE_MS, SHORTEST_STALE_MS);
}

/** Milliseconds. */
export function updateMsOf(options: LockOptions | undefined): number {
  const longest = staleMsOf(options) / 2;
  return Math.max(Math.min(options?.update ?? longest, longest), SHORTEST_UPDATE_MS);
}
