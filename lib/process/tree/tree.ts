/**
 * A process and all that descend from it, found again and again while they are ended.
 *
 * A process becomes a member only on proof:
 * - it names a member as its parent, a reference to it was held before it was asked, and the member was alive after that
 *   (POSIX: the number was the member's all along), or is kept by a handle (Windows: likewise, also once it has ended);
 * - Linux: it is in a session that a member founded, see linux-stat.ts, and another member was in it after that was
 *   read. So members' orphans are found that have gone to process 1 or to a subreaper, however often they were handed on.
 *
 * Not provable, and left alone: an orphan that was never seen while its parent was alive and is in no such session.
 * Nothing forks unseen while all members are stopped, see freeze.ts.
 */
import { runtimeMs } from "../../util/clocks.js";
import { throwIfAborted } from "../../util/on-abort.js";
import { TimeSlice } from "../../util/time-slice.js";
import type { ProcessIdentity, ProcessReference } from "../backends/backend.js";
import { processBackend } from "../backends/select-backend.js";
import { isShortOfDescriptors } from "../descriptor-shortage.js";
import { ancestorsOf } from "../get-relatives.js";
import { identityOf } from "../identity.js";
import { ProcessListError } from "../list.js";
import { isProcOurs } from "../nested-processes.js";
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
  /** By the number of a session: a member that is in it; null: there was none when this look began. */
  readonly #sessions = new Map<number, Member | null>();
  /** The sessions of those that are no members. A process can leave its session only for one of its own. */
  readonly #strangers = new Map<number, { startTime: number | null; session: number }>();
  readonly #spared: ReadonlySet<number>;
  /** The caller's, which says nothing: what the caller has started is in it, too. null: not Linux, or not to be read. */
  readonly #ownSession = isProcOurs() ? (linuxStat(process.pid)?.session ?? null) : null;
  readonly #signal: AbortSignal | undefined;
  readonly #slice = new TimeSlice();
  #lookedAt = -Infinity;
  #keepsReferences = true;
  /** A look was not complete for want of a descriptor. */
  #isShort = false;

  constructor(root: Member, signal: AbortSignal | undefined) {
    this.root = root;
    this.members = [root];
    this.#byPid.set(root.pid, root);
    this.#spared = callerAndAncestors();
    this.#signal = signal;
  }

  /** Those that run and may be signalled, the root first. */
  running(): Member[] {
    return this.members.filter((member) => member.refusal === null && !member.hasEnded());
  }

  /** Milliseconds since the last look began. */
  sinceLookMs(): number {
    return runtimeMs() - this.#lookedAt;
  }

  /** Gives the event loop a turn where one is due; rejects with the signal's reason. */
  async breathe(): Promise<void> {
    if (this.#slice.exhausted()) await this.#slice.next();
    throwIfAborted(this.#signal);
  }

  /**
   * Looks at every process once.
   *
   * @param onFound - Is told of each new member as soon as it is found.
   * @returns the members that were not known yet
   */
  async look(onFound?: (member: Member) => void): Promise<Member[]> {
    this.#slice.restart();
    this.#lookedAt = runtimeMs();
    const found: Member[] = [];
    do {
      this.#isShort = false;
      await this.#lookOnce(found, onFound);
    } while (this.#isShort);
    return found;
  }

  async #lookOnce(found: Member[], onFound?: (member: Member) => void): Promise<void> {
    const children = await this.#listByParent();
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
    this.#sessions.clear();
    for (const infos of this.#ownSession === null ? [] : children.values()) {
      for (const info of infos) {
        await this.breathe();
        note(this.#adoptBySession(info));
      }
    }
  }

  close(): void {
    for (const member of this.members) member.close();
  }

  async #listByParent(): Promise<Map<number, ProcessInfo[]>> {
    const children = new Map<number, ProcessInfo[]>();
    const pids = this.#list();
    for (let asked = 0; asked < pids.length;) {
      await this.breathe();
      const some = pids.slice(asked, asked + AT_ONCE);
      const infos = processBackend().inspectMany(some, false, this.#slice.leftMs());
      asked += infos.length;
      for (const info of infos) {
        if (info.state !== "gone" && info.startTime === null) this.#couldNotAsk();
        if (!this.#mayBeNew(info)) continue;
        const parent = info.parentPid ?? 0;
        const known = children.get(parent);
        if (known === undefined) children.set(parent, [info]);
        else known.push(info);
      }
    }
    return children;
  }

  #list(): number[] {
    for (;;) {
      const pids = processBackend().list();
      if (pids !== null) return Array.from(pids);
      if (!this.#lackDescriptor()) throw new ProcessListError(processBackend().name);
    }
  }

  /**
   * No descriptor is free, it seems: gives back those that are kept for members, and keeps none from now on.
   *
   * @returns whether that changed something: what was looked for is to be looked for again
   */
  #lackDescriptor(): boolean {
    if (!this.#keepsReferences || process.platform === "win32") return false;
    this.#keepsReferences = false;
    this.#isShort = true;
    for (const member of this.members) if (member !== this.root) member.close();
    return true;
  }

  /**
   * Of a process that runs nothing can be read: it is hidden here, or there is no descriptor to read it with.
   *
   * @throws {@link ProcessListError} when the latter is so, although none is kept for members: it may be one of them
   */
  #couldNotAsk(): void {
    if (this.#lackDescriptor() || !isShortOfDescriptors()) return;
    throw new ProcessListError(processBackend().name);
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
    const again = processBackend().inspect(pid, false);
    if (identity.state !== "gone" && again.state !== "gone") {
      const isKnown = identity.startTime !== null && again.startTime !== null;
      if (!isKnown) this.#couldNotAsk();
      else if (reference === null) this.#lackDescriptor();
    }
    const isMember =
      identity.state !== "gone" &&
      identity.startTime === listed.startTime &&
      isProven(again) &&
      isStill(pid, identity, reference);
    if (!isMember) {
      reference?.close();
      return null;
    }
    const member = new Member(pid, identity, reference, isOrphan ? null : near, near.depth + 1);
    if (!this.#keepsReferences) member.close();
    this.members.push(member);
    this.#byPid.set(pid, member);
    return member;
  }

  #adoptBySession(info: ProcessInfo): Member | null {
    if (this.#byPid.get(info.pid)?.hasEnded() === false) return null;
    const session = this.#sessionOf(info);
    const founder = this.#byPid.get(session);
    if (founder === undefined || session === this.#ownSession) return null;
    const known = this.#memberIn(session, founder);
    if (known === null) return null;
    const { pid } = info;
    return this.#adopt(founder, true, info, () => {
      return linuxStat(pid)?.session === session && isIn(known, session);
    });
  }

  /** 0: older than the root, and so nothing that descends from it. */
  #sessionOf({ pid, startTime }: ProcessInfo): number {
    if ((startTime ?? -1) < (this.root.identity.startTime ?? Infinity)) return 0;
    const seen = this.#strangers.get(pid);
    if (seen !== undefined && seen.startTime === startTime) return seen.session;
    const session = linuxStat(pid)?.session ?? null;
    if (session !== null) this.#strangers.set(pid, { startTime, session });
    return session ?? 0;
  }

  /** A member that is in a session, looked for once in each look; null: there is none. */
  #memberIn(session: number, founder: Member): Member | null {
    const known = this.#sessions.get(session);
    if (known === null || (known !== undefined && isIn(known, session))) return known;
    const found = isIn(founder, session)
      ? founder
      : (this.members.find((member) => isIn(member, session)) ?? null);
    this.#sessions.set(session, found);
    return found;
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
