/**
 * From evidence to a verdict: is the process that wrote this lock the `same` that runs now, `gone`, or
 * `unknown`? Pure.
 *
 * Evidence, strongest first; the first that decides wins:
 *
 * 1. **Kernel lock.** A holder keeps an exclusive kernel lock on its lock file from before the file is
 *    visible until after it is gone. Held → same; free → gone, whatever its pid looks like from here. It
 *    survives pid reuse, container restarts (every container's pid is 7), other pid namespaces,
 *    rewritten titles and a hidden /proc. It counts only when it can be nobody else's (see
 *    {@link weighKernelLock}).
 * 2. **Identity token.** Names the process exactly; `gone` only on proof.
 * 3. **pid + start time** of a plain lock. A different start time at the same pid is another process. On
 *    Linux a start time beyond the current uptime proves an earlier boot; nothing else about a plain
 *    lock does.
 * 4. **pid alone.** An absent pid proves death, because nothing says that a plain lock was written in
 *    another pid namespace. A live pid alone proves nothing.
 *
 * Nothing else is proof: not age, not host names, not EPERM, not an unreadable command line. The rule is
 * one-sided on purpose: a live process is never called gone; a dead one may be called unknown.
 */
import type { HostFacts, ProcessIdentity } from "../process/backend.js";
import { parseToken, type ProcessToken, type ProcessVerdict } from "../process/token.js";
import type { LockAttempt } from "../util/lock-fs.js";
import type { FileSystem } from "./file-system.js";
import type { SessionLockPayload } from "./payload.js";

export type OwnerState = "same" | "gone" | "unknown";

/**
 * Why {@link OwnerState} is what it is.
 *
 * - of the kernel lock: `kernel-lock-held`, `kernel-lock-free`
 * - of the token: `running` and every reason of `verifyProcess`; `pid-mismatch` when the lock's pid is
 *   not the token's
 * - of a plain lock: `start-time-equal`, `start-time-differs`, `earlier-boot`, the reason of a pid that
 *   is not alive, `unproven` (alive, nothing more is known)
 * - `missing-pid`: the lock names nobody
 * - `held-here`: this very process holds it
 * - `unreadable`: the lock file could not be read
 */
export type OwnerReason =
  | "kernel-lock-held"
  | "kernel-lock-free"
  | ProcessVerdict["reason"]
  | "pid-mismatch"
  | "start-time-equal"
  | "start-time-differs"
  | "earlier-boot"
  | "thread-id"
  | "invalid-pid"
  | "unproven"
  | "missing-pid"
  | "held-here"
  | "unreadable";

/**
 * What the kernel says of a lock file. `silent`: nothing that counts. `free-unconfirmed`: free, but the
 * file system's daemon may keep locks to itself. `other-view`: the holder's file lies on another device,
 * so this is another view of it (an overlay's upper directory) and not ours to remove.
 */
export type KernelEvidence = "held" | "free" | "free-unconfirmed" | "silent" | "other-view";

export interface OwnerJudgement {
  readonly state: OwnerState;
  readonly reason: OwnerReason;
  /** The reason for removal that follows, if any (`missing-pid` is the classifier's own). */
  readonly end: "dead-pid" | "recycled-pid" | "holder-gone" | null;
  /**
   * The owner can neither be proven alive nor gone for a reason that forbids removal: another host or
   * pid namespace, access denied, an unreadable token.
   */
  readonly undecidable: boolean;
}

/** Where the facts come from; each is asked only when the evidence before it did not decide. */
export interface OwnerFacts {
  readonly kernel: KernelEvidence;
  readonly verify: (token: ProcessToken) => ProcessVerdict;
  readonly identity: (pid: number) => ProcessIdentity;
  readonly host: Pick<HostFacts, "platform" | "startTimeOffset">;
  /** Linux: time since boot in clock ticks, as this process sees it. */
  readonly uptimeTicks: () => number;
  readonly fileSystem: () => FileSystem;
}

/** A payload's token, when it has one that can be read and that speaks of the payload's pid. */
export function tokenOf(
  payload: SessionLockPayload,
): ProcessToken | "absent" | "malformed" | "pid-mismatch" {
  if (payload.owner === null) return "absent";
  const token = parseOnce(payload.owner);
  if (token === null) return "malformed";
  return token.pid === payload.pid ? token : "pid-mismatch";
}

let lastText: string | null = null;
let lastToken: ProcessToken | null = null;

/** Every lock's token is asked for several times in a row, and one gateway's locks all have the same. */
function parseOnce(text: string): ProcessToken | null {
  if (text !== lastText) {
    lastToken = parseToken(text);
    lastText = text;
  }
  return lastToken;
}

/**
 * What a probe of the lock file's kernel lock is worth.
 *
 * It counts only when the payload says that *this* inode carries the holder's lock, this boot's kernel
 * is the one that keeps it, and the file system keeps locks in this kernel.
 *
 * @param recorded the payload's `kernelLock`
 * @param found `<st_dev>:<st_ino>` of the descriptor to be probed
 */
export function weighKernelLock(
  recorded: string | null,
  found: string,
  bootIsOurs: boolean,
  fileSystem: () => FileSystem,
  probe: () => LockAttempt,
): KernelEvidence {
  if (recorded === null || !bootIsOurs) return "silent";
  if (recorded !== found) return deviceOf(recorded) === deviceOf(found) ? "silent" : "other-view";
  const { kind } = fileSystem();
  if (kind !== "local" && kind !== "fuse") return "silent";
  const answer = probe();
  if (answer === "held") return "held";
  if (answer !== "acquired") return "silent";
  return kind === "local" ? "free" : "free-unconfirmed";
}

function deviceOf(kernelLock: string): string {
  return kernelLock.slice(0, kernelLock.indexOf(":"));
}

/** Judges who wrote a lock, by the evidence chain described at the top of this file. */
export function judgeOwner(payload: SessionLockPayload, facts: OwnerFacts): OwnerJudgement {
  const token = tokenOf(payload);
  if (token === "malformed" || token === "pid-mismatch") return undecidable(token);
  if (facts.kernel === "held") return same("kernel-lock-held");
  const judged = token === "absent" ? judgePlain(payload, facts) : judgeByToken(token, facts);
  if (facts.kernel !== "free") return judged;
  // The pid tells people more than the kernel lock does, where it agrees.
  return gone("kernel-lock-free", judged.end ?? "holder-gone");
}

function judgeByToken(token: ProcessToken, facts: OwnerFacts): OwnerJudgement {
  const { state, reason } = facts.verify(token);
  switch (state) {
    case "same":
      return same(reason);
    case "gone":
      // Cloned machines share their ids; only a disk of our own shows locks of our own earlier boots.
      if (reason === "rebooted" && facts.fileSystem().kind !== "local")
        return undecidable("other-host");
      return gone(reason, reason === "recycled" ? "recycled-pid" : "dead-pid");
    case "unknown":
      return undecidable(reason);
  }
}

function judgePlain({ pid, starttime }: SessionLockPayload, facts: OwnerFacts): OwnerJudgement {
  if (pid === null) {
    return { state: "unknown", reason: "missing-pid", end: null, undecidable: false };
  }
  const identity = facts.identity(pid);
  if (identity.state === "gone") {
    return gone(identity.reason === "running" ? "no-such-process" : identity.reason, "dead-pid");
  }
  const compared = compareStartTime(starttime, identity.startTime, facts.host);
  if (compared === "equal") return same("start-time-equal");
  if (starttime !== null && isFromEarlierBoot(starttime, facts)) {
    return gone("earlier-boot", "dead-pid");
  }
  if (compared === "differs") return gone("start-time-differs", "recycled-pid");
  // A start time that was recorded but cannot be compared could prove the owner gone or alive: keep.
  if (identity.state === "unknown" || (starttime !== null && identity.startTime === null)) {
    return undecidable(identity.reason === "unsupported" ? "unsupported" : "access-denied");
  }
  return { state: "unknown", reason: "unproven", end: null, undecidable: false };
}

/**
 * Compares a plain lock's `starttime` with what the OS says of its pid now.
 *
 * Linux: clock ticks, which the writer may have read inside our time namespace or outside of it, so both
 * readings count as equal. Elsewhere writers use several units, told apart by magnitude (≥ 10¹⁴ µs,
 * ≥ 10¹¹ ms, ≥ 10⁹ s since the epoch), and one unit of difference is rounding.
 */
export function compareStartTime(
  recorded: number | null,
  actual: number | null,
  host: Pick<HostFacts, "platform" | "startTimeOffset">,
): "equal" | "differs" | "unknown" {
  if (recorded === null || actual === null) return "unknown";
  if (host.platform === "linux" || host.platform === "android") {
    if (host.startTimeOffset === null) return "unknown";
    // A namespace offset that is not a whole tick makes the two readings round differently.
    const tolerance = Number.isInteger(host.startTimeOffset) ? 0 : 1;
    const isEqual =
      Math.abs(recorded - actual) <= tolerance ||
      Math.abs(recorded - (actual + host.startTimeOffset)) <= tolerance;
    return isEqual ? "equal" : "differs";
  }
  const microsecondsPerUnit = unitOfEpochTime(recorded);
  if (microsecondsPerUnit === null) return "unknown";
  return Math.abs(recorded - Math.floor(actual / microsecondsPerUnit)) <= 1 ? "equal" : "differs";
}

function unitOfEpochTime(value: number): number | null {
  if (value >= 1e14) return 1;
  if (value >= 1e11) return 1e3;
  return value >= 1e9 ? 1e6 : null;
}

function isFromEarlierBoot(starttime: number, { host, uptimeTicks }: OwnerFacts): boolean {
  if (host.platform !== "linux" && host.platform !== "android") return false;
  if (host.startTimeOffset === null) return false;
  const uptime = uptimeTicks();
  // Whichever time namespace the writer was in; two ticks for the rounding of both clocks.
  return starttime > Math.max(uptime, uptime - host.startTimeOffset) + 2;
}

function same(reason: OwnerReason): OwnerJudgement {
  return { state: "same", reason, end: null, undecidable: false };
}

function gone(reason: OwnerReason, end: NonNullable<OwnerJudgement["end"]>): OwnerJudgement {
  return { state: "gone", reason, end, undecidable: false };
}

function undecidable(reason: OwnerReason): OwnerJudgement {
  return { state: "unknown", reason, end: null, undecidable: true };
}
