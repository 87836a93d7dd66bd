/** Where the lock layer's limits come from: argument, environment, config, default. Pure. */
import { unreadable } from "../util/argument-error.js";
import {
  checkArgument,
  checkOptions,
  checkRequiredOptions,
  type OptionChecks,
} from "../util/check-options.js";
import {
  checkDuration,
  checkObject,
  checkString,
  checkTimeout,
  optional,
} from "../util/check-values.js";
import { type Environment, positiveInteger, variableIn } from "../util/environment.js";
import { LONGEST_TIMER_MS } from "../util/timers.js";

export type { Environment };

/** Limits in milliseconds. */
export interface SessionWriteLockLimits {
  /** How long acquire waits; may be Infinity. */
  readonly timeoutMs: number;
  /** Older locks are reported as `too-old`; a live owner's lock is never taken for it. */
  readonly staleMs: number;
  /** The hard limit of a hold, enforced by the holder's watchdog and by contenders. */
  readonly maxHoldMs: number;
}

/** The part of a host's configuration that is looked at; every other key is ignored. */
export interface SessionWriteLockConfig {
  readonly session?:
    | {
        readonly writeLock?:
          | {
              readonly acquireTimeoutMs?: unknown;
              readonly staleMs?: unknown;
              readonly maxHoldMs?: unknown;
            }
          | undefined;
      }
    | undefined;
}

/** @see {@link resolveSessionWriteLockOptions} */
export interface ResolveSessionWriteLockOptions {
  readonly timeoutMs?: number | undefined;
  readonly staleMs?: number | undefined;
  readonly maxHoldMs?: number | undefined;
  /** What takes the place of the default 300 000 ms for `maxHoldMs`. */
  readonly maxHoldMsFallback?: number | undefined;
  /** Default `process.env`. */
  readonly env?: Environment | undefined;
  /** Prefix of the environment variables. Default `OPENCLAW_`. */
  readonly envPrefix?: string | undefined;
}

export const DEFAULT_LIMITS: SessionWriteLockLimits = {
  timeoutMs: 60_000,
  staleMs: 1_800_000,
  maxHoldMs: 300_000,
};

const SOURCES = {
  timeoutMs: { variable: "SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS", key: "acquireTimeoutMs" },
  staleMs: { variable: "SESSION_WRITE_LOCK_STALE_MS", key: "staleMs" },
  maxHoldMs: { variable: "SESSION_WRITE_LOCK_MAX_HOLD_MS", key: "maxHoldMs" },
} as const satisfies Record<keyof SessionWriteLockLimits, { variable: string; key: string }>;

type ConfigKey = (typeof SOURCES)[keyof typeof SOURCES]["key"];

/**
 * Resolves the three limits, each from the first source that has a usable value: the argument; the
 * environment variables `OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS`, `…_STALE_MS` and
 * `…_MAX_HOLD_MS`; the config's `session.writeLock.{acquireTimeoutMs, staleMs, maxHoldMs}`; the defaults
 * 60 000, 1 800 000 and 300 000 ms (or `maxHoldMsFallback` for the last).
 *
 * Usable is an integer > 0, and Infinity for the timeout (in the environment plain decimal ones only). Anything else in
 * environment and config falls through to the next source; as an argument it is refused. `timeoutMs` 0 is an argument
 * only: not to wait.
 *
 * @throws TypeError or RangeError naming the option, what was expected and the value.
 */
export function resolveSessionWriteLockOptions(
  config?: SessionWriteLockConfig | null,
  options: ResolveSessionWriteLockOptions = {},
): SessionWriteLockLimits {
  checkOptions(options, CHECKS);
  return resolveLimits(config, options);
}

const CHECKS: OptionChecks<ResolveSessionWriteLockOptions> = {
  timeoutMs: optional(checkTimeout),
  staleMs: optional(checkDuration),
  maxHoldMs: optional(checkDuration),
  maxHoldMsFallback: optional(checkDuration),
  env: optional(checkObject),
  envPrefix: optional(checkString),
};

/** {@link resolveSessionWriteLockOptions} of options that were checked. */
export function resolveLimits(
  config: SessionWriteLockConfig | null | undefined,
  options: ResolveSessionWriteLockOptions,
): SessionWriteLockLimits {
  const maxHoldMs = options.maxHoldMsFallback ?? DEFAULT_LIMITS.maxHoldMs;
  return {
    timeoutMs: resolveLimit("timeoutMs", config, options),
    staleMs: resolveLimit("staleMs", config, options),
    maxHoldMs: resolveLimit("maxHoldMs", config, options, maxHoldMs),
  };
}

/**
 * How long acquire waits when nothing is said at the call, milliseconds; may be Infinity. The sources are those of
 * {@link resolveSessionWriteLockOptions}.
 */
export function resolveSessionWriteLockAcquireTimeoutMs(
  config?: SessionWriteLockConfig | null,
  env?: Environment,
): number {
  checkArgument("env", env, optional(checkObject));
  return resolveLimit("timeoutMs", config, { env });
}

/**
 * The age beyond which a lock is `too-old` when nothing is said at the call, milliseconds. The sources are those of
 * {@link resolveSessionWriteLockOptions}.
 */
export function resolveSessionWriteLockStaleMs(
  config?: SessionWriteLockConfig | null,
  env?: Environment,
): number {
  checkArgument("env", env, optional(checkObject));
  return resolveLimit("staleMs", config, { env });
}

function resolveLimit(
  name: keyof SessionWriteLockLimits,
  config: SessionWriteLockConfig | null | undefined,
  options: ResolveSessionWriteLockOptions,
  fallback: number = DEFAULT_LIMITS[name],
): number {
  const { env = process.env, envPrefix = "OPENCLAW_" } = options;
  const { variable, key } = SOURCES[name];
  const allowsInfinity = name === "timeoutMs";
  return (
    options[name] ??
    usableText(variableIn(env, envPrefix + variable), allowsInfinity) ??
    usableNumber(configured(config, key), allowsInfinity) ??
    fallback
  );
}

/** @throws TypeError when the configuration throws at being read: its limits are not to be passed over in silence */
function configured(config: SessionWriteLockConfig | null | undefined, key: ConfigKey): unknown {
  try {
    return config?.session?.writeLock?.[key];
  } catch (error) {
    throw unreadable("config", error);
  }
}

/** @see {@link resolveSessionLockMaxHoldFromTimeout} */
export interface MaxHoldFromTimeoutOptions {
  /** The run's own limit, milliseconds; Infinity: none. */
  readonly timeoutMs: number;
  /** For the run's orderly end. Default 120 000. */
  readonly graceMs?: number | undefined;
  /** Default 300 000. */
  readonly minMs?: number | undefined;
}

const MAX_HOLD_CHECKS: OptionChecks<MaxHoldFromTimeoutOptions> = {
  timeoutMs: checkTimeout,
  graceMs: optional(checkTimeout),
  minMs: optional(checkTimeout),
};

/**
 * A hold limit that outlasts a run: `timeoutMs + graceMs`, at least `minMs`, at most what a timer can
 * count (2 147 000 000 ms). A run of 15 minutes gives 1 020 000.
 *
 * @throws TypeError or RangeError naming the option, what was expected and the value.
 */
export function resolveSessionLockMaxHoldFromTimeout(options: MaxHoldFromTimeoutOptions): number {
  checkRequiredOptions(options, MAX_HOLD_CHECKS);
  const { timeoutMs, graceMs = 120_000, minMs = 300_000 } = options;
  return Math.min(LONGEST_TIMER_MS, Math.max(minMs, timeoutMs + graceMs));
}

function usableNumber(value: unknown, allowsInfinity: boolean): number | null {
  if (value === Infinity) return allowsInfinity ? value : null;
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : null;
}

function usableText(text: string | undefined, allowsInfinity: boolean): number | null {
  if (text === "Infinity") return allowsInfinity ? Infinity : null;
  return positiveInteger(text);
}
