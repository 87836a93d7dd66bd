/** Whether the process that a token names still runs. Pure: digests and lookups come from identity.ts. */
import type { ProcessIdentity } from "./backends/backend.js";
import type { NestedProcess, NestedProcesses } from "./nested-processes.js";
import type { ProcessReason } from "./process-info.js";
import {
  INITIAL_PID_NAMESPACE,
  isOfOtherBoot,
  isOfOtherNamespace,
  isOfSameHost,
  isSameBoot,
  type ProcessToken,
  type TokenHost,
} from "./token.js";

/** Proof that the named process has ended; `recycled`: its pid belongs to a later process. */
export type ProcessGoneReason = "no-such-process" | "recycled" | "zombie" | "exited" | "rebooted";

/**
 * Why nothing is proven. `other-host`: another machine, or another boot of what may be another machine.
 * `other-pid-namespace`: its pid means nothing here. `access-denied`: the OS hides what would tell the
 * process from a later one. `unsupported`: this backend cannot tell, or has no free file descriptor to. `malformed`: not a token, or one of
 * a newer version.
 */
export type ProcessUnknownReason =
  | "other-host"
  | "other-pid-namespace"
  | "access-denied"
  | "unsupported"
  | "malformed";

/** Is the process that a token names still running? */
export type ProcessVerdict =
  | { readonly state: "same"; readonly reason: "running" }
  | { readonly state: "gone"; readonly reason: ProcessGoneReason }
  | { readonly state: "unknown"; readonly reason: ProcessUnknownReason };

/** The questions that a verdict may need; both may be memoised by the caller. */
export interface TokenLookups {
  /** The process that has a pid now; `invalid-pid` for numbers that no process can have. */
  readonly identity: (pid: number) => ProcessIdentity;
  /** See `ProcessBackend.byExactId`. */
  readonly byExactId: (exactId: string) => Pick<ProcessIdentity, "state" | "reason">;
  /**
   * A look at the processes of nested pid namespaces that began after the token was read; null: none was made.
   * Only asked in the initial pid namespace.
   */
  readonly nested: () => NestedProcesses | null;
}

/**
 * Is the process that a token names still running? `gone` only on proof; whatever is not proven is
 * `unknown`. Looks up nothing but what the verdict needs, at most one question.
 *
 * @param token - From {@link parseToken}; its null, "malformed", is a verdict as well.
 */
export function judgeToken(
  token: ProcessToken | null,
  host: TokenHost,
  lookups: TokenLookups,
): ProcessVerdict {
  if (token === null) return unknown("malformed");
  if (!isSameBoot(token, host)) return judgeOtherBoot(token, host);
  if (isOfOtherNamespace(token, host)) return judgeOtherNamespace(token, host, lookups);
  return judgeByPid(token, lookups.identity(token.pid));
}

/**
 * An earlier boot of this machine ended all its processes, whatever the machine was called then. A container's
 * machine id is its image's, the same on many hosts: it counts when both sides are in the initial pid namespace, or
 * when it was pinned.
 */
function judgeOtherBoot(token: ProcessToken, host: TokenHost): ProcessVerdict {
  const isHostIdTheMachines =
    host.isHostIdPinned ||
    (host.initialPidNamespace && token.pidNamespace === initialPidNamespace(token.platform));
  const rebooted = isOfOtherBoot(token, host) && isOfSameHost(token, host) && isHostIdTheMachines;
  return rebooted ? gone("rebooted") : unknown("other-host");
}

function initialPidNamespace(platform: string): string {
  return isLinux(platform) ? INITIAL_PID_NAMESPACE : "0";
}

/**
 * Its pid means nothing here. Its exact id does, wherever the kernel can be asked about it; and from the initial
 * pid namespace, where every process can be seen, its number in its own namespace with its start time.
 */
function judgeOtherNamespace(
  token: ProcessToken,
  host: TokenHost,
  lookups: TokenLookups,
): ProcessVerdict {
  if (token.exactId !== null) {
    const { state, reason } = lookups.byExactId(token.exactId);
    if (state === "alive") return same();
    if (state === "gone") return gone(endOf(reason));
  }
  const nested = host.initialPidNamespace ? lookups.nested() : null;
  if (nested === null) return unknown("other-pid-namespace");
  const answers = new Set(nested.having(token.pid).map((other) => isNamedBy(token, other)));
  if (answers.has(true)) return same();
  // A token that names no namespace may be one of ours, where such a look finds nothing.
  return token.pidNamespace !== null && nested.isComplete && !answers.has(null)
    ? gone("no-such-process")
    : unknown("other-pid-namespace");
}

/** Whether a process with the token's pid is the token's; null: what is known does not tell. */
export function isNamedBy(token: ProcessToken, candidate: NestedProcess): boolean | null {
  if (token.exactId !== null && candidate.exactId !== null) {
    return token.exactId === candidate.exactId;
  }
  // A process stays in its pid namespace for life.
  const { pidNamespace, startTime } = candidate;
  if (pidNamespace !== null && token.pidNamespace !== null && pidNamespace !== token.pidNamespace) {
    return false;
  }
  if (token.startTime === null || startTime === null) return null;
  return Math.abs(token.startTime - startTime) <= startTimeTolerance(token.platform);
}

function judgeByPid(token: ProcessToken, current: ProcessIdentity): ProcessVerdict {
  const isOther = differs(token, current);
  switch (current.state) {
    case "gone":
      // No process runs under the pid, be it the token's or a later one.
      return gone(isOther === true ? "recycled" : endOf(current.reason));
    case "alive":
      if (isOther === null) return undecided(current.reason);
      return isOther ? gone("recycled") : same();
    case "unknown":
      return isOther === true ? gone("recycled") : undecided(current.reason);
  }
}

/** Is the process that has the pid now another one than the token's? null: what is known does not tell. */
function differs(token: ProcessToken, current: ProcessIdentity): boolean | null {
  if (token.exactId !== null && current.exactId !== null) return token.exactId !== current.exactId;
  if (token.startTime === null || current.startTime === null) return null;
  return Math.abs(token.startTime - current.startTime) > startTimeTolerance(token.platform);
}

/**
 * Linux: one clock tick, because a writer or reader whose time-namespace offset is not a whole number
 * of ticks rounds to a neighbour. Elsewhere: 1 ms, in microseconds.
 */
function startTimeTolerance(platform: string): number {
  return isLinux(platform) ? 1 : 1000;
}

function isLinux(platform: string): boolean {
  return platform === "linux" || platform === "android";
}

/** The end that the reason of a `gone` process stands for: a thread's id is no process's pid. */
export function endOf(reason: ProcessReason): ProcessGoneReason {
  return reason === "zombie" || reason === "exited" ? reason : "no-such-process";
}

function undecided(reason: ProcessReason): ProcessVerdict {
  return unknown(reason === "access-denied" ? "access-denied" : "unsupported");
}

function same(): ProcessVerdict {
  return { state: "same", reason: "running" };
}

function gone(reason: ProcessGoneReason): ProcessVerdict {
  return { state: "gone", reason };
}

function unknown(reason: ProcessUnknownReason): ProcessVerdict {
  return { state: "unknown", reason };
}
