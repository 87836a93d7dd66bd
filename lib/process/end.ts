/** Ending a process, and what descends from it: those very processes, never later ones of their pids. */
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkSignal,
  checkString,
  checkTimeout,
  optional,
} from "../util/check-values.js";
import { throwIfAborted } from "../util/on-abort.js";
import { printable } from "../util/printable.js";
import type { ProcessIdentity } from "./backends/backend.js";
import { processBackend } from "./backends/select-backend.js";
import { identityOf, tokenHost, tokenOfIdentity } from "./identity.js";
import type { ProcessGoneReason, ProcessUnknownReason } from "./judge-token.js";
import { openProcess } from "./open-process.js";
import { parseToken } from "./token.js";
import { endMembers } from "./tree/end-members.js";
import { Member } from "./tree/member.js";
import { callerAndAncestors, Tree } from "./tree/tree.js";

export interface EndProcessOptions {
  /**
   * Milliseconds between SIGTERM and SIGKILL; 0 asks and kills at once, Infinity never kills. Default 5000. Windows knows
   * no SIGTERM: there processes are terminated at once.
   */
  readonly graceMs?: number | undefined;
  /** Also all that descend from it. Default false. */
  readonly tree?: boolean | undefined;
  /** Aborting rejects with the signal's reason; nothing is sent after it but SIGCONT to what was stopped by this. */
  readonly signal?: AbortSignal | undefined;
}

/** A process that has ended after it was told to. */
export interface EndedProcess {
  readonly pid: number;
  /** Names that very process, see `identifyProcess`; null when it could not be named. */
  readonly token: string | null;
  /** The last signal that it was sent; on Windows always SIGKILL, which stands for TerminateProcess. */
  readonly signal: "SIGTERM" | "SIGKILL";
}

/**
 * A process that was meant and still runs. `access-denied`: it is another user's and was sent nothing (more).
 * `unsupported`: nothing here can signal it, or list what descends from it. `running`: it was sent all that there is and
 * has not ended, as one that is stuck in the kernel; or `graceMs` was Infinity and others were denied.
 */
export interface SurvivingProcess {
  readonly pid: number;
  readonly token: string | null;
  readonly reason: "access-denied" | "unsupported" | "running";
}

/** What became of the process, and with `tree` of those that descend from it. */
export type EndProcessResult = {
  /** The process that was named first, each behind what started it. Without those that ended before they were told to. */
  readonly killed: readonly EndedProcess[];
  readonly survivors: readonly SurvivingProcess[];
} & (
  | {
      /** It ran and has ended; with `tree` all that were found have. */
      readonly state: "ended";
      readonly reason: "exited";
    }
  | {
      /** It had ended before: nothing was sent, also to what descends from it. */
      readonly state: "gone";
      readonly reason: ProcessGoneReason;
    }
  | {
      /** Nothing proves which process it is, and nothing was sent; or some survived. */
      readonly state: "unknown";
      readonly reason: ProcessUnknownReason | SurvivingProcess["reason"];
    }
);

const CHECKS: OptionChecks<EndProcessOptions> = {
  graceMs: optional(checkTimeout),
  tree: optional(checkBoolean),
  signal: optional(checkSignal),
};

/** {@link endProcess} was asked to end the process that calls it, or one that this descends from. Nothing was sent. */
export class EndOwnProcessError extends Error {
  override readonly name = "EndOwnProcessError";
  readonly code = "PROCESS_IS_OWN";
  readonly pid: number;
  readonly token: string;
  readonly relation: "caller" | "ancestor";

  constructor(token: string, pid: number, relation: "caller" | "ancestor") {
    const which =
      relation === "caller" ? "the calling process itself" : "an ancestor of the caller";
    super(printable(`endProcess must not be given ${which}: pid ${pid}, ${token}`));
    this.token = token;
    this.pid = pid;
    this.relation = relation;
  }
}

/**
 * Ends the process that a token names: SIGTERM (and SIGCONT, in case it is stopped), up to `graceMs` of waiting, SIGKILL.
 * A reference to it is held all the while: the signals go to that very process or to none.
 *
 * With `tree` the same for all that descend from it. On POSIX they are stopped for some milliseconds until a look finds
 * no more of them, then all get SIGTERM, the named one first, and go on; what is left when the grace is over is stopped in
 * the same way and killed. So a tree that keeps forking does not outrun it, and a process born meanwhile is found. What a
 * member starts while it ends is not sent SIGTERM unless that member ends first, and is killed with the rest. Where the
 * calling process is itself killed in these milliseconds, the tree stays stopped.
 *
 * Found is what has a member for its parent, and on Linux what is in a session that a member leads, so that orphans of
 * members are found there. An orphan outside of such a session that was not seen while its parent lived cannot be proven
 * to be of the tree and is left alone, as is a daemon (a session of its own and process 1 for its parent). The calling
 * process and its ancestors are never sent anything.
 *
 * @returns When all have ended, or five seconds after SIGKILL. Never holds the event loop for longer than a slice (4 ms).
 * @throws {@link EndOwnProcessError} (rejection) when the token names the caller or an ancestor; {@link ProcessListError}
 * when, with `tree`, no descriptors are left to look with: what has been stopped goes on; the signal's reason when aborted;
 * TypeError or RangeError for bad options. All before anything is sent, but for an abort.
 */
export async function endProcess(
  token: string,
  options: EndProcessOptions = {},
): Promise<EndProcessResult> {
  checkString("token", token);
  checkOptions(options, CHECKS);
  const { graceMs = 5000, tree: withDescendants = false, signal } = options;
  throwIfAborted(signal);

  const opened = openProcess(token);
  if (opened.state !== "same") return { ...opened, killed: [], survivors: [] };
  const { reference } = opened;
  try {
    const here = findHere(token, reference.identity());
    if (here === null) return unknown("other-pid-namespace");
    const { pid, identity } = here;
    if (callerAndAncestors().has(pid)) {
      throw new EndOwnProcessError(token, pid, pid === process.pid ? "caller" : "ancestor");
    }
    const canFind = processBackend().list() !== null && identity.startTime !== null;
    if (withDescendants && !canFind) return unknown("unsupported");
    const members = new Tree(new Member(pid, identity, reference, null, 0), signal);
    try {
      members.root.probe();
      const isOurs = members.root.refusal === null;
      if (isOurs) await endMembers({ members, withDescendants, graceMs, signal });
      return resultOf(members, token);
    } finally {
      members.close();
    }
  } finally {
    reference.close();
  }
}

function unknown(reason: ProcessUnknownReason): EndProcessResult {
  return { state: "unknown", reason, killed: [], survivors: [] };
}

/** A process of a nested pid namespace has another number here; null: it cannot be found. */
function findHere(
  token: string,
  identity: ProcessIdentity,
): { readonly pid: number; readonly identity: ProcessIdentity } | null {
  const named = parseToken(token);
  if (named === null) return null;
  if (named.pidNamespace === tokenHost().pidNamespace) return { pid: named.pid, identity };
  if (identity.exactId === null) return null;
  for (const pid of processBackend().list() ?? []) {
    // A reference by exact id does not tell of the start.
    const candidate = identityOf(pid);
    if (candidate.exactId === identity.exactId) return { pid, identity: candidate };
  }
  return null;
}

function resultOf({ root, members }: Tree, rootToken: string): EndProcessResult {
  const killed: EndedProcess[] = [];
  const survivors: SurvivingProcess[] = [];
  for (const member of members) {
    const { pid, identity, refusal, sent } = member;
    const token = member === root ? rootToken : tokenOfIdentity(pid, identity);
    if (!member.hasEnded()) survivors.push({ pid, token, reason: refusal ?? "running" });
    else if (sent !== null) killed.push({ pid, token, signal: sent });
  }
  const [first] = survivors;
  return first === undefined
    ? { state: "ended", reason: "exited", killed, survivors }
    : { state: "unknown", reason: first.reason, killed, survivors };
}
