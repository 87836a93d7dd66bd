/** What `pidentity locks` finds out about one lock of any form. */
import type { SessionLockInspection } from "../../../session-lock/reasons.js";
import { isWrong } from "../describe.js";
import type { FoundType, LockForm } from "../forms/form.js";
import type { KernelAnswer } from "./kernel-locks.js";
import type { Verdict } from "./verdict.js";

/** The process that has the lock's pid here now. */
export interface HolderProcess {
  /** Its program's name; null: not known. */
  readonly program: string | null;
  /** Its whole command line; null: not known. */
  readonly commandLine: string | null;
  /** Wall clock, milliseconds since the Unix epoch; null: not known. */
  readonly startedAtMs: number | null;
}

export interface ExaminedLock {
  /** As it was given, or below the directory as it was given. */
  readonly lockPath: string;
  readonly form: LockForm;
  /** What lies there; null: it could not be looked at. */
  readonly type: FoundType | null;
  readonly verdict: Verdict;
  /** Of the kernel lock's holder, or as the lock has it; null: nothing names a process. */
  readonly pid: number | null;
  /** The host that the lock names; null: none. */
  readonly host: string | null;
  /** null: none has that pid here, or the pid is another host's or container's. */
  readonly process: HolderProcess | null;
  /** Whether that process holds it and is stopped; null: it is not known to hold it, or that is not told. */
  readonly stopped: boolean | null;
  /** When it was written, milliseconds since the Unix epoch: as it says, else its file's mtime; null: not known. */
  readonly writtenMs: number | null;
  /** Milliseconds since then, never negative; null: not known. */
  readonly ageMs: number | null;
  /** Of a directory whose holder renews its time, what {@link ageMs} counts from is that time. */
  readonly hasHeartbeat: boolean;
  readonly kernel: KernelAnswer;
  /** The judgement by the rules of this package; null: it is another program's lock. */
  readonly own: SessionLockInspection | null;
  /** Why the file could not be read; null: it could. */
  readonly error: Error | null;
}

export interface AnyLockCounts {
  readonly total: number;
  readonly held: number;
  readonly free: number;
  /** Removed ones included. */
  readonly stale: number;
  readonly undecided: number;
  readonly removed: number;
}

export interface AnyLocksReport {
  /** In the order of the arguments, those of a directory by name. */
  readonly locks: readonly ExaminedLock[];
  readonly counts: AnyLockCounts;
  /** What could not be examined, and why. */
  readonly problems: readonly string[];
  /** What was noticed beside locks. */
  readonly notices: readonly string[];
}

/** Whether a person has to look at it: something is wrong with it or cannot be decided, and it was not removed. */
export function isOpen({ verdict: { state }, own }: ExaminedLock): boolean {
  if (own !== null) return isWrong(own) && !own.removed;
  return state === "stale" || state === "undecided";
}
