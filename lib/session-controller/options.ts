/** The controller's options: checked, with defaults, as one plan. */
import { absolutePath } from "../util/absolute-path.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkDuration,
  checkFunction,
  checkLabel,
  checkLog,
  checkObject,
  checkOneOf,
  checkPath,
  checkString,
  checkTimeout,
  optional,
} from "../util/check-values.js";
import { type Environment, positiveInteger, variableIn } from "../util/environment.js";
import { LONGEST_TIMER_MS } from "../util/timers.js";
import { type WarnLine, warnOnStderr } from "../util/warn-line.js";
import type { LockLeaseOptions } from "../lease/for-lock.js";
import type { IsBenignChange } from "./fence/fence.js";
import type { ControlledLock } from "./locks/acquired-lock.js";

/**
 * What `acquire` is called with: the first four keys, as they were given, but for the path, which is absolute; of the
 * others those that were given.
 */
export interface ControllerLockOptions {
  /** Absolute. */
  readonly sessionFile: string;
  /** How long to wait for the lock, milliseconds. Default: the lock's. */
  readonly timeoutMs?: number | undefined;
  /** The age in milliseconds beyond which a live owner's lock is reported. Default: the lock's. */
  readonly staleMs?: number | undefined;
  /** The hard limit of a hold, milliseconds. Default: the lock's. */
  readonly maxHoldMs?: number | undefined;
  /** Text to be written into the lock file, e.g. a run id: at most 1 024 bytes as UTF-8. */
  readonly label?: string | undefined;
  /** Recognises an owner by its command line. Default: the lock's. */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
  /** What the pid of another program's lock proves: whether its owner is gone, or nothing. Default: the lock's. */
  readonly plainLocks?: "judge" | "keep" | undefined;
  /**
   * A lease above the lock, for sessions that several machines share: it is taken and given up with the lock. Once it is
   * lost, this run may write no more. Default: none.
   */
  readonly lease?: LockLeaseOptions | undefined;
  /** Prefix of the environment variables in which the lock's limits are looked up. Default: the lock's. */
  readonly envPrefix?: string | undefined;
}

/** Acquires the session's lock; `acquireSessionWriteLock` fits. */
export type AcquireControlledLock = (options: ControllerLockOptions) => Promise<ControlledLock>;

export interface SessionControllerOptions extends Omit<ControllerLockOptions, "sessionFile"> {
  /** A relative path is resolved when the controller is made. */
  readonly sessionFile: string | URL;
  /** How the session's lock is acquired, e.g. `acquireSessionWriteLock`. */
  readonly acquire: AcquireControlledLock;
  /**
   * How long an abort and `dispose` wait for running writes, milliseconds. Default: the environment's
   * `OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS` (with `envPrefix` for `OPENCLAW_`), or 2000.
   */
  readonly settleTimeoutMs?: number | undefined;
  /**
   * Asked when another writer has changed the file while the lock was released: true means that the run may go
   * on with the file as it is now.
   */
  readonly isBenignChange?: IsBenignChange | undefined;
  /** Where failures are told that no caller gets as an error. Default: standard error; `console` fits. */
  readonly log?: { readonly warn?: ((message: string) => void) | undefined } | undefined;
  /**
   * Default `process.env`; only `OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS` (see `envPrefix`) matters here: `acquire` is
   * not given it.
   */
  readonly env?: Environment | undefined;
}

/** Options in the shape that the controller works with. */
export interface ControllerPlan {
  /** Absolute. */
  readonly sessionFile: string;
  readonly acquire: () => Promise<ControlledLock>;
  readonly settleTimeoutMs: number;
  readonly isBenignChange: IsBenignChange | undefined;
  readonly warn: WarnLine;
}

const DEFAULT_SETTLE_TIMEOUT_MS = 2000;

const CHECKS: OptionChecks<SessionControllerOptions> = {
  acquire: checkFunction,
  sessionFile: checkPath,
  timeoutMs: optional(checkTimeout),
  staleMs: optional(checkDuration),
  maxHoldMs: optional(checkDuration),
  label: optional(checkLabel),
  isOwnerArgv: optional(checkFunction),
  plainLocks: optional(checkOneOf(["judge", "keep"])),
  lease: optional(checkObject),
  envPrefix: optional(checkString),
  settleTimeoutMs: optional(checkDuration),
  isBenignChange: optional(checkFunction),
  log: optional(checkLog),
  env: optional(checkObject),
};

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveControllerOptions(options: SessionControllerOptions): ControllerPlan {
  checkRequiredOptions(options, CHECKS);
  const { acquire, timeoutMs, staleMs, maxHoldMs, isBenignChange, log } = options;
  const { env = process.env, envPrefix = "OPENCLAW_" } = options;
  // Once, for the lock, the fence and every append: a later chdir must not make them differ.
  const sessionFile = absolutePath(options.sessionFile);
  return {
    sessionFile,
    acquire: () => acquire({ sessionFile, timeoutMs, staleMs, maxHoldMs, ...onlyGiven(options) }),
    settleTimeoutMs: settleTimeout(options.settleTimeoutMs, env, envPrefix),
    isBenignChange,
    warn: log === undefined ? warnOnStderr : (line) => log.warn?.(line),
  };
}

type FurtherLockOptions = Omit<
  ControllerLockOptions,
  "sessionFile" | "timeoutMs" | "staleMs" | "maxHoldMs"
>;

/** A lock of another make refuses a key that it does not know, also one without a value. */
function onlyGiven(options: FurtherLockOptions): FurtherLockOptions {
  const { label, isOwnerArgv, plainLocks, lease, envPrefix } = options;
  const further = { label, isOwnerArgv, plainLocks, lease, envPrefix };
  return Object.fromEntries(Object.entries(further).filter(([, value]) => value !== undefined));
}

function settleTimeout(given: number | undefined, env: Environment, prefix: string): number {
  const configured = positiveInteger(variableIn(env, `${prefix}EMBEDDED_ABORT_SETTLE_TIMEOUT_MS`));
  return Math.min(LONGEST_TIMER_MS, given ?? configured ?? DEFAULT_SETTLE_TIMEOUT_MS);
}
