/** What was found out about a lock of any form, as text for people. Pure but for {@link canRemove}. */
import { printable } from "../../../util/printable.js";
import { formatDuration } from "../../terminal/duration.js";
import {
  briefVerdict as ownBrief,
  fullVerdict as ownFull,
  heldFromNote,
  isUndecided,
  type Life,
  lifeOf as ownLife,
  ownerRuns,
  remedyFor,
  whyKept,
  whyRemoved,
} from "../describe.js";
import { canRemove } from "../examine.js";
import { howToContinue } from "../stopped.js";
import { type ExaminedLock, isOpen } from "./examined.js";
import type { AnyReason } from "./verdict.js";

/** `1 lock`, `2 stale locks`. */
export function countLocks(count: number, kind = ""): string {
  return `${String(count)} ${kind === "" ? "" : `${kind} `}lock${count === 1 ? "" : "s"}`;
}

/** What became of the process that a lock names, in a word or two; null: it names none. */
export function lifeOf({ own, pid, verdict, process }: ExaminedLock): Life | null {
  if (own !== null) return own.pid === null ? null : ownLife(own);
  if (pid === null) return null;
  switch (verdict.state) {
    case "held":
      return "alive";
    case "free":
      return "dead";
    case "stale":
      return process === null ? "dead" : "now another process";
    case "undecided":
      if (verdict.reason === "other-host" || verdict.reason === "other-pid-namespace")
        return "out of sight";
      return process === null ? "not in use here" : "in use";
  }
}

/** Whether the lock's holder runs; null: the lock names none. */
export function holderRuns(lock: ExaminedLock): "yes" | "no" | "unknown" | null {
  if (lock.own !== null) return ownerRuns(lock.own);
  if (lock.verdict.state === "held") return "yes";
  if (lock.pid === null) return null;
  return lock.verdict.state === "stale" ? "no" : "unknown";
}

/** What is to be known of the process that holds it: whose its pid is, and that it is stopped. */
export function notesOnHolder({ own, pid, stopped }: ExaminedLock): string[] {
  const from = own === null ? null : heldFromNote(own);
  return [
    ...(from === null ? [] : [from]),
    ...(stopped === true && pid !== null ? [howToContinue(pid)] : []),
  ];
}

/** The verdict in short, for a cell. */
export function briefVerdict({ own, verdict }: ExaminedLock): string {
  if (own !== null) return ownBrief(own);
  switch (verdict.state) {
    case "held":
      return "in use";
    case "free":
      return "not locked";
    case "stale":
      return "holder has ended";
    case "undecided":
      return BRIEF[verdict.reason] ?? "not provable";
  }
}

const BRIEF: Readonly<Partial<Record<AnyReason, string>>> = {
  "no-owner": "names no process",
  "kernel-lock-unknown": "kernel lock not visible",
  "other-host": "on another host",
  "other-pid-namespace": "in a container",
  "access-denied": "holder is hidden",
  "other-program": "another program",
  "clock-set": "clock in doubt",
  "plain-lock": "plain lock",
  unreadable: "cannot be read",
};

/** The evidence as a sentence, without a full stop. */
export function fullVerdict(lock: ExaminedLock): string {
  const { own, verdict, error } = lock;
  if (
    own !== null &&
    !(verdict.state === "held" && PROOF_OF_LIFE.has(verdict.reason) && !own.stale)
  )
    return ownFull(own);
  if (verdict.reason === "unreadable") {
    return `it cannot be read${error === null ? "" : ` (${printable(error.message)})`}`;
  }
  return evidenceFor(lock);
}

const PROOF_OF_LIFE: ReadonlySet<AnyReason> = new Set([
  "kernel-lock-held",
  "running",
  "held-here",
  "start-time-equal",
]);

function evidenceFor(lock: ExaminedLock): string {
  const { verdict, process, host, ageMs, hasHeartbeat, pid, writtenMs } = lock;
  const program = process?.program == null ? "another program" : printable(process.program);
  switch (verdict.reason) {
    case "kernel-lock-held":
      return pid === null
        ? "a process has a kernel lock on it, and cannot be named from here"
        : "its process has a kernel lock on it";
    case "open-for-writing":
      return "nothing in it names its process, and this one has it open for writing";
    case "clock-set":
      return "a process has its pid, which started after the lock was written, if the clock was right";
    case "kernel-lock-free":
      return "no process has its kernel lock: the file stays, and locks nothing";
    case "kernel-lock-unknown":
      return "only a kernel lock on it counts, and which there are cannot be seen from here";
    case "no-owner":
      if (lock.type === "other") return "it is no file: a FIFO, a socket or a device";
      return hasHeartbeat
        ? `nothing names its process; its holder last renewed it ${formatDuration(ageMs)} ago`
        : `nothing names its process${noKernelLock(lock)}`;
    case "start-time-equal":
      return "its process runs: the start time in the lock is that process's";
    case "running":
      return "its process runs: it is the one that the lock's token names";
    case "held-here":
      return "this very process holds it";
    case "started-before":
      return "its process runs, and ran before the lock was written";
    case "started-after": {
      const laterMs = (process?.startedAtMs ?? 0) - (writtenMs ?? 0);
      return `another process has its pid: it started ${formatDuration(laterMs)} after the lock was written`;
    }
    case "start-time-differs":
      return "another process has its pid: the start time in the lock is not that process's";
    case "earlier-boot":
      return "it was written before this machine was last started";
    case "no-such-process":
      return "its process has ended: none has that pid";
    case "zombie":
    case "exited":
      return "its process has ended, and is not yet reaped";
    case "thread-id":
      return "its process has ended: the number is now that of a thread";
    case "invalid-pid":
      return "no process can have that pid";
    case "other-program":
      return `the process with its pid runs ${program}, which is not known to write such locks`;
    case "other-host":
      return host === null
        ? "it lies where other machines may write it, and names none"
        : `it names the host ${printable(host)}, which is not this one`;
    case "other-pid-namespace":
      return "a container's process may hold it, which cannot be told from here";
    case "plain-lock":
      return "--keep-plain: its pid proves nothing";
    default:
      return `a process has its pid, and nothing proves whether that wrote the lock (${verdict.reason})`;
  }
}

/** An unlocked file that a person may take for a lock of flock(1). */
function noKernelLock({ kernel, form }: ExaminedLock): string {
  const may = form.kind === "unknown" && kernel.state === "free";
  return may ? ", and no process has a kernel lock on it" : "";
}

/** What --fix does with it, or did. */
export type Action = "removes" | "removed" | "keeps" | "kept" | "failed" | null;

/** null: nothing is wrong with it. */
export function actionOn(lock: ExaminedLock, fix: boolean): Action {
  const { own } = lock;
  if (own?.removed === true) return "removed";
  if (!isOpen(lock)) return null;
  if (own?.keptReason === "error") return "failed";
  if (fix) return "kept";
  return own?.removable === true && canRemove() ? "removes" : "keeps";
}

/** What a person can do about it, and why --fix does not. null: nothing is to be done. */
export function remedyOf(lock: ExaminedLock, fix: boolean): string | null {
  const { own, form } = lock;
  const keeps = fix ? "kept" : "--fix keeps it";
  if (own !== null) return remedyOfOwn(lock, keeps, fix);
  if (!isOpen(lock)) return null;
  return `${keeps}: it is another program's; ${personCan(lock) ?? form.remedy}`;
}

/** {@link remedyOf} without why --fix keeps locks of other programs, which is the same for all. */
export function remarkOn(lock: ExaminedLock, fix: boolean): string | null {
  if (!isOpen(lock) || actionOn(lock, fix) === "removes") return null;
  return lock.own === null ? (personCan(lock) ?? lock.form.remedy) : remedyOf(lock, fix);
}

function remedyOfOwn({ own }: ExaminedLock, keeps: string, fix: boolean): string | null {
  if (own === null || own.removed) return null;
  if (own.removable && !fix) {
    return canRemove()
      ? `--fix removes it: ${whyRemoved(own)}`
      : "--fix keeps it: there is no safe way to remove it without the native addon";
  }
  const remedy = isUndecided(own) ? remedyFor(own) : null;
  if (own.keptReason === null && remedy === null) return null;
  return `${keeps}: ${whyKept(own)}${remedy === null ? "" : `; ${remedy}`}`;
}

/** What helps whatever the form. */
function personCan({ verdict }: ExaminedLock): string | null {
  switch (verdict.reason) {
    case "unreadable":
      return "look at its permissions, or run this as a user who may read it";
    case "other-host":
    case "other-pid-namespace":
      return "run this where its process runs; when that is gone, remove it by hand";
    case "access-denied":
    case "kernel-lock-unknown":
      return "run this as root, on the machine itself";
    default:
      return null;
  }
}
