/** The options of file locks and pid files: checked, with defaults, as the lock's plan. */
import {
  type AcquirePlan,
  acquirePolicy,
  type LockFormat,
  type ReclaimedLock,
  type WaitingForLock,
} from "../lock/plan.js";
import { lockPathFor, type LockRoute } from "../lock/lock-path.js";
import { PLAIN_LOCKS, type PlainLocks } from "../lock/verdict/plain-owner.js";
import type { ReadOwnerProcessArgs, ReadOwnerProcessArgsSync } from "../lock/verdict/owner-args.js";
import { leaseTaker, type LockLeaseOptions } from "../lease/for-lock.js";
import { absolutePath, tidyPath } from "../util/absolute-path.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkDurationOrInfinity,
  checkFunction,
  checkLabel,
  checkObject,
  checkOneOf,
  checkPath,
  checkSignal,
  checkTimeout,
  optional,
} from "../util/check-values.js";
import { FACES, type FileLock } from "./file-lock.js";
import { ownLockPath } from "./own-lock-path.js";
import { presentInspection } from "../session-lock/reasons.js";
import { readOtherContent } from "./other-content.js";

/** What {@link acquireFileLock} and {@link acquirePidFile} have in common. */
interface CommonOptions {
  /** Text to be written into the lock file, e.g. what the process is doing: at most 1 024 bytes as UTF-8. */
  readonly label?: string | undefined;
  /** Aborting rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
  /** Called once a second while waiting for another process. */
  readonly onWait?: ((waiting: WaitingForLock) => void) | undefined;
  /**
   * Called once when this acquisition took over a stale lock, with the evidence, before it resolves. What it throws the
   * acquisition rejects with, as with `onWait`; the lock is released first.
   */
  readonly onReclaimed?: ((reclaimed: ReclaimedLock) => void) | undefined;
  /**
   * Recognises an owner by its command line, where nothing else proves which process has the pid (a lock that
   * another program wrote, or a bare pid): one that is not recognised does not own the lock, which is then
   * taken. Default: every program is taken for an owner.
   */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
  /**
   * What the pid of a plain lock (one that another program wrote, without this package's keys) proves. `judge`:
   * whether its owner is gone; inside a container that is so although a neighbour container's processes cannot be
   * seen. `keep`: nothing; such a lock is reported and never removed. Default `judge`.
   */
  readonly plainLocks?: PlainLocks | undefined;
  /** Another way to an owner's command line. Default: ask the OS. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgs | undefined;
}

export interface AcquireFileLockOptions extends CommonOptions {
  /** The file to be guarded; the lock is `<path>.lock`. Need not exist. A relative path is resolved at the call. */
  readonly path: string | URL;
  /**
   * Another place for the lock file, e.g. on a disk that every contender sees. A symbolic link of that name is never
   * followed. It must be another file than `path`. A relative path is resolved at the call. Default: `<path>.lock`.
   */
  readonly lockPath?: string | URL | undefined;
  /**
   * Follow symbolic links at `path` first, so that a file and its links are one lock? false: each name has a lock of
   * its own. Where `lockPath` says which file is the lock, nothing depends on it. Default true.
   */
  readonly resolveLinks?: boolean | undefined;
  /** How long to wait for a holder, milliseconds; 0: not at all; Infinity: for ever. Default 60 000. */
  readonly timeoutMs?: number | undefined;
  /**
   * A hard limit of this hold, milliseconds: afterwards the watchdog gives the lock up and contenders may take
   * it. Default: none; it is held until it is released or the process ends.
   */
  readonly maxHoldMs?: number | undefined;
  /**
   * A lease above the lock, for files that several machines share: it is taken first and given back last. The lock of a
   * machine that has lost the lease is then known to be stale, whatever its age. Default: none.
   */
  readonly lease?: LockLeaseOptions | undefined;
  /** Share the lock when this thread holds it already; it ends with the last release. Default false. */
  readonly allowReentrant?: boolean | undefined;
}

export interface AcquirePidFileOptions extends CommonOptions {
  /**
   * The pid file itself; a symbolic link of that name is never followed. A relative path is resolved at the call.
   */
  readonly path: string | URL;
  /**
   * `json`: all that is known of this process. `pid`: its pid as a bare number and a newline, for monit, systemd and
   * shell scripts; the label is not written then, and the file's modification time is up to a second early. Default
   * `json`.
   */
  readonly format?: LockFormat | undefined;
  /** How long to wait for a holder, milliseconds; 0: not at all; Infinity: for ever. Default 0. */
  readonly timeoutMs?: number | undefined;
}

/** What a stopped thread cannot be told, or stop for. */
type OnlyInTurns = "timeoutMs" | "signal" | "onWait" | "readOwnerProcessArgs" | "lease";

interface SyncOptions {
  /** How long to stop the thread for a holder, milliseconds; Infinity: for ever. Default 0: not at all. */
  readonly timeoutMs?: number | undefined;
  /** Another way to an owner's command line. Default: ask the OS. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgsSync | undefined;
}

/** As {@link AcquireFileLockOptions}, where the thread stops to wait. */
export interface AcquireFileLockSyncOptions
  extends Omit<AcquireFileLockOptions, OnlyInTurns>, SyncOptions {}

/** As {@link AcquirePidFileOptions}, where the thread stops to wait. */
export interface AcquirePidFileSyncOptions
  extends Omit<AcquirePidFileOptions, OnlyInTurns>, SyncOptions {}

const FORMATS: readonly LockFormat[] = ["json", "pid"];

const DEFAULT_TIMEOUT_MS = 60_000;

const COMMON_CHECKS: OptionChecks<CommonOptions> = {
  label: optional(checkLabel),
  signal: optional(checkSignal),
  onWait: optional(checkFunction),
  onReclaimed: optional(checkFunction),
  isOwnerArgv: optional(checkFunction),
  readOwnerProcessArgs: optional(checkFunction),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
};

const PATH_CHECKS = { path: checkPath, timeoutMs: optional(checkTimeout) };

const PID_FILE_CHECKS: OptionChecks<AcquirePidFileOptions> = {
  ...COMMON_CHECKS,
  ...PATH_CHECKS,
  format: optional(checkOneOf(FORMATS)),
};

const FILE_CHECKS: OptionChecks<AcquireFileLockOptions> = {
  ...COMMON_CHECKS,
  ...PATH_CHECKS,
  lockPath: optional(checkPath),
  resolveLinks: optional(checkBoolean),
  maxHoldMs: optional(checkDurationOrInfinity),
  allowReentrant: optional(checkBoolean),
  lease: optional(checkObject),
};

const PID_FILE_SYNC_CHECKS: OptionChecks<AcquirePidFileSyncOptions> = withoutTurns(PID_FILE_CHECKS);
const { lease: _lease, ...FILE_SYNC_CHECKS } = withoutTurns(FILE_CHECKS);

function withoutTurns<Checks extends OptionChecks<CommonOptions>>(
  checks: Checks,
): Omit<Checks, "signal" | "onWait"> {
  const { signal: _signal, onWait: _onWait, ...rest } = checks;
  return rest;
}

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveFileLockOptions(options: AcquireFileLockOptions): AcquirePlan<FileLock> {
  checkRequiredOptions(options, FILE_CHECKS);
  return fileLockPlan(options, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
}

/** {@link resolveFileLockOptions} of the other form. */
export function resolveFileLockSyncOptions(
  options: AcquireFileLockSyncOptions,
): AcquirePlan<FileLock> {
  checkRequiredOptions(
    options,
    FILE_SYNC_CHECKS satisfies OptionChecks<AcquireFileLockSyncOptions>,
  );
  return fileLockPlan(options, options.timeoutMs ?? 0);
}

function fileLockPlan(options: AcquireFileLockOptions, timeoutMs: number): AcquirePlan<FileLock> {
  const { path, maxHoldMs = Infinity } = options;
  const guarded = absolutePath(path);
  return planOf(options, {
    face: FACES.file,
    file: guarded,
    ...fileLockRoute(guarded, options),
    timeoutMs,
    maxHoldMs,
    allowReentrant: options.allowReentrant ?? false,
    takeLease: leaseTaker(options.lease),
  });
}

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolvePidFileOptions(options: AcquirePidFileOptions): AcquirePlan<FileLock> {
  checkRequiredOptions(options, PID_FILE_CHECKS);
  return pidFilePlan(options);
}

/** {@link resolvePidFileOptions} of the other form. */
export function resolvePidFileSyncOptions(
  options: AcquirePidFileSyncOptions,
): AcquirePlan<FileLock> {
  checkRequiredOptions(options, PID_FILE_SYNC_CHECKS);
  return pidFilePlan(options);
}

function pidFilePlan(options: AcquirePidFileOptions): AcquirePlan<FileLock> {
  const { path, timeoutMs = 0 } = options;
  const pidFile = absolutePath(path);
  return planOf(options, {
    face: FACES["pid file"],
    file: pidFile,
    lockPath: tidyPath(pidFile),
    linkedFile: null,
    refusesDirectory: false,
    format: options.format,
    timeoutMs,
    maxHoldMs: Infinity,
    allowReentrant: false,
  });
}

/** The lock of a guarded file. @throws RangeError for a `lockPath` that cannot be one */
export function fileLockRoute(
  guarded: string,
  { lockPath, resolveLinks = true }: Pick<AcquireFileLockOptions, "lockPath" | "resolveLinks">,
): LockRoute {
  const refusesDirectory = false;
  return lockPath === undefined
    ? {
        lockPath: lockPathFor(guarded),
        linkedFile: resolveLinks ? guarded : null,
        refusesDirectory,
      }
    : { lockPath: ownLockPath(lockPath, guarded), linkedFile: null, refusesDirectory };
}

const isAnyProgram = (): boolean => true;

function planOf(
  options: CommonOptions,
  kind: LockRoute &
    Pick<
      AcquirePlan<FileLock>,
      "format" | "face" | "file" | "timeoutMs" | "maxHoldMs" | "allowReentrant" | "takeLease"
    >,
): AcquirePlan<FileLock> {
  // An old lock is as good as a new one.
  const limits = { timeoutMs: kind.timeoutMs, staleMs: Infinity };
  return {
    face: kind.face,
    ...limits,
    file: kind.file,
    lockPath: kind.lockPath,
    linkedFile: kind.linkedFile,
    refusesDirectory: kind.refusesDirectory,
    maxHoldMs: kind.maxHoldMs,
    allowReentrant: kind.allowReentrant,
    takeLease: kind.takeLease,
    signal: options.signal,
    label: options.label ?? null,
    format: kind.format,
    onWait: options.onWait,
    onReclaimed: options.onReclaimed,
    readOwnerProcessArgs: options.readOwnerProcessArgs,
    policy: acquirePolicy(limits, {
      isOwnerArgv: options.isOwnerArgv ?? isAnyProgram,
      plainLocks: options.plainLocks,
      readOther: readOtherContent,
      present: presentInspection,
    }),
  };
}
