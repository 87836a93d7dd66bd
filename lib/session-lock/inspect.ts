/** Inspects one lock file for a caller; touches nothing. */
import { absolutePath } from "../util/absolute-path.js";
import { checkArgument, checkOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkEpochMs,
  checkOneOf,
  checkPath,
  optional,
} from "../util/check-values.js";
import { isHeldHere } from "../lock/held-locks.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { freshEvidence } from "../lock/verdict/evidence.js";
import {
  clockAt,
  DEFAULT_GRACE_MS,
  judgeFully,
  type JudgingPolicy,
} from "../lock/verdict/judge.js";
import { OwnerArgsMemo, type ReadOwnerProcessArgs, tolerant } from "../lock/verdict/owner-args.js";
import { PLAIN_LOCKS, type PlainLocks } from "../lock/verdict/plain-owner.js";
import { readLock } from "../lock/verdict/reading.js";
import { DEFAULT_LIMITS } from "./limits.js";
import { isOpenClawArgv } from "./openclaw-owner.js";
import { presentInspection, type SessionLockInspection } from "./reasons.js";

export interface InspectSessionLockOptions {
  /** Age in milliseconds beyond which a lock is `too-old`. Default 1 800 000. */
  readonly staleMs?: number | undefined;
  /** The wall clock to judge by, milliseconds since the Unix epoch. Default: now. */
  readonly nowMs?: number | undefined;
  /** Report `hold-exceeded` when the holder is past its own `maxHoldMs`? Default false. */
  readonly respectMaxHold?: boolean | undefined;
  /**
   * What the pid of a plain lock (one that another program wrote, without this package's keys) proves. `judge`:
   * whether its owner is gone; inside a container that is so although a neighbour container's processes cannot be
   * seen. `keep`: nothing; such a lock is reported and never removed. Default `judge`.
   */
  readonly plainLocks?: PlainLocks | undefined;
  /** Another way to an owner's command line. Default: ask the OS. */
  readonly readOwnerProcessArgs?: ReadOwnerProcessArgs | undefined;
  /** Recognises an owner by its command line. Default {@link isOpenClawArgv}. */
  readonly isOwnerArgv?: ((args: readonly string[]) => boolean) | undefined;
}

const CHECKS: OptionChecks<InspectSessionLockOptions> = {
  staleMs: optional(checkDuration),
  nowMs: optional(checkEpochMs),
  respectMaxHold: optional(checkBoolean),
  plainLocks: optional(checkOneOf(PLAIN_LOCKS)),
  readOwnerProcessArgs: optional(checkFunction),
  isOwnerArgv: optional(checkFunction),
};

/**
 * Judges one lock file.
 *
 * @param lockPath - The lock file itself (`….jsonl.lock`), not the session file. A relative path is resolved at the
 *   call; the result's is absolute.
 * @returns null when there is no such file. A file that cannot be read is an answer (`unreadable`).
 * @throws (rejection) TypeError or RangeError naming the option, what was expected and the value.
 */
export async function inspectSessionLock(
  lockPath: string | URL,
  options: InspectSessionLockOptions = {},
): Promise<SessionLockInspection | null> {
  checkArgument("lockPath", lockPath, checkPath);
  checkOptions(options, CHECKS);

  const evidence = freshEvidence(realLockFs);
  const policy: JudgingPolicy = {
    nowMs: clockAt(options.nowMs),
    staleMs: options.staleMs ?? DEFAULT_LIMITS.staleMs,
    graceMs: DEFAULT_GRACE_MS,
    respectMaxHold: options.respectMaxHold ?? false,
    atAcquire: false,
    isHeldHere: (of) => isHeldHere(of, realLockFs),
    isOwnerArgv: tolerant(options.isOwnerArgv ?? isOpenClawArgv),
    plainLocks: options.plainLocks ?? "judge",
    present: presentInspection,
  };
  const path = absolutePath(lockPath);
  const reading = readLock(path, realLockFs, evidence);
  if (reading.kind === "absent") return null;
  const args = new OwnerArgsMemo(options.readOwnerProcessArgs, evidence.identity);
  const { inspection } = await judgeFully(reading, { policy, evidence, args });
  return presentInspection(inspection);
}
