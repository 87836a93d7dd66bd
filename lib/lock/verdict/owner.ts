/**
 * From evidence to a verdict: is the process that wrote this lock the `same` that runs now, `gone`, or
 * `unknown`? Pure.
 *
 * Evidence, strongest first; the first that decides wins:
 *
 * 1. **Kernel lock.** A holder keeps an exclusive kernel lock on its lock file from before the file is
 *    visible until after it is gone. *Held* → same, always: no boot, namespace or file system has to be known
 *    to respect a holder. *Free* → gone, where that can only mean the holder's end ({@link weighKernelLock}).
 * 2. **Identity token.** Names the process exactly; `gone` only on proof.
 * 3. **pid + start time** of a plain lock. It names neither host nor pid namespace: it counts for nothing on
 *    another machine's disk, and from a host only after a look at its containers.
 * 4. **pid alone.** As 3. A live pid alone proves nothing.
 *
 * A lock with a nonce is this package's and never plain: without token and kernel lock its owner is unknown.
 * Nothing else is proof: not age, not host names, not EPERM, not an unreadable command line. The rule is
 * one-sided on purpose: a live process is never called gone; a dead one may be called unknown. Evidence that
 * cannot be had is never taken for evidence.
 */
import type { HostFacts, ProcessIdentity } from "../../process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../process/nested-processes.js";
import type { ProcessVerdict } from "../../process/judge-token.js";
import {
  isOfOtherBoot,
  isOfOtherNamespace,
  isOfSameHost,
  isSameBoot,
  parseToken,
  type ProcessToken,
  type TokenHost,
} from "../../process/token.js";
import type { LockAttempt } from "../protocol/lock-fs.js";
import type { FileSystem } from "../protocol/file-system-kind.js";
import type { SessionLockPayload } from "../protocol/payload.js";

export type OwnerState = "same" | "gone" | "unknown";

/**
 * Why {@link OwnerState} is what it is.
 *
 * - of the kernel lock: `kernel-lock-held`, `kernel-lock-free`; `mount-gone`: the overlay that it was taken
 *   through is mounted no more
 * - of the token: `running` and every reason of `verifyProcess`; `pid-mismatch` when the lock's pid is
 *   not the token's
 * - `no-token`: this package wrote the lock, and nothing in it can be verified here
 * - of a plain lock: `start-time-equal`, `start-time-differs`, `earlier-boot`, the reason of a pid that
 *   is not alive, `unproven` (alive, nothing more is known), `other-host` (a network's file system),
 *   `other-pid-namespace` (a container's process may own it), `plain-lock` (the caller asked to keep those)
 * - `missing-pid`: the lock names nobody
 * - `held-here`: this very process holds it
 * - `unreadable`: the lock file could not be read
 */
export type OwnerReason =
  | "kernel-lock-held"
  | "kernel-lock-free"
  | "mount-gone"
  | ProcessVerdict["reason"]
  | "pid-mismatch"
  | "no-token"
  | "start-time-equal"
  | "start-time-differs"
  | "earlier-boot"
  | "thread-id"
  | "invalid-pid"
  | "unproven"
  | "plain-lock"
  | "missing-pid"
  | "held-here"
  | "unreadable";

/**
 * What the kernel says of a lock file.
 *
 * - `held`, `free`
 * - `free-unconfirmed`: free, but the file system's daemon may keep locks to itself
 * - `other-mount`: the holder's file lies on another overlay mount of this boot. An upper directory has one at
 *   a time, so the holder's is gone
 * - `other-view`: the holder's file lies on another device: this is another view of it, with no guard in
 *   common, and not ours to remove
 * - `silent`: nothing that counts
 */
export type KernelEvidence =
  | "held"
  | "free"
  | "free-unconfirmed"
  | "other-mount"
  | "other-view"
  | "silent";

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
  /**
   * A look at the processes of nested pid namespaces may change this judgement and was not made. Until it
   * was, nothing may be removed.
   */
  readonly needsNestedLook: boolean;
}

/** Whether a plain lock's pid counts for anything. */
export type PlainLocks = "judge" | "keep";

export const PLAIN_LOCKS: readonly PlainLocks[] = ["judge", "keep"];

/** Where the facts come from; each is asked only when the evidence before it did not decide. */
export interface OwnerFacts {
  readonly kernel: KernelEvidence;
  readonly verify: (token: ProcessToken) => ProcessVerdict;
  readonly identity: (pid: number) => ProcessIdentity;
  readonly host: Pick<HostFacts, "platform" | "startTimeOffset">;
  readonly tokenHost: TokenHost;
  /** Linux: clock ticks since boot without any time-namespace offset; null when not known. */
  readonly sinceBootTicks: () => number | null;
  /** Linux: what a process's own time namespace adds to start times, in clock ticks; null when not known. */
  readonly startTimeOffsetOf: (pid: number) => number | null;
  readonly fileSystem: () => FileSystem;
  /** The lock file lies on a disk that only this machine's kernel uses; see {@link isDiskOfThisMachine}. */
  readonly isOnOwnDisk: () => boolean;
  /** A look that began after the lock was read; null: none was made. */
  readonly nested: NestedProcesses | null;
  readonly plainLocks: PlainLocks;
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

/** What a payload says of its kernel lock, and where it was found. */
export interface KernelLockClaim {
  readonly recorded: Pick<SessionLockPayload, "kernelLock" | "fileSystem" | "verified">;
  /** null: the payload has none that can be read. */
  readonly token: ProcessToken | null;
  /** `<st_dev>:<st_ino>` of the descriptor to be probed. */
  readonly found: string;
}

/**
 * What a probe of the lock file's kernel lock is worth.
 *
 * *Held* on the recorded inode is proof wherever it is seen. *Free* there is proof on a file system whose locks
 * live in this kernel: a disk belongs to one kernel, so a holder of an earlier boot is gone with it. Where the
 * device number is no disk's ({@link isDiskOfThisMachine}), an earlier boot must be this host's. FUSE: a
 * daemon may keep locks to itself, and virtual machines share folders: free counts only in the holder's own
 * boot, and only when the holder saw its own lock from outside.
 */
export function weighKernelLock(
  { recorded, token, found }: KernelLockClaim,
  host: TokenHost,
  fileSystem: () => FileSystem,
  probe: () => LockAttempt,
): KernelEvidence {
  if (recorded.kernelLock === null) return "silent";
  const isOurBoot = token !== null && isSameBoot(token, host);
  if (recorded.kernelLock !== found) {
    // Another inode of the same device is a copy, or a file system that numbers anew: the token decides.
    if (deviceOf(recorded.kernelLock) === deviceOf(found) || !isOurBoot) return "silent";
    const areOverlays = recorded.fileSystem === OVERLAY && fileSystem().name === OVERLAY;
    return areOverlays ? "other-mount" : "other-view";
  }
  const answer = probe();
  if (answer === "held") return "held";
  if (answer !== "acquired") return "silent";
  const { kind } = fileSystem();
  if (kind === "fuse")
    return isOurBoot && recorded.verified === true ? "free-unconfirmed" : "silent";
  if (kind !== "local") return "silent";
  return isOurBoot || isDiskOfThisMachine(found, token, host) ? "free" : "silent";
}

const OVERLAY = "overlay";

/**
 * Whether what is written on a local file system was written by this machine, whatever boot it was. A disk is
 * used by one kernel at a time. A file system without a disk of its own (overlay, btrfs' subvolumes, tmpfs:
 * their device numbers have the major 0) may lie on something shared: there the host must be the token's.
 *
 * @param fileId - `<st_dev>:<st_ino>`
 */
export function isDiskOfThisMachine(
  fileId: string,
  token: ProcessToken | null,
  host: TokenHost,
): boolean {
  return (
    !isAnonymousDevice(deviceOf(fileId), host.platform) ||
    (token !== null && isOfSameHost(token, host))
  );
}

/** Linux's makedev(3): the major is bits 8 to 19 and from 44 on. Elsewhere local file systems have a disk. */
function isAnonymousDevice(device: string, platform: string): boolean {
  if (platform !== "linux" && platform !== "android") return false;
  const bits = BigInt(device);
  return ((bits >> 8n) & 0xfffn) === 0n && bits >> 44n === 0n;
}

function deviceOf(fileId: string): string {
  return fileId.slice(0, fileId.indexOf(":"));
}

/** True for locks of other programs, which have none of this package's keys. */
export function isPlain({ nonce, owner }: SessionLockPayload): boolean {
  return nonce === null && owner === null;
}

/** Judges who wrote a lock, by the evidence chain described at the top of this file. */
export function judgeOwner(payload: SessionLockPayload, facts: OwnerFacts): OwnerJudgement {
  if (facts.kernel === "held") return same("kernel-lock-held");
  const token = tokenOf(payload);
  if (token === "malformed" || token === "pid-mismatch") return undecidable(token);
  if (token === "absent" && isPlain(payload)) return judgePlain(payload, facts);
  const judged = token === "absent" ? undecidable("no-token") : judgeByToken(token, facts);
  switch (facts.kernel) {
    case "free":
      // The pid tells people more than the kernel lock does, where it agrees.
      return gone("kernel-lock-free", judged.end ?? "holder-gone");
    case "free-unconfirmed":
    case "other-mount": {
      if (judged.state === "same") return judged;
      const reason = facts.kernel === "other-mount" ? "mount-gone" : "kernel-lock-free";
      const { end, needsNestedLook } = judged;
      // The token may still prove the owner alive: a look at its container can answer for it.
      return { ...gone(reason, end ?? "holder-gone"), needsNestedLook };
    }
    default:
      return judged;
  }
}

function judgeByToken(token: ProcessToken, facts: OwnerFacts): OwnerJudgement {
  const { tokenHost } = facts;
  if (isOfOtherBoot(token, tokenHost)) {
    // Cloned machines share their ids; only a disk of our own shows locks of our own earlier boots.
    const isOurs = facts.fileSystem().kind === "local" && facts.isOnOwnDisk();
    return isOurs ? gone("rebooted", "dead-pid") : undecidable("other-host");
  }
  const { state, reason } = facts.verify(token);
  switch (state) {
    case "same":
      return same(reason);
    case "gone":
      return gone(reason, reason === "recycled" ? "recycled-pid" : "dead-pid");
    case "unknown": {
      const needsNestedLook =
        facts.nested === null &&
        tokenHost.initialPidNamespace &&
        isSameBoot(token, tokenHost) &&
        isOfOtherNamespace(token, tokenHost);
      return { ...undecidable(reason), needsNestedLook };
    }
  }
}

/** A plain lock: what its pid says here, unless it may be another machine's or a container's. */
function judgePlain(payload: SessionLockPayload, facts: OwnerFacts): OwnerJudgement {
  const { pid, starttime } = payload;
  if (pid === null) return NAMES_NO_PROCESS;
  const { kind } = facts.fileSystem();
  if (kind === "network" || kind === "unlisted") return undecidable("other-host");
  const judged = judgePid(pid, starttime, facts);
  if (judged.undecidable) return judged;
  // Not even a proven owner: it may be overdue, or an orphan of our own pid, and those are removed.
  if (facts.plainLocks === "keep") return undecidable("plain-lock");
  if (judged.state === "same") return judged;
  return hasNamespaces(facts.host.platform) ? askNested(pid, starttime, judged, facts) : judged;
}

const NAMES_NO_PROCESS: OwnerJudgement = {
  state: "unknown",
  reason: "missing-pid",
  end: null,
  undecidable: false,
  needsNestedLook: false,
};

function hasNamespaces(platform: NodeJS.Platform): boolean {
  return platform === "linux" || platform === "android";
}

/**
 * Whether a process of a nested namespace may have written the lock, which then names it by its pid in there.
 * From the initial pid namespace every process can be seen, and none that is hidden may be taken for absent.
 * Inside a container the neighbours cannot be seen at all: there the pid decides, as in other programs, for a
 * restarted container must recover.
 */
function askNested(
  pid: number,
  starttime: number | null,
  judged: OwnerJudgement,
  { nested, tokenHost, host }: OwnerFacts,
): OwnerJudgement {
  if (nested === null) return { ...judged, needsNestedLook: true };
  const answers = new Set(
    nested.having(pid).map((other) => compareNested(starttime, other, host.startTimeOffset)),
  );
  if (answers.has("equal")) return same("start-time-equal");
  // Where we are not known to be in a container we may be on its host.
  const isInContainer = !tokenHost.initialPidNamespace && tokenHost.pidNamespace !== null;
  const mayBeHidden = !nested.isComplete && !isInContainer;
  return mayBeHidden || answers.has("unknown") ? undecidable("other-pid-namespace") : judged;
}

function compareNested(
  recorded: number | null,
  { startTime, startTimeOffset }: NestedProcess,
  ownOffset: number | null,
): "equal" | "differs" | "unknown" {
  return compareTicks(recorded, startTime, [0, ownOffset, startTimeOffset]);
}

function judgePid(pid: number, starttime: number | null, facts: OwnerFacts): OwnerJudgement {
  const identity = facts.identity(pid);
  if (identity.state === "gone") {
    return gone(identity.reason === "running" ? "no-such-process" : identity.reason, "dead-pid");
  }
  const compared = compareStartTime(starttime, identity.startTime, facts.host, () =>
    facts.startTimeOffsetOf(pid),
  );
  if (compared === "equal") return same("start-time-equal");
  // A start time that was recorded but cannot be compared could prove the owner gone or alive: keep.
  if (identity.state === "unknown" || (starttime !== null && identity.startTime === null)) {
    return undecidable(identity.reason === "unsupported" ? "unsupported" : "access-denied");
  }
  if (starttime !== null && isFromEarlierBoot(starttime, facts)) {
    return gone("earlier-boot", "dead-pid");
  }
  if (compared === "differs") return gone("start-time-differs", "recycled-pid");
  return {
    state: "unknown",
    reason: "unproven",
    end: null,
    undecidable: false,
    needsNestedLook: false,
  };
}

/**
 * Compares a plain lock's `starttime` with what the OS says of its pid now.
 *
 * Linux: clock ticks, which the writer may have read inside our time namespace, inside its own or outside of
 * both, so all readings count as equal. Elsewhere writers use several units, told apart by magnitude
 * (≥ 10¹⁴ µs, ≥ 10¹¹ ms, ≥ 10⁹ s since the epoch), and one unit of difference is rounding.
 *
 * @param offsetOfPid - What the pid's own time namespace adds, in clock ticks; null: not known.
 */
export function compareStartTime(
  recorded: number | null,
  actual: number | null,
  host: Pick<HostFacts, "platform" | "startTimeOffset">,
  offsetOfPid: () => number | null,
): "equal" | "differs" | "unknown" {
  if (recorded === null || actual === null) return "unknown";
  if (hasNamespaces(host.platform)) {
    const compared = compareTicks(recorded, actual, [0, host.startTimeOffset]);
    if (compared !== "differs") return compared;
    return compareTicks(recorded, actual, [host.startTimeOffset, offsetOfPid()]);
  }
  const microsecondsPerUnit = unitOfEpochTime(recorded);
  if (microsecondsPerUnit === null) return "unknown";
  return Math.abs(recorded - Math.floor(actual / microsecondsPerUnit)) <= 1 ? "equal" : "differs";
}

/** @param offsets - Of the time namespaces in which the recorded one may have been read; null: not known. */
function compareTicks(
  recorded: number | null,
  actual: number | null,
  offsets: readonly (number | null)[],
): "equal" | "differs" | "unknown" {
  if (recorded === null || actual === null) return "unknown";
  const known = offsets.filter((offset) => offset !== null);
  // An offset that is not a whole tick makes two readings round differently.
  const tolerance = known.every(Number.isInteger) ? 0 : 1;
  const isEqual = known.some((offset) => Math.abs(recorded - (actual + offset)) <= tolerance);
  return isEqual ? "equal" : "differs";
}

function unitOfEpochTime(value: number): number | null {
  if (value >= 1e14) return 1;
  if (value >= 1e11) return 1e3;
  return value >= 1e9 ? 1e6 : null;
}

function isFromEarlierBoot(starttime: number, { host, sinceBootTicks }: OwnerFacts): boolean {
  if (!hasNamespaces(host.platform) || host.startTimeOffset === null) return false;
  const sinceBoot = sinceBootTicks();
  if (sinceBoot === null) return false;
  // Whichever time namespace the writer was in; two ticks for the rounding of both clocks.
  return starttime > Math.max(sinceBoot, sinceBoot + host.startTimeOffset) + 2;
}

function same(reason: OwnerReason): OwnerJudgement {
  return { state: "same", reason, end: null, undecidable: false, needsNestedLook: false };
}

function gone(reason: OwnerReason, end: NonNullable<OwnerJudgement["end"]>): OwnerJudgement {
  return { state: "gone", reason, end, undecidable: false, needsNestedLook: false };
}

function undecidable(reason: OwnerReason): OwnerJudgement {
  return { state: "unknown", reason, end: null, undecidable: true, needsNestedLook: false };
}
