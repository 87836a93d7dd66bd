/**
 * A process and all that descend from it, found again and again while they are ended.
 *
 * A process becomes a member only on proof:
 * - it names a member as its parent, a reference to it was held before it was asked, and the member was alive after that
 *   (POSIX: the number was the member's all along), or is kept by a handle (Windows: likewise, also once it has ended);
 * - Linux: it is in a session that a member leads, see linux-stat.ts. So members' orphans are found that have gone to
 *   process 1 or to a subreaper, however often they were handed on.
 *
 * Not provable, and left alone: an orphan that was never seen while its parent was alive and is in no such session.
 * Nothing forks unseen while all members are stopped, see freeze.ts.
 */
import { TimeSlice } from "../../util/time-slice.js";
import type { ProcessIdentity, ProcessReference } from "../backends/backend.js";
import { processBackend } from "../backends/select-backend.js";
import { ancestorsOf } from "../get-relatives.js";
import { identityOf } from "../identity.js";
import { isProcOurs } from "../nested-processes.js";
import { isValidPid } from "../pid.js";
import type { ProcessInfo } from "../process-info.js";
import { isParentOf } from "../relatives.js";
import { linuxStat } from "./linux-stat.js";
import { isSame, Member } from "./member.js";

/** How many processes are asked about by one call. */
const AT_ONCE = 64;

export class Tree {
  readonly root: Member;
  /** Also those that have ended; the root first, each behind its parent. */
  readonly members: Member[];
  /** The latest member of each pid. */
  readonly #byPid = new Map<number, Member>();
  /** By the number of a session that its leader, a member, founded: the leader, or another member known to be in it. */
  readonly #sessions = new Map<number, Member>();
  readonly #spared: ReadonlySet<number>;
  readonly #usesSessions = isProcOurs();
  readonly #ownSession = linuxStat(process.pid)?.session ?? 0;
  readonly #signal: AbortSignal | undefined;
  readonly #slice = new TimeSlice();

  constructor(root: Member, signal: AbortSignal | undefined) {
    this.root = root;
    this.members = [root];
    this.#byPid.set(root.pid, root);
    this.#spared = callerAndAncestors();
    this.#signal = signal;
    this.#noteSession(root);
  }

  /** Those that run and may be signalled, the root first. */
  running(): Member[] {
    return this.members.filter((member) => member.refusal === null && !member.hasEnded());
  }

  /** Gives the event loop a turn where one is due; rejects with the signal's reason. */
  async breathe(): Promise<void> {
    if (this.#slice.exhausted()) await this.#slice.next();
    this.#signal?.throwIfAborted();
  }

  /**
   * Looks at every process once.
   *
   * @param onFound - Is told of each new member as soon as it is found.
   * @returns the members that were not known yet
   */
  async look(onFound?: (member: Member) => void): Promise<Member[]> {
    this.#slice.restart();
    const children = await this.#listByParent();
    const found: Member[] = [];
    const note = (member: Member | null): void => {
      if (member === null) return;
      found.push(member);
      onFound?.(member);
    };
    // The list grows while it is gone through: a new member's children are behind it.
    for (let i = 0; i < this.members.length; i++) {
      const parent = this.members[i];
      if (parent === undefined || !this.#hasNumber(parent)) continue;
      for (const child of children.get(parent.pid) ?? []) {
        await this.breathe();
        note(this.#adoptChild(parent, child));
      }
    }
    await this.#noteNewSessions();
    for (const infos of this.#sessions.size === 0 ? [] : children.values()) {
      for (const info of infos) {
        await this.breathe();
        note(this.#adoptBySession(info));
      }
    }
    return found;
  }

  close(): void {
    for (const member of this.members) member.close();
  }

  async #listByParent(): Promise<Map<number, ProcessInfo[]>> {
    const children = new Map<number, ProcessInfo[]>();
    const pids = Array.from(processBackend().list() ?? []);
    for (let asked = 0; asked < pids.length;) {
      await this.breathe();
      const some = pids.slice(asked, asked + AT_ONCE);
      const infos = processBackend().inspectMany(some, false, this.#slice.leftMs());
      asked += infos.length;
      for (const info of infos) {
        if (!this.#mayBeNew(info)) continue;
        const parent = info.parentPid ?? 0;
        const known = children.get(parent);
        if (known === undefined) children.set(parent, [info]);
        else known.push(info);
      }
    }
    return children;
  }

  #mayBeNew({ pid, state, startTime }: ProcessInfo): boolean {
    if (state === "gone" || startTime === null || this.#spared.has(pid)) return false;
    const known = this.#byPid.get(pid);
    return known === undefined || known.hasEnded() || known.identity.startTime !== startTime;
  }

  #adoptChild(parent: Member, child: ProcessInfo): Member | null {
    const { pid, identity } = parent;
    if (!isParentOf({ pid, parentPid: null, startTime: identity.startTime }, child)) return null;
    if (this.#byPid.get(child.pid)?.hasEnded() === false) return null;
    return this.#adopt(
      parent,
      false,
      child,
      (again) => again.parentPid === pid && this.#hasNumber(parent),
    );
  }

  /** Whether no other process can have had this member's pid a moment ago. */
  #hasNumber(member: Member): boolean {
    return member.keepsPid || !member.hasEnded();
  }

  /** Reference first, questions second: what is then true of the pid is true of the process that is referenced. */
  #adopt(
    near: Member,
    isOrphan: boolean,
    listed: ProcessInfo,
    isProven: (again: ProcessInfo) => boolean,
  ): Member | null {
    const { pid } = listed;
    const reference = processBackend().reference(pid);
    const identity = reference?.identity() ?? identityOf(pid);
    const isMember =
      identity.state !== "gone" &&
      identity.startTime === listed.startTime &&
      isProven(processBackend().inspect(pid, false)) &&
      isStill(pid, identity, reference);
    if (!isMember) {
      reference?.close();
      return null;
    }
    const member = new Member(pid, identity, reference, isOrphan ? null : near, near.depth + 1);
    this.members.push(member);
    this.#byPid.set(pid, member);
    this.#noteSession(member);
    return member;
  }

  /** A member can have founded a session since it was found, unless it had stopped before it was last asked. */
  async #noteNewSessions(): Promise<void> {
    for (const member of this.members) {
      if (member.isSettled || member.hasEnded()) continue;
      await this.breathe();
      const wasAtRest = member.isAtRest;
      this.#noteSession(member);
      member.isSettled = wasAtRest;
    }
  }

  #adoptBySession(info: ProcessInfo): Member | null {
    const { pid, startTime } = info;
    if (this.#byPid.get(pid)?.hasEnded() === false || !isValidPid(pid)) return null;
    if ((startTime ?? -1) < (this.root.identity.startTime ?? Infinity)) return null;
    const session = linuxStat(pid)?.session ?? 0;
    const known = this.#sessions.get(session);
    if (known === undefined) return null;
    return this.#adopt(
      known,
      true,
      info,
      () => linuxStat(pid)?.session === session && this.#isIn(session),
    );
  }

  /** Is a member alive that is in this session, which a member has founded? */
  #isIn(session: number): boolean {
    const known = this.#sessions.get(session);
    if (known !== undefined && isIn(known, session)) return true;
    const other = this.members.find((member) => isIn(member, session));
    if (other === undefined) this.#sessions.delete(session);
    else this.#sessions.set(session, other);
    return other !== undefined;
  }

  /** A session that the caller is in, too, says nothing: what it has started would be among them. */
  #noteSession(member: Member): void {
    if (!this.#usesSessions || this.#sessions.has(member.pid)) return;
    const session = linuxStat(member.pid)?.session;
    if (session !== member.pid || session === this.#ownSession || member.hasEnded()) return;
    this.#sessions.set(session, member);
  }
}

function isIn(member: Member, session: number): boolean {
  return !member.hasEnded() && linuxStat(member.pid)?.session === session && !member.hasEnded();
}

function isStill(
  pid: number,
  identity: ProcessIdentity,
  reference: ProcessReference | null,
): boolean {
  return reference === null ? isSame(identity, identityOf(pid)) !== false : !reference.exited();
}

/** The pids of this process and of those that it descends from, which are never ended as members. */
export function callerAndAncestors(): ReadonlySet<number> {
  const own = [process.pid, ...ancestorsOf(process.pid, false).map(({ pid }) => pid)];
  // Where it is hidden (Linux: hidepid). Windows keeps the number of a parent that has ended.
  return new Set(process.platform === "win32" ? own : [...own, process.ppid]);
}
