/**
 * The world that the processes share: a directory, inodes, open files, kernel locks, and what each process
 * is about to do. One step is one `LockFs` call of one process.
 *
 * Modelled as the kernel has it: names lead to inodes; an inode lives while it has a name or is open; inode
 * numbers are used again at once, lowest first (ext4 does so); a kernel lock belongs to one open file and
 * ends when that is closed, by hand or by a crash; `link` never replaces; what was unlinked can still be
 * read and locked through an open descriptor.
 *
 * A state is a short array of small numbers, so that it can be compared and kept as text.
 */
import { type Automaton, type Call, LOCK_KINDS, type LockKind, type Point } from "./automaton.js";
import { stampOf, SWEEPS } from "./operations.js";

export const PROCESSES = 3;

/**
 * `contender` takes the lock, writes, gives it up, for ever. `sandboxed`: so does one that may not use
 * open-file-description locks, and makes its locks with a guard file. `sweeper` sweeps leftovers.
 */
export type Role = "contender" | "sandboxed" | "sweeper";

export interface Scenario {
  /** At most three. */
  readonly roles: readonly Role[];
  /** How many processes may crash, anywhere. */
  readonly crashes: number;
  /** How many holds may exceed their limit, anywhere. */
  readonly overdue: 0 | 1;
  /** How often a tool that knows nothing of locks may truncate the lock's file, at any time. */
  readonly truncations: 0 | 1;
  /**
   * `stale`: a dead process's lock lies there. `guard`: so does a guard that no process has open. `plain`: another
   * program's lock of a dead process.
   */
  readonly initially: "empty" | "stale" | "stale and guard" | "plain";
  readonly hasLinks: boolean;
  /** Whether the file system makes files without a name (Linux). */
  readonly hasUnnamed: boolean;
  /** Whether processes are told apart by what they do only; no sweeper then. */
  readonly symmetric: boolean;
  /** `linux`: a lock file is its own guard. `darwin`: it has a guard file. */
  readonly platform: "linux" | "darwin" | "win32";
  /** A variant: what is renamed aside is not removed yet. */
  readonly mayPutBack: boolean;
  /**
   * With what the kernel may refuse any lock, at any time, to any process: for a reason that passes (ENOLCK), or as
   * if there were none (ENOTSUP), though the next one gets it. null: it never does.
   */
  readonly refusals: "ENOLCK" | "ENOTSUP" | null;
  /** Whether the disk may have no inode left for a guard, at any time, for anybody. */
  readonly fullDisk: boolean;
  /** Whether calls that nobody else can notice are taken together with the one before them. */
  readonly merged: boolean;
}

export type State = number[];

/** A step, in the words of a trace. */
export interface Step {
  readonly process: number;
  readonly label: string;
  readonly next: State;
  /** Operations that ended with it. */
  readonly ended: readonly string[];
  /** What the step broke. */
  readonly violation: string | null;
  /** Crashes, refusals and the passing of limits: nothing that a process can rely on. */
  readonly isEvent: boolean;
}

const INODES = 12;
const DESCRIPTORS = 4;
const LOCKS = 3;
const NUMBERS = 6;

// Places in the array.
const LOCK_NAME = 0;
const GUARD_NAME = 1;
const TEMP_NAMES = 2;
const ASIDE_NAMES = TEMP_NAMES + PROCESSES;
const NAMES = ASIDE_NAMES + PROCESSES;
const OVERDUE = NAMES;
const CRASHES_LEFT = OVERDUE + 1;
const OVERDUES_LEFT = OVERDUE + 2;
const TRUNCATIONS_LEFT = OVERDUE + 3;
const INODE_TABLE = OVERDUE + 4;
const INODE_SIZE = 5; // content, locked by, deleted on close, owned by, truncated
const PROCESS_TABLE = INODE_TABLE + INODES * INODE_SIZE;
const PROCESS_SIZE = 4 + DESCRIPTORS + LOCKS + NUMBERS;
const SIZE = PROCESS_TABLE + PROCESSES * PROCESS_SIZE;

// Within a process.
const MODE = 0;
const POINT = 1;
const HOLD = 2; // the content of the lock that it believes to hold; 0: none
const HELD_INODE = 3;
const OPEN = 4;
const SEEN_LOCKS = OPEN + DESCRIPTORS;
const SEEN_NUMBERS = SEEN_LOCKS + LOCKS;

const GONE = 0;
const WAITING = 1;
const HOLDING = 2;
const RELEASING = 3;
const RUNNING = 4;

/** Inode, descriptor and such: 0 is none, n + 1 is number n. */
const NONE = 0;

/** Contents of lock files; 0 is empty. The owner before all others is process PROCESSES. */
const SERIALS = 8;
const KINDS = LOCK_KINDS.length;
const contentOf = (owner: number, serial: number, kind: LockKind): number =>
  1 + (owner * SERIALS + serial) * KINDS + LOCK_KINDS.indexOf(kind);
const ownerOf = (content: number): number => Math.floor((content - 1) / KINDS / SERIALS);
const serialOf = (content: number): number => Math.floor((content - 1) / KINDS) % SERIALS;
const kindOf = (content: number): LockKind => LOCK_KINDS[(content - 1) % KINDS] ?? "unlocked";
/** Whether its file says that its holder has a kernel lock. */
const isLockedContent = (content: number): boolean =>
  kindOf(content) === "locked" || kindOf(content) === "owned";

/** The two kinds of kernel locks: where a state has who has an inode's. */
const LOCKED_BY = 1;
const OWNED_BY = 3;
/** 1: the content is there no more. Whose lock it was is what the rules are checked by. */
const TRUNCATED = 4;

export function encode(state: State): string {
  return String.fromCharCode(...state);
}

export function decode(text: string): State {
  const state: State = [];
  for (let index = 0; index < text.length; index++) state.push(text.charCodeAt(index));
  return state;
}

/** Where numbers that are only names stand in a state; see canonical.ts. */
export const layout = {
  processes: (): number[] => Array.from({ length: PROCESSES }, (_, process) => process),
  /** What a process is at, without any names in it. */
  activity: (state: State, process: number): number =>
    get(state, process, POINT) * 8 + get(state, process, MODE),
  orders: [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ] as readonly (readonly number[])[],
  inodePlaces: [
    ...places(0, NAMES),
    ...perProcess((start) => [start + HELD_INODE, ...places(start + OPEN, DESCRIPTORS)]),
    ...perProcess((start) => places(start + SEEN_NUMBERS, NUMBERS)),
  ],
  contentPlaces: [
    ...perProcess((start) => [start + HOLD]),
    ...places(0, INODES).map((inode) => INODE_TABLE + inode * INODE_SIZE),
    ...perProcess((start) => places(start + SEEN_LOCKS, LOCKS)),
    OVERDUE,
  ],
  /** A copy in which place i has what process order[i] had; numbers that name inodes stay. */
  moveProcesses(state: State, order: readonly number[]): State {
    const next = state.slice();
    for (const [place, process] of order.entries()) {
      next[TEMP_NAMES + place] = at(state, TEMP_NAMES + process);
      next[ASIDE_NAMES + place] = at(state, ASIDE_NAMES + process);
      for (let field = 0; field < PROCESS_SIZE; field++) {
        put(next, place, field, get(state, process, field));
      }
    }
    for (let inode = 1; inode <= INODES; inode++) {
      for (const by of [LOCKED_BY, OWNED_BY]) {
        const holder = getInode(state, inode, by);
        if (holder === NONE) continue;
        const [process, fd] = [Math.floor((holder - 1) / DESCRIPTORS), (holder - 1) % DESCRIPTORS];
        setInode(next, inode, by, 1 + order.indexOf(process) * DESCRIPTORS + fd);
      }
    }
    return next;
  },
  /** `given[new]` is an inode's old number. */
  moveInodes(state: State, given: readonly number[]): void {
    const table = state.slice(INODE_TABLE, INODE_TABLE + INODES * INODE_SIZE);
    for (let inode = 1; inode <= INODES; inode++) {
      const old = given[inode];
      for (let field = 0; field < INODE_SIZE; field++) {
        const value = old === undefined ? 0 : table[(old - 1) * INODE_SIZE + field];
        setInode(state, inode, field, value ?? 0);
      }
    }
  },
  renameContent(
    content: number,
    order: readonly number[],
    newSerialOf: (owner: number, serial: number) => number,
  ): number {
    // Nothing, and the lock of the owner before all others, have no other name.
    if (content === NONE || ownerOf(content) === PROCESSES) return content;
    const owner = order.indexOf(ownerOf(content));
    return contentOf(owner, newSerialOf(owner, serialOf(content)), kindOf(content));
  },
};

function places(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

function perProcess(each: (start: number) => readonly number[]): number[] {
  return places(0, PROCESSES).flatMap((process) => each(PROCESS_TABLE + process * PROCESS_SIZE));
}

export class World {
  readonly #scenario: Scenario;
  readonly #automaton: Automaton;
  /** Outcomes of operations that came about, e.g. `release: busy`. */
  readonly outcomes = new Set<string>();

  constructor(scenario: Scenario, automaton: Automaton) {
    this.#scenario = scenario;
    this.#automaton = automaton;
  }

  initial(): State {
    const state: State = Array.from({ length: SIZE }, () => 0);
    state[CRASHES_LEFT] = this.#scenario.crashes;
    state[OVERDUES_LEFT] = this.#scenario.overdue;
    state[TRUNCATIONS_LEFT] = this.#scenario.truncations;
    for (const process of this.#scenario.roles.keys()) put(state, process, MODE, WAITING);
    if (this.#scenario.initially !== "empty") {
      state[LOCK_NAME] = newInode(state);
      setContent(state, state[LOCK_NAME], contentOf(PROCESSES, 0, this.#staleKind()));
    }
    if (this.#scenario.initially === "stale and guard") state[GUARD_NAME] = newInode(state);
    return state;
  }

  #staleKind(): LockKind {
    if (this.#scenario.initially === "plain") return "plain";
    return this.#scenario.platform === "linux" ? "owned" : "locked";
  }

  /** Everything that can happen next. */
  steps(state: State): readonly Step[] {
    const steps: Step[] = [];
    const { roles } = this.#scenario;
    const isSwept = roles.includes("sweeper");
    for (let process = 0; process < PROCESSES; process++) {
      if (!isAlive(state, process)) continue;
      const role = roles[process] ?? "contender";
      for (const point of this.#choices(state, process, role)) {
        steps.push(this.#step(state, process, point));
        const refusal = this.#refusal(point, state);
        if (refusal !== null) steps.push(this.#step(state, process, point, refusal));
      }
      if (at(state, CRASHES_LEFT) > 0) steps.push(crash(state, process, isSwept));
      if (at(state, OVERDUES_LEFT) > 0 && hold(state, process) !== NONE) {
        steps.push(passLimit(state, process));
      }
    }
    if (mayBeTruncated(state)) steps.push(truncate(state));
    return steps;
  }

  /** Where a process can go on: its next call, or the first one of an operation that it may choose. */
  #choices(state: State, process: number, role: Role): readonly Point[] {
    const start = (...names: string[]): Point[] => names.map((name) => this.#automaton.start(name));
    switch (get(state, process, MODE)) {
      case RUNNING:
        return [this.#automaton.point(get(state, process, POINT))];
      case HOLDING: {
        const kind = kindOf(hold(state, process));
        return start(`fence ${kind}`, `release ${kind}`);
      }
      case RELEASING: {
        const own = hold(state, process);
        const release = `release ${kindOf(own)}`;
        return isLockedContent(own) ? start(release, "close") : start(release);
      }
      default:
        return role === "sweeper" ? start(...SWEEPS) : start("publish", "inspect");
    }
  }

  /** What the next call may be answered with instead of what it does; null: nothing. */
  #refusal({ next }: Point, state: State): string | null {
    const { refusals, fullDisk } = this.#scenario;
    if (next.kind !== "call") return null;
    const isLock = next.call.name === "tryExclusive" || next.call.name === "tryOwn";
    if (refusals !== null && isLock) return `refused ${refusals}`;
    const makesGuard = next.call.name === "openGuard" && state[GUARD_NAME] === NONE;
    return fullDisk && makesGuard ? "ENOSPC" : null;
  }

  /** @param refusal - What the first call is answered with; null: what the world says. */
  #step(before: State, process: number, from: Point, refusal: string | null = null): Step {
    const state = before.slice();
    if (get(state, process, MODE) !== RUNNING) begin(state, process, from);
    const labels: string[] = [];
    const ended: string[] = [];
    let violation: string | null = null;
    let point = from;
    let forced = refusal;
    do {
      if (point.next.kind !== "call") throw new Error(`${point.operation} makes no call`);
      const { call } = point.next;
      const { answer, broken } =
        forced === null
          ? this.#answer(state, process, point.operation, call)
          : { answer: forced, broken: null };
      forced = null;
      labels.push(`${call.name}(${call.at}) → ${answer}`);
      violation ??= broken ?? brokenExclusion(state);
      const following = this.#automaton.after(point, answer);
      if (following.id < point.id) forgetSeenSince(state, process);
      point = following;
      if (point.next.kind === "end") {
        labels.push(point.next.outcome);
        ended.push(point.operation);
        violation ??= this.#end(state, process, point.operation, point.next.outcome);
        if (get(state, process, MODE) !== RUNNING) break;
        point = this.#automaton.point(get(state, process, POINT));
      } else {
        put(state, process, POINT, point.id);
        // Whoever is about to leave the guard has decided: what it has seen does not matter any more.
        if (isLeavingGuard(point)) forgetSeen(state, process);
      }
    } while (violation === null && this.#isUnnoticed(state, process, point));
    forgetUnused(state);
    const label = `${from.operation}: ${labels.join("; ")}`;
    return { process, label, ended, next: state, violation, isEvent: refusal !== null };
  }

  /**
   * Whether it makes no difference when the next call is made: its answer cannot change any more, and
   * nobody else notices it. Such calls need not be interleaved with others.
   */
  #isUnnoticed(state: State, process: number, point: Point): boolean {
    const { merged, hasLinks, platform, roles } = this.#scenario;
    const { operation, next } = point;
    if (!merged || next.kind !== "call" || this.#refusal(point, state) !== null) return false;
    const { name, at: place } = next.call;
    const hasTemps = hasLinks && platform !== "win32";
    switch (name) {
      case "fstat":
      case "stamp":
      case "createUnnamed":
        return true;
      case "tryOwn":
      case "writeText":
      case "tryExclusive":
        // What has no name no other process can have open.
        if (namesOf(state, inodeOf(state, process, place)) === 0 && operation === "publish")
          return true;
        break;
      case "exists":
        return place !== "L";
      case "read":
        // A lock that gets its name by a link is complete before that.
        return hasTemps && at(state, TRUNCATIONS_LEFT) === 0;
      case "close":
        // Without a kernel lock: that only frees an inode number, and the sooner the worse.
        return hasTemps && !hasAnyLock(state, process, descriptorIn(place));
      case "identity":
        return at(state, CRASHES_LEFT) === 0 || !this.#isOwnerAlive(state, process, place);
      case "now":
        return (
          at(state, OVERDUES_LEFT) === 0 || lockIn(state, process, place) === at(state, OVERDUE)
        );
      default:
        break;
    }
    // The publisher's own temp, at which no other process looks.
    const isPublic = name.startsWith("link") || place === "L" || name === "probeOwner";
    return hasTemps && operation === "publish" && !isPublic && !roles.includes("sweeper");
  }

  #isOwnerAlive(state: State, process: number, place: string): boolean {
    const owner = ownerOf(lockIn(state, process, place));
    return owner < PROCESSES && isAlive(state, owner);
  }

  #answer(
    state: State,
    process: number,
    operation: string,
    { name, at: place }: Call,
  ): { readonly answer: string; readonly broken: string | null } {
    const fine = (answer: string) => ({ answer, broken: null });
    const [first = "", second = ""] = place.split(" ");
    const path = nameOf(first, process);
    switch (name) {
      case "openForReading":
        return fine(openExisting(state, process, path));
      case "createExclusive": {
        if (state[path] !== NONE) return fine("EEXIST");
        const inode = newInode(state);
        state[path] = inode;
        if (path === LOCK_NAME) {
          take(state, process, inode, newContent(state, process, this.#kindMadeBy(process)));
        }
        return fine(open(state, process, inode));
      }
      case "createUnnamed": {
        if (!this.#scenario.hasUnnamed) return fine("EOPNOTSUPP");
        return fine(open(state, process, newInode(state)));
      }
      case "createSelfDeleting": {
        if (state[path] !== NONE) return fine("EEXIST");
        const inode = newInode(state);
        state[path] = inode;
        setInode(state, inode, 2, 1);
        return fine(open(state, process, inode));
      }
      case "takeOverSelfDeleting": {
        const inode = at(state, path);
        if (inode === NONE) return fine("ENOENT");
        if (isOpen(state, inode)) return fine("EBUSY");
        setInode(state, inode, 2, 1);
        return fine(open(state, process, inode));
      }
      case "openGuard": {
        if (state[path] === NONE) state[path] = newInode(state);
        return fine(openExisting(state, process, path));
      }
      case "close":
        closeDescriptor(state, process, descriptorIn(first));
        return fine("ok");
      case "tryExclusive":
      case "probe": {
        const inode = inodeOf(state, process, first);
        const holder = 1 + process * DESCRIPTORS + descriptorIn(first);
        const locker = getInode(state, inode, LOCKED_BY);
        // A process may take anew what its descriptor has; no operation probes its own.
        if (locker !== NONE && (name === "probe" || locker !== holder)) return fine("held");
        if (name === "tryExclusive") setInode(state, inode, LOCKED_BY, holder);
        return fine("acquired");
      }
      case "drop": {
        const inode = inodeOf(state, process, first);
        if (hasLock(state, process, descriptorIn(first), LOCKED_BY)) {
          setInode(state, inode, LOCKED_BY, NONE);
        }
        return fine("ok");
      }
      case "tryOwn":
      case "probeOwner": {
        if (this.#scenario.roles[process] === "sandboxed") return fine("refused ENOSYS");
        const inode = inodeOf(state, process, first);
        if (getInode(state, inode, OWNED_BY) !== NONE) return fine("held");
        const holder = 1 + process * DESCRIPTORS + descriptorIn(first);
        if (name === "tryOwn") setInode(state, inode, OWNED_BY, holder);
        return fine("acquired");
      }
      case "stamp":
        return fine("as published");
      case "stampAt": {
        const inode = at(state, path);
        if (inode === NONE) return fine("null");
        const content = readable(state, inode);
        const lock = content === NONE ? null : seenLock(state, process, content);
        return fine(stampOf(seenNumber(state, process, inode), lock));
      }
      case "fstat": {
        const inode = inodeOf(state, process, first);
        return fine(this.#stats(state, process, inode));
      }
      case "lstat": {
        const inode = at(state, path);
        return fine(inode === NONE ? "null" : this.#stats(state, process, inode));
      }
      case "exists":
        return fine(String(path !== -1 && state[path] !== NONE));
      case "read": {
        const inode = inodeOf(state, process, first);
        const content = readable(state, inode);
        if (content === NONE) return fine("empty");
        const lock = seenLock(state, process, content);
        const number = seenNumber(state, process, inode);
        return fine(`lock ${lock} in ${number} ${kindOf(content)}`);
      }
      case "writeText": {
        const inode = inodeOf(state, process, first);
        const kind = LOCK_KINDS.find((one) => one === second) ?? "unlocked";
        // Created in place, under the guard, it is held from its creation on.
        const held = get(state, process, HELD_INODE) === inode;
        const content =
          held && kind === kindOf(hold(state, process))
            ? hold(state, process)
            : newContent(state, process, kind);
        setContent(state, inode, content);
        if (held) put(state, process, HOLD, content);
        return fine("ok");
      }
      case "link": {
        const target = nameOf(second, process);
        const inode = at(state, path);
        if (!this.#scenario.hasLinks) return fine("EPERM");
        if (inode === NONE) return fine("ENOENT");
        if (state[target] !== NONE) return fine("EEXIST");
        state[target] = inode;
        if (operation === "publish") take(state, process, inode, getInode(state, inode, 0));
        return fine("ok");
      }
      case "linkOpenFile": {
        const target = nameOf(second, process);
        const inode = inodeOf(state, process, first);
        if (!this.#scenario.hasLinks) return fine("EPERM");
        if (state[target] !== NONE) return fine("EEXIST");
        state[target] = inode;
        if (operation === "publish") take(state, process, inode, getInode(state, inode, 0));
        return fine("ok");
      }
      case "rename": {
        const target = nameOf(second, process);
        const inode = at(state, path);
        if (inode === NONE) return fine("ENOENT");
        const isRemoval = path === LOCK_NAME && !this.#scenario.mayPutBack;
        const broken = isRemoval ? wrongRemoval(state, process, operation) : null;
        state[path] = NONE;
        state[target] = inode;
        if (operation === "publish") take(state, process, inode, getInode(state, inode, 0));
        if (isRelease(operation)) drop(state, process);
        return { answer: "ok", broken };
      }
      case "unlink": {
        const inode = at(state, path);
        if (inode === NONE) return fine("ENOENT");
        const broken = path === LOCK_NAME ? wrongRemoval(state, process, operation) : null;
        state[path] = NONE;
        if (get(state, process, HELD_INODE) === inode && path === LOCK_NAME) drop(state, process);
        return { answer: "ok", broken };
      }
      case "identity":
        return fine(this.#isOwnerAlive(state, process, first) ? "alive" : "gone");
      case "now": {
        const isOverdue = lockIn(state, process, first) === at(state, OVERDUE);
        return fine(isOverdue ? "overdue" : "in time");
      }
      case "write": {
        const inode = get(state, process, HELD_INODE);
        const isHeld = inode !== NONE && at(state, LOCK_NAME) === inode;
        return { answer: "ok", broken: isHeld ? null : "a fenced write without the lock" };
      }
      default:
        throw new Error(`no such call: ${name}`);
    }
  }

  /** What kind of lock a process makes, as far as it is not refused. */
  #kindMadeBy(process: number): LockKind {
    const { platform, roles } = this.#scenario;
    return platform === "linux" && roles[process] !== "sandboxed" ? "owned" : "locked";
  }

  #stats(state: State, process: number, inode: number): string {
    const isWritten = readable(state, inode) !== NONE;
    const numbers = `${seenNumber(state, process, inode)} ${namesOf(state, inode)}`;
    return isWritten ? `${numbers} written` : numbers;
  }

  /** What a process does after an operation; null, or what the outcome breaks. */
  #end(state: State, process: number, operation: string, outcome: string): string | null {
    this.outcomes.add(`${operation}: ${outcome}`);
    if (outcome.startsWith("threw")) return `${operation} ${outcome}`;
    const kept = outcome === "published" || hold(state, process) !== NONE ? 1 : 0;
    const isReleased = isRelease(operation) && !/busy|refused/u.test(outcome);
    const [judged, number] = [get(state, process, SEEN_LOCKS), get(state, process, SEEN_NUMBERS)];
    const goOn = (mode: number): null => {
      put(state, process, MODE, mode);
      put(state, process, POINT, 0);
      forgetSeen(state, process);
      return null;
    };
    const follow = (name: string): null => {
      goOn(RUNNING);
      begin(state, process, this.#automaton.start(name));
      return null;
    };
    const opened = openCount(state, process);
    if (opened > (isReleased ? 1 : kept)) return `${operation} leaves ${opened} files open`;
    switch (`${operation.replace(KIND_SUFFIX, "")} ${outcome}`) {
      case "publish published":
        keepAtFirst(state, process);
        return goOn(HOLDING);
      case "fence written":
      case "fence busy":
      case "fence refused":
        return goOn(HOLDING);
      case "publish contended":
        return follow("inspect");
      case "inspect absent":
      case "reclaim removed":
      case "reclaim empty removed":
        return follow("publish");
      case "inspect removable": {
        follow(judged === NONE ? "reclaim empty" : `reclaim ${kindOf(judged)}`);
        put(state, process, SEEN_LOCKS, judged);
        // Only what names its inode is judged with that number in mind.
        const namesInode = judged !== NONE && isLockedContent(judged);
        put(state, process, SEEN_NUMBERS, namesInode ? number : NONE);
        return null;
      }
      case "release not-ours":
        if (!mayFindItLost(state, process)) return "a holder has lost its lock";
        return follow("close");
      case "release removed":
        return follow("close");
      case "release busy":
      case "release refused":
        return goOn(RELEASING);
      default:
        return goOn(WAITING);
    }
  }
}

const KIND_SUFFIX = new RegExp(` (?:${LOCK_KINDS.join("|")})$`, "u");

function isRelease(operation: string): boolean {
  return operation.startsWith("release");
}

/**
 * Whether a process is left that could take the lock. A file without text a sandboxed process leaves to those that can ask
 * whether a process owns it.
 */
export function hasContender(state: State, { roles }: Scenario): boolean {
  const inode = at(state, LOCK_NAME);
  const isTextless = inode !== NONE && readable(state, inode) === NONE;
  const isContender = (process: number): boolean =>
    roles[process] !== "sweeper" && !(roles[process] === "sandboxed" && isTextless);
  return layout.processes().some((process) => isAlive(state, process) && isContender(process));
}

function isAlive(state: State, process: number): boolean {
  return get(state, process, MODE) !== GONE;
}

/** The content of the lock that a process believes to hold; 0: none. */
export function hold(state: State, process: number): number {
  return get(state, process, HOLD);
}

/** Two holders, or one whose lock has no name any more, though it has kept its limit. */
function brokenExclusion(state: State): string | null {
  let holders = 0;
  for (let process = 0; process < PROCESSES; process++) {
    const content = hold(state, process);
    if (content === NONE || mayBeDisplaced(state, content)) continue;
    holders++;
    if (namesOf(state, get(state, process, HELD_INODE)) === 0)
      return "a live holder's lock is gone";
  }
  return holders > 1 ? "two holders" : null;
}

/** Whether a holder is overdue, and one of those of whom others may then take the lock. */
function mayBeDisplaced(state: State, content: number): boolean {
  return content === at(state, OVERDUE) && isLockedContent(content);
}

/** Whether a holder is right to give its lock up as lost. */
function mayFindItLost(state: State, process: number): boolean {
  const inode = get(state, process, HELD_INODE);
  const isTruncated = inode !== NONE && getInode(state, inode, TRUNCATED) === 1;
  return isTruncated || mayBeDisplaced(state, hold(state, process));
}

/** What a reader finds in a file. */
function readable(state: State, inode: number): number {
  return getInode(state, inode, TRUNCATED) === 1 ? NONE : getInode(state, inode, 0);
}

/** Called before the lock's name goes. */
function wrongRemoval(state: State, process: number, operation: string): string | null {
  const inode = at(state, LOCK_NAME);
  const content = getInode(state, inode, 0);
  if (isRelease(operation)) {
    return content === hold(state, process) ? null : "a release of another one's lock";
  }
  const judged = get(state, process, SEEN_LOCKS);
  if (judged === NONE && getInode(state, inode, TRUNCATED) === 1) return null;
  return content === judged ? null : "a removal of another lock than the judged one";
}

function crash(before: State, process: number, leavesTemp: boolean): Step {
  const state = before.slice();
  state[CRASHES_LEFT] = at(state, CRASHES_LEFT) - 1;
  for (let fd = 0; fd < DESCRIPTORS; fd++) closeDescriptor(state, process, fd);
  for (let field = 0; field < PROCESS_SIZE; field++) put(state, process, field, 0);
  // Its temp's name is nobody else's: it makes a difference to a sweeper only.
  if (!leavesTemp) state[TEMP_NAMES + process] = NONE;
  forgetUnused(state);
  return { process, label: "crashes", ended: [], next: state, violation: null, isEvent: true };
}

function passLimit(before: State, process: number): Step {
  const state = before.slice();
  state[OVERDUES_LEFT] = at(state, OVERDUES_LEFT) - 1;
  state[OVERDUE] = hold(state, process);
  return {
    process,
    label: "exceeds its limit",
    ended: [],
    next: state,
    violation: null,
    isEvent: true,
  };
}

function mayBeTruncated(state: State): boolean {
  const inode = at(state, LOCK_NAME);
  return at(state, TRUNCATIONS_LEFT) > 0 && inode !== NONE && readable(state, inode) !== NONE;
}

function truncate(before: State): Step {
  const state = before.slice();
  state[TRUNCATIONS_LEFT] = at(state, TRUNCATIONS_LEFT) - 1;
  setInode(state, at(state, LOCK_NAME), TRUNCATED, 1);
  return {
    process: OUTSIDE,
    label: "truncates the lock's file",
    ended: [],
    next: state,
    violation: null,
    isEvent: true,
  };
}

/** In traces: a tool that is none of the processes. */
const OUTSIDE = PROCESSES;

function isLeavingGuard({ next }: Point): boolean {
  return (
    next.kind === "call" &&
    (next.call.name === "drop" || (next.call.name === "unlink" && next.call.at === "G"))
  );
}

function begin(state: State, process: number, point: Point): void {
  put(state, process, MODE, RUNNING);
  put(state, process, POINT, point.id);
  // Its own lock is the first that a holder's operation knows.
  const own = hold(state, process);
  if (own === NONE) return;
  put(state, process, SEEN_LOCKS, own);
  put(state, process, SEEN_NUMBERS, get(state, process, HELD_INODE));
}

function take(state: State, process: number, inode: number, content: number): void {
  put(state, process, HOLD, content);
  put(state, process, HELD_INODE, inode);
}

function drop(state: State, process: number): void {
  take(state, process, NONE, NONE);
}

function nameOf(place: string, process: number): number {
  switch (place[0]) {
    case "L":
      return LOCK_NAME;
    case "G":
      return GUARD_NAME;
    case "T":
      return TEMP_NAMES + (place.length > 1 ? Number(place[1]) : process);
    case "A":
      return ASIDE_NAMES + process;
    default:
      // Not a name, or one that is never there.
      return -1;
  }
}

function at(state: State, index: number): number {
  return state[index] ?? 0;
}

function get(state: State, process: number, field: number): number {
  return at(state, PROCESS_TABLE + process * PROCESS_SIZE + field);
}

function put(state: State, process: number, field: number, value: number): void {
  state[PROCESS_TABLE + process * PROCESS_SIZE + field] = value;
}

function getInode(state: State, inode: number, field: number): number {
  return at(state, INODE_TABLE + (inode - 1) * INODE_SIZE + field);
}

function setInode(state: State, inode: number, field: number, value: number): void {
  state[INODE_TABLE + (inode - 1) * INODE_SIZE + field] = value;
}

function setContent(state: State, inode: number, content: number): void {
  setInode(state, inode, 0, content);
}

function namesOf(state: State, inode: number): number {
  let names = 0;
  for (let name = 0; name < NAMES; name++) if (state[name] === inode) names++;
  return names;
}

function isOpen(state: State, inode: number): boolean {
  for (let process = 0; process < PROCESSES; process++) {
    for (let fd = 0; fd < DESCRIPTORS; fd++) {
      if (get(state, process, OPEN + fd) === inode) return true;
    }
  }
  return false;
}

/**
 * A number that nothing has now. One that somebody remembers comes first: file systems use numbers again at
 * once, and that is the worst that can happen.
 */
function newInode(state: State): number {
  const free: number[] = [];
  for (let inode = 1; inode <= INODES; inode++) {
    if (namesOf(state, inode) === 0 && !isOpen(state, inode)) free.push(inode);
  }
  const inode = free.find((number) => isRemembered(state, number)) ?? free[0];
  if (inode === undefined) throw new Error("out of inodes");
  for (let field = 0; field < INODE_SIZE; field++) setInode(state, inode, field, 0);
  return inode;
}

function isRemembered(state: State, inode: number): boolean {
  for (let process = 0; process < PROCESSES; process++) {
    for (let number = 0; number < NUMBERS; number++) {
      if (get(state, process, SEEN_NUMBERS + number) === inode) return true;
    }
  }
  return false;
}

function newContent(state: State, owner: number, kind: LockKind): number {
  for (let serial = 0; serial < SERIALS; serial++) {
    const contents = LOCK_KINDS.map((one) => contentOf(owner, serial, one));
    if (!contents.some((content) => isKnown(state, content))) return contentOf(owner, serial, kind);
  }
  throw new Error("out of nonces");
}

/** Whether a lock's content is in a file or in anybody's memory. */
function isKnown(state: State, content: number): boolean {
  if (at(state, OVERDUE) === content) return true;
  for (let inode = 1; inode <= INODES; inode++) {
    if (getInode(state, inode, 0) === content) return true;
  }
  for (let process = 0; process < PROCESSES; process++) {
    if (hold(state, process) === content) return true;
    for (let lock = 0; lock < LOCKS; lock++) {
      if (get(state, process, SEEN_LOCKS + lock) === content) return true;
    }
  }
  return false;
}

function forgetUnused(state: State): void {
  for (let inode = 1; inode <= INODES; inode++) {
    if (namesOf(state, inode) > 0 || isOpen(state, inode)) continue;
    for (let field = 0; field < INODE_SIZE; field++) setInode(state, inode, field, 0);
  }
  const overdue = at(state, OVERDUE);
  if (overdue === NONE) return;
  state[OVERDUE] = NONE;
  if (isKnown(state, overdue)) state[OVERDUE] = overdue;
}

/** Whoever starts over knows what it knew at its operation's start: one lock at most. */
function forgetSeenSince(state: State, process: number): void {
  for (let lock = 1; lock < LOCKS; lock++) put(state, process, SEEN_LOCKS + lock, NONE);
  for (let number = 1; number < NUMBERS; number++) put(state, process, SEEN_NUMBERS + number, NONE);
}

function forgetSeen(state: State, process: number): void {
  for (let field = SEEN_LOCKS; field < PROCESS_SIZE; field++) put(state, process, field, 0);
}

function open(state: State, process: number, inode: number): string {
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    if (get(state, process, OPEN + fd) !== NONE) continue;
    put(state, process, OPEN + fd, inode);
    return String(fd);
  }
  throw new Error("out of descriptors");
}

function openExisting(state: State, process: number, name: number): string {
  const inode = at(state, name);
  return inode === NONE ? "ENOENT" : open(state, process, inode);
}

/** A descriptor's number is only a name: the held one is always the first. */
function keepAtFirst(state: State, process: number): void {
  const inode = get(state, process, HELD_INODE);
  if (get(state, process, OPEN) === inode) return;
  const isOurs = (by: number): boolean => {
    const holder = getInode(state, inode, by);
    return holder !== NONE && Math.floor((holder - 1) / DESCRIPTORS) === process;
  };
  for (let fd = 1; fd < DESCRIPTORS; fd++) {
    if (get(state, process, OPEN + fd) === inode) put(state, process, OPEN + fd, NONE);
  }
  put(state, process, OPEN, inode);
  for (const by of [LOCKED_BY, OWNED_BY]) {
    if (isOurs(by)) setInode(state, inode, by, 1 + process * DESCRIPTORS);
  }
}

function openCount(state: State, process: number): number {
  let count = 0;
  for (let fd = 0; fd < DESCRIPTORS; fd++) {
    if (get(state, process, OPEN + fd) !== NONE) count++;
  }
  return count;
}

function closeDescriptor(state: State, process: number, fd: number): void {
  const inode = get(state, process, OPEN + fd);
  if (inode === NONE) return;
  for (const by of [LOCKED_BY, OWNED_BY]) {
    if (hasLock(state, process, fd, by)) setInode(state, inode, by, NONE);
  }
  put(state, process, OPEN + fd, NONE);
  if (get(state, process, HELD_INODE) === inode && fd === 0) drop(state, process);
  if (getInode(state, inode, 2) === 1 && !isOpen(state, inode)) {
    for (let name = 0; name < NAMES; name++) if (state[name] === inode) state[name] = NONE;
  }
}

function hasLock(state: State, process: number, fd: number, by: number): boolean {
  const inode = get(state, process, OPEN + fd);
  return inode !== NONE && getInode(state, inode, by) === 1 + process * DESCRIPTORS + fd;
}

function hasAnyLock(state: State, process: number, fd: number): boolean {
  return hasLock(state, process, fd, LOCKED_BY) || hasLock(state, process, fd, OWNED_BY);
}

function descriptorIn(place: string): number {
  return Number(/^fd(\d+)/u.exec(place)?.[1]);
}

function inodeOf(state: State, process: number, place: string): number {
  const inode = get(state, process, OPEN + descriptorIn(place));
  if (inode === NONE) throw new Error(`not open: ${place}`);
  return inode;
}

/** The number under which the operation knows an inode number: by order of first appearance. */
function seenNumber(state: State, process: number, inode: number): number {
  return seen(state, process, SEEN_NUMBERS, NUMBERS, inode);
}

function seenLock(state: State, process: number, content: number): number {
  return seen(state, process, SEEN_LOCKS, LOCKS, content);
}

function seen(state: State, process: number, table: number, length: number, value: number): number {
  for (let index = 0; index < length; index++) {
    const known = get(state, process, table + index);
    if (known === value) return index;
    if (known !== NONE) continue;
    put(state, process, table + index, value);
    return index;
  }
  throw new Error("an operation has seen too much");
}

function lockIn(state: State, process: number, place: string): number {
  return get(state, process, SEEN_LOCKS + Number(place.slice(4)));
}
