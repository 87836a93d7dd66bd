/** From what a lock says and what runs here to a verdict on a lock of any form. Pure. */
import type { OwnerReason, OwnerState } from "../../../lock/verdict/owner-judgement.js";
import type { Claim } from "../forms/form.js";
import type { KernelAnswer } from "./kernel-locks.js";

/**
 * - `held`: a process holds it
 * - `free`: the kernel says that no process holds it, and only the kernel's lock counts; the file stays for good
 * - `stale`: the process that wrote it is gone
 * - `undecided`: neither is proven
 */
export type LockState = "held" | "free" | "stale" | "undecided";

/**
 * Why a lock of another program is judged as it is, beside the reasons of {@link OwnerReason}:
 *
 * - `started-before`: the process that has the pid ran already when the lock was written
 * - `started-after`: it started later, so that it cannot have written the lock
 * - `other-program`: it ran already, but it is a program that does not write such locks, as far as is known
 * - `clock-set`: it started later by the clock, which may have been set since
 * - `open-for-writing`: the lock names no process, and a process has the file open for writing
 * - `no-owner`: the lock names no process
 * - `kernel-lock-unknown`: only a kernel lock counts, and whether there is one cannot be told from here
 */
export type AnyReason =
  | OwnerReason
  | "started-before"
  | "started-after"
  | "other-program"
  | "clock-set"
  | "open-for-writing"
  | "no-owner"
  | "kernel-lock-unknown";

export interface Verdict {
  readonly state: LockState;
  readonly reason: AnyReason;
}

/** What is known beside what the lock says. Times are milliseconds since the Unix epoch. */
export interface ClaimFacts {
  readonly kernel: KernelAnswer;
  /** Judged as a plain lock of that pid and start time. */
  readonly owner: { readonly state: OwnerState; readonly reason: OwnerReason };
  /** Whether the host that the lock names is this one; true where it names none. */
  readonly isThisHost: boolean;
  /** This process's pid namespace; null: not known. */
  readonly pidNamespace: string | null;
  /** When the lock was written, as it says, or the latest time that its file has. */
  readonly writtenMs: number;
  /** When the process that has the pid started; null: none has it, or it is not told. */
  readonly startedMs: number | null;
  /** Its program's name; null: not known. */
  readonly program: string | null;
  /** When this machine was booted, by the clock as it is now; null: not known. */
  readonly bootedMs: number | null;
}

/** The kernel rounds both times, and the clock is adjusted by fractions of a second now and then. */
const ROUNDING_MS = 2000;
/** A clock that was set between the two times may be wrong by that. */
const DOUBT_MS = 60_000;
/** A machine without a battery gets its time from the network, when its first programs run already. */
const CLOCK_SETTLES_MS = 10 * 60_000;

export function judgeClaim(claim: Claim, facts: ClaimFacts): Verdict {
  const { kernel, owner } = facts;
  if (kernel.state === "held") return { state: "held", reason: "kernel-lock-held" };
  if (claim.isKernelLock) {
    return kernel.state === "free"
      ? { state: "free", reason: "kernel-lock-free" }
      : { state: "undecided", reason: "kernel-lock-unknown" };
  }
  if (claim.pid === null) return { state: "undecided", reason: "no-owner" };
  if (!facts.isThisHost) return { state: "undecided", reason: "other-host" };
  if (claim.pidNamespace !== null && claim.pidNamespace !== facts.pidNamespace) {
    return { state: "undecided", reason: "other-pid-namespace" };
  }
  switch (owner.state) {
    case "gone":
      return { state: "stale", reason: owner.reason };
    case "same":
      return { state: "held", reason: owner.reason };
    case "unknown":
      return owner.reason === "unproven"
        ? judgeByTime(claim, facts)
        : { state: "undecided", reason: owner.reason };
  }
}

/** A process has the pid, and nothing else is known of it: when it started can tell. */
function judgeByTime({ programs }: Claim, facts: ClaimFacts): Verdict {
  const { startedMs, writtenMs, program, bootedMs } = facts;
  if (startedMs === null) return { state: "undecided", reason: "unproven" };
  const isForeign = programs !== null && program !== null && !programs.test(program);
  const laterMs = startedMs - writtenMs;
  if (laterMs <= ROUNDING_MS) {
    return isForeign
      ? { state: "undecided", reason: "other-program" }
      : { state: "held", reason: "started-before" };
  }
  const isClockInDoubt =
    bootedMs === null || (writtenMs < bootedMs && startedMs < bootedMs + CLOCK_SETTLES_MS);
  if (laterMs <= DOUBT_MS || (isClockInDoubt && !isForeign)) {
    return { state: "undecided", reason: "clock-set" };
  }
  return { state: "stale", reason: "started-after" };
}
