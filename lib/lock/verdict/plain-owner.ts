/** The owner of a plain lock, which another program wrote: a pid, perhaps with a start time. Pure. */
import type { HostFacts, ProcessIdentity } from "../../process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../process/nested-processes.js";
import type { TokenHost } from "../../process/token.js";
import type { FileSystem } from "../protocol/file-system-kind.js";
import type { LockPayload } from "../protocol/payload.js";
import { gone, type OwnerJudgement, same, undecidable, unproven } from "./owner-judgement.js";
import { compareStartTime, compareTicks, hasNamespaces, isFromEarlierBoot } from "./start-time.js";

/** Whether a plain lock's pid counts for anything. */
export type PlainLocks = "judge" | "keep";

export const PLAIN_LOCKS: readonly PlainLocks[] = ["judge", "keep"];

/** Each is asked only when the evidence before it did not decide. */
export interface PlainOwnerFacts {
  readonly identity: (pid: number) => ProcessIdentity;
  readonly host: Pick<HostFacts, "platform" | "startTimeOffset">;
  readonly tokenHost: TokenHost;
  /** Linux: clock ticks since boot without any time-namespace offset; null when not known. */
  readonly sinceBootTicks: () => number | null;
  /** Linux: what a process's own time namespace adds to start times, in clock ticks; null when not known. */
  readonly startTimeOffsetOf: (pid: number) => number | null;
  readonly fileSystem: () => FileSystem;
  /** A look that began after the lock was read; null: none was made. */
  readonly nested: NestedProcesses | null;
  readonly plainLocks: PlainLocks;
}

/** A plain lock: what its pid says here, unless it may be another machine's or a container's. */
export function judgePlain(payload: LockPayload, facts: PlainOwnerFacts): OwnerJudgement {
  const { pid, starttime } = payload;
  if (pid === null) return unproven("missing-pid");
  const { kind } = facts.fileSystem();
  if (kind === "network" || kind === "unlisted") return undecidable("other-host");
  const judged = judgePid(pid, starttime, facts);
  if (judged.undecidable) return judged;
  // Not even a proven owner: it may be overdue, or an orphan of this process's pid, and those are removed.
  if (facts.plainLocks === "keep") return undecidable("plain-lock");
  if (judged.state === "same") return judged;
  return hasNamespaces(facts.host.platform) ? askNested(pid, starttime, judged, facts) : judged;
}

/**
 * Whether a process of a nested namespace may have written the lock, which then names it by its pid in there.
 * From the initial pid namespace every process can be seen, and none that is hidden may be taken for absent.
 * Inside a container other containers' processes cannot be seen at all: there the pid decides, as in other programs,
 * for a restarted container must recover.
 */
function askNested(
  pid: number,
  starttime: number | null,
  judged: OwnerJudgement,
  { nested, tokenHost, host }: PlainOwnerFacts,
): OwnerJudgement {
  if (nested === null) return { ...judged, needsNestedLook: true };
  const answers = new Set(
    nested.having(pid).map((other) => compareNested(starttime, other, host.startTimeOffset)),
  );
  if (answers.has("equal")) return same("start-time-equal");
  // A process that is not known to be in a container may be on its host.
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

function judgePid(pid: number, starttime: number | null, facts: PlainOwnerFacts): OwnerJudgement {
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
  if (starttime !== null && isFromEarlierBoot(starttime, facts.host, facts.sinceBootTicks)) {
    return gone("earlier-boot", "dead-pid");
  }
  if (compared === "differs") return gone("start-time-differs", "recycled-pid");
  return unproven("unproven");
}
