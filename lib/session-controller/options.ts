/** The controller's options: checked, with defaults, as one plan. */
import { resolve } from "node:path";

import {
  checkFunction,
  checkNumber,
  checkObject,
  checkPath,
  checkRequiredOptions,
} from "../util/check-options.js";
import { type Environment, positiveInteger } from "../util/environment.js";
import { LONGEST_TIMER_MS } from "../util/longest-timer.js";
import { type WarnLine, warnOnStderr } from "../util/warn-line.js";
import type { IsBenignChange } from "./fence.js";
import type { ControlledLock } from "./lock-handle.js";

/** What `acquire` is called with: these four keys, as they were given, but for the path. */
export interface ControllerLockOptions {
  /** `acquire` gets an absolute path: a relative one is resolved when the controller is made. */
  readonly sessionFile: string;
  /** How long to wait for the lock, milliseconds. Default: the lock's. */
  readonly timeoutMs?: number | undefined;
  /** The age in milliseconds beyond which a live owner's lock is reported. Default: the lock's. */
  readonly staleMs?: number | undefined;
  /** The hard limit of a hold, milliseconds. Default: the lock's. */
  readonly maxHoldMs?: number | undefined;
}

/** Acquires the session's lock; `acquireSessionWriteLock` fits. */
export type AcquireControlledLock = (options: ControllerLockOptions) => Promise<ControlledLock>;

export interface SessionControllerOptions extends ControllerLockOptions {
  /** How the session's lock is acquired, e.g. `acquireSessionWriteLock`. */
  readonly acquire: AcquireControlledLock;
  /**
   * How long an abort and `dispose` wait for running writes, milliseconds. Default: the environment's
   * `OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS`, or 2000; so do 0, negatives, NaN and Infinity.
   */
  readonly settleTimeoutMs?: number | undefined;
  /**
   * Asked when somebody else has changed the file while the lock was released: true means that the run may go
   * on with the file as it is now.
   */
  readonly isBenignChange?: IsBenignChange | undefined;
  /** Where is told what nobody can be told by an error. Default: standard error; `console` fits. */
  readonly log?: { readonly warn?: ((message: string) => void) | undefined } | undefined;
  /** Default `process.env`; only `OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS` matters here. */
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

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveControllerOptions(options: SessionControllerOptions): ControllerPlan {
  checkRequiredOptions(options);
  const { acquire, timeoutMs, staleMs, maxHoldMs, isBenignChange, log } = options;
  checkFunction("acquire", acquire ?? null);
  checkPath("sessionFile", options.sessionFile);
  checkNumber("timeoutMs", timeoutMs);
  checkNumber("staleMs", staleMs);
  checkNumber("maxHoldMs", maxHoldMs);
  checkNumber("settleTimeoutMs", options.settleTimeoutMs);
  checkFunction("isBenignChange", isBenignChange);
  if (log !== undefined) checkObject("log", log);
  checkFunction("log.warn", log?.warn);
  // Once, for the lock, the fence and every append: a later chdir must not part them.
  const sessionFile = resolve(options.sessionFile);
  return {
    sessionFile,
    acquire: () => acquire({ sessionFile, timeoutMs, staleMs, maxHoldMs }),
    settleTimeoutMs: settleTimeout(options.settleTimeoutMs, options.env ?? process.env),
    isBenignChange,
    warn: log === undefined ? warnOnStderr : (line) => log.warn?.(line),
  };
}

function settleTimeout(given: number | undefined, env: Environment): number {
  const usable = given !== undefined && given > 0 && Number.isFinite(given) ? given : null;
  const configured = positiveInteger(env["OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS"]);
  return Math.min(LONGEST_TIMER_MS, usable ?? configured ?? DEFAULT_SETTLE_TIMEOUT_MS);
}
