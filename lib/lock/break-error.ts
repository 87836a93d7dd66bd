/** Why a lock was not broken. */
import { printable } from "../util/printable.js";
import type { BreakRefusal } from "./break-refusal.js";
import type { ReclaimEvidence } from "./trace.js";
import type { LockInspection } from "./verdict/inspection.js";

/** What is known of the lock that was kept. */
export interface KeptLock {
  readonly lockPath: string;
  readonly refusal: BreakRefusal;
  /** The last look at it. */
  readonly inspection: LockInspection<string>;
  /** What that look rests on. */
  readonly evidence: ReclaimEvidence;
  /** The guard that was busy; null otherwise. */
  readonly guardPath: string | null;
  /** Of `no-guard`, `guard-busy`, `unreadable` and `error`, where the OS or the loader gave a reason. */
  readonly cause?: unknown;
}

/** The lock was kept; {@link LockNotBrokenError.refusal} says why. What a terminal would obey is escaped in the message. */
export class LockNotBrokenError extends Error {
  override readonly name = "LockNotBrokenError";
  readonly code = "LOCK_NOT_BROKEN";
  readonly lockPath: string;
  readonly refusal: BreakRefusal;
  readonly inspection: LockInspection<string>;
  readonly evidence: ReclaimEvidence;
  /** The guard that was busy; null otherwise. */
  readonly guardPath: string | null;

  constructor(kept: KeptLock) {
    const { lockPath, refusal, cause } = kept;
    const text = `lock not broken (${refusal}): ${describeRefusal(kept)}: ${lockPath}`;
    super(printable(text), cause === undefined ? undefined : { cause });
    this.lockPath = lockPath;
    this.refusal = refusal;
    this.inspection = kept.inspection;
    this.evidence = kept.evidence;
    this.guardPath = kept.guardPath;
  }
}

const ONLY_VIEW = "make sure first that no process uses it through another mount";

/** A clause for people. */
export function describeRefusal({ refusal, inspection, guardPath, cause }: KeptLock): string {
  const because = cause instanceof Error ? ` (${cause.message})` : "";
  switch (refusal) {
    case "changed":
      return "another lock is there than the one that was looked at";
    case "owner-alive": {
      const { pid, pidAlive, ownerReason } = inspection;
      const who = pid === null || !pidAlive ? "a process" : `pid ${String(pid)}`;
      return `${who} holds it (${ownerReason}); force would remove it all the same`;
    }
    case "held-here":
      return "this process holds it and can release it";
    case "guard-busy":
      return `other processes are at work on it, guard ${guardPath ?? "unknown"}${because}`;
    case "no-guard":
      return `nothing here makes its removal safe${because}`;
    case "other-view": {
      const what = "its holder's file lies on another device, of which this is another view";
      const canForce = inspection.ownerState === "gone";
      return canForce ? `${what}; force would remove it: ${ONLY_VIEW}` : what;
    }
    case "not-a-lock":
      return "the file has the form of no lock";
    case "unreadable":
      return `the file cannot be read as a lock${because}`;
    case "error":
      return `the file system refused${because}`;
  }
}
