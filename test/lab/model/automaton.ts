/**
 * The product's own functions as state machines: which call an operation makes next, given the answers to
 * the calls before it.
 *
 * Every step of the lock protocol is a synchronous function over `LockFs`. Running such a function
 * with recorded answers until it asks for one more shows its next step; doing that for every possible
 * answer unfolds it into a tree. The checker interleaves these trees, so what it explores is the code that
 * ships, not a description of it.
 */
import type { BigIntStats } from "node:fs";

import { hostFacts } from "../../../lib/process/identity.js";
import { judgeToken } from "../../../lib/process/judge-token.js";
import { formatToken, type TokenHost } from "../../../lib/process/token.js";
import type { EvidenceSource } from "../../../lib/lock/verdict/evidence.js";
import { formatPayload } from "../../../lib/lock/protocol/payload.js";
import { INODE_GUARD } from "../../../lib/lock/protocol/guard.js";
import type { LockAttempt, LockFs } from "../../../lib/lock/protocol/lock-fs.js";

export const LOCK_PATH = "/sessions/s.jsonl.lock";
const GUARD_PATH = `${LOCK_PATH}.guard`;
/** f_type of a local file system: ext4, APFS. */
const LOCAL: Partial<Record<NodeJS.Platform, number>> = { linux: 0xef53, darwin: 0x1a };

/** Made at the lock's time of creation; so long it may be held. */
export const HOLD_LIMIT_MS = 1000;
const CREATED_AT = 10_000;

/**
 * A call that waits for its answer. `at` is what it is about: the lock `L`, the guard file `G`, the caller's own
 * temp `T` or process n's `Tn`, the caller's file aside `A`, the directory `D`, a descriptor, or the n-th lock that
 * the operation has seen.
 */
export interface Call {
  readonly name: string;
  readonly at: string;
}

/** A place in an operation: before its next call, or at its end. */
export interface Point {
  readonly id: number;
  readonly operation: string;
  readonly next:
    | { readonly kind: "call"; readonly call: Call }
    | { readonly kind: "end"; readonly outcome: string };
}

/** What an operation runs on. */
export interface Surroundings {
  readonly fs: LockFs;
  readonly evidence: EvidenceSource;
  /** The wall clock, which only tells whether the lock that was read last is overdue. */
  readonly nowMs: () => number;
  /** One half of a fenced write. */
  readonly write: (half: "begins" | "ends") => void;
  /** From here on nothing that is called counts: cleaning up after the replay. */
  readonly stop: () => void;
}

/** Gives its outcome in one word. */
export type Operation = (surroundings: Surroundings) => string;

interface Node extends Point {
  readonly history: readonly string[];
  readonly parent: Node | null;
  readonly children: Map<string, Node>;
}

export class Automaton {
  readonly #operations: Readonly<Record<string, Operation>>;
  readonly #platform: NodeJS.Platform;
  readonly #nodes: Node[] = [];
  readonly #starts = new Map<string, Node>();
  readonly #endings = new Map<string, Node>();

  constructor(operations: Readonly<Record<string, Operation>>, platform: NodeJS.Platform) {
    this.#operations = operations;
    this.#platform = platform;
  }

  /** The number of points unfolded so far. */
  get size(): number {
    return this.#nodes.length;
  }

  start(operation: string): Point {
    const known = this.#starts.get(operation);
    if (known !== undefined) return known;
    const node = this.#unfold(operation, []);
    this.#starts.set(operation, node);
    return node;
  }

  point(id: number): Point {
    return this.#node(id);
  }

  /**
   * The point after an answer. Whoever finds that the guard was changed under it starts over: that is the
   * point from which it started, with a smaller id than `point`. What it has seen since does not matter
   * to it, nor, in the model, how often it has started over.
   */
  after(point: Point, answer: string): Point {
    const node = this.#node(point.id);
    let child = node.children.get(answer);
    if (child === undefined) {
      const unfolded = this.#unfold(node, [...node.history, answer]);
      child = startingOver(unfolded) ?? this.#sameEnding(unfolded);
      node.children.set(answer, child);
    }
    return child;
  }

  /** Points from which an operation only tidies up, in one way, are one point, whatever led there. */
  #sameEnding(node: Node): Node {
    const ending = this.#endingOf(node);
    if (ending === null) return node;
    const key = `${node.operation}: ${ending}`;
    const known = this.#endings.get(key);
    if (known !== undefined) return known;
    this.#endings.set(key, node);
    return node;
  }

  /** All that can still happen, when that is nothing but unlinking and closing; otherwise null. */
  #endingOf(node: Node): string | null {
    const { next } = node;
    if (next.kind === "end") return next.outcome;
    const { name, at } = next.call;
    if (!ENDINGS.has(name)) return null;
    const answers = name === "unlink" ? ["ok", "ENOENT"] : ["ok"];
    const endings = answers.map((answer) =>
      this.#endingOf(this.#unfold(node, [...node.history, answer])),
    );
    return endings.includes(null) ? null : `${name}(${at}) [${endings.join(" | ")}]`;
  }

  #node(id: number): Node {
    const node = this.#nodes[id];
    if (node === undefined) throw new Error(`no such point: ${id}`);
    return node;
  }

  #unfold(parent: Node | string, history: readonly string[]): Node {
    const operation = typeof parent === "string" ? parent : parent.operation;
    const run = this.#operations[operation];
    if (run === undefined) throw new Error(`no such operation: ${operation}`);
    const next = onPlatform(this.#platform, () => replay(run, history));
    const node: Node = {
      id: this.#nodes.length,
      operation,
      history,
      next,
      parent: typeof parent === "string" ? null : parent,
      children: new Map(),
    };
    this.#nodes.push(node);
    return node;
  }
}

function startingOver({ next, parent }: Node): Node | null {
  if (next.kind !== "call" || !LOOP_HEADS.has(next.call.name)) return null;
  for (let node = parent; node !== null; node = node.parent) {
    if (node.next.kind === "call" && node.next.call.name === next.call.name) return node;
  }
  return null;
}

/** The first call of a loop that ends when nobody has interfered. */
const LOOP_HEADS: ReadonlySet<string> = new Set(["openGuard"]);

/** What goes with the descriptor. */
const ENDINGS: ReadonlySet<string> = new Set(["close", "unlink", "drop"]);

/** What product code that looks at `process.platform` does there. */
function onPlatform<T>(platform: NodeJS.Platform, run: () => T): T {
  const own = Object.getOwnPropertyDescriptor(process, "platform");
  if (own === undefined) throw new Error("process.platform is not an own property");
  Object.defineProperty(process, "platform", { ...own, value: platform });
  try {
    return run();
  } finally {
    Object.defineProperty(process, "platform", own);
  }
}

class Suspended extends Error {}

function replay(operation: Operation, history: readonly string[]): Point["next"] {
  let answered = 0;
  const pending: Call[] = [];
  let stopped = false;
  const ask = (name: string, at: string): string => {
    if (stopped) throw new Suspended();
    const answer = history[answered];
    if (answer === undefined) {
      pending.push({ name, at });
      stopped = true;
      throw new Suspended();
    }
    answered++;
    if (/^E[A-Z]+$/u.test(answer)) throw Object.assign(new Error(answer), { code: answer });
    return answer;
  };
  let outcome: string;
  try {
    outcome = operation(surroundingsOf(ask, () => (stopped = true)));
  } catch (error) {
    outcome = `threw ${error instanceof Error ? error.message : String(error)}`;
  }
  if (answered < history.length) throw new Error(`not deterministic: ${history.join(", ")}`);
  const [call] = pending;
  return call === undefined ? { kind: "end", outcome } : { kind: "call", call };
}

type Ask = (name: string, at: string) => string;

function surroundingsOf(ask: Ask, stop: () => void): Surroundings {
  let lastRead = 0;
  const askAt = (name: string, path: string): string => ask(name, placeOf(path));
  const descriptor = (name: string) => (path: string) => Number(askAt(name, path));
  const done = (name: string) => (path: string) => void askAt(name, path);
  const unmodelled = (): never => {
    throw new Error("not modelled");
  };
  const fstat = (fd: number) => statsOf(ask("fstat", `fd${fd}`));
  const lstat = (path: string) => {
    const answer = askAt("lstat", path);
    return answer === "null" ? null : statsOf(answer);
  };
  const fs: LockFs = {
    openForReading: descriptor("openForReading"),
    createExclusive: descriptor("createExclusive"),
    openGuard: descriptor("openGuard"),
    createSelfDeleting: descriptor("createSelfDeleting"),
    takeOverSelfDeleting: descriptor("takeOverSelfDeleting"),
    openForWriting: unmodelled,
    setModified: unmodelled,
    list: unmodelled,
    realpath: unmodelled,
    readLink: unmodelled,
    kindAt: unmodelled,
    isWithoutLinks: unmodelled,
    read: (fd, buffer, offset) => {
      // A lock's text is read at once: the loop for more is for bytes that do not parse.
      const answer = offset > 0 ? "empty" : ask("read", `fd${fd}`);
      if (answer === "empty") return 0;
      const [lock, inode] = numbersIn(answer);
      lastRead = lock;
      return buffer.write(lockText(lock, inode, kindIn(answer)), offset);
    },
    writeText: (fd, text) => {
      const isOwned = text.includes('"guard"');
      const kind = isOwned ? "owned" : text.includes('"kernelLock"') ? "locked" : "unlocked";
      ask("writeText", `fd${fd} ${kind}`);
    },
    createUnnamed: () => Number(ask("createUnnamed", "D")),
    linkOpenFile: (fd, path) => void ask("linkOpenFile", `fd${fd} ${placeOf(path)}`),
    drop: (fd) => void ask("drop", `fd${fd}`),
    tryOwn: (fd) => attemptIn(ask("tryOwn", `fd${fd}`)),
    probeOwner: (fd) => attemptIn(ask("probeOwner", `fd${fd}`)),
    // Of a file that has no name, or is written in the guard: nothing can come in between.
    stamp: (fd) => ask("stamp", `fd${fd}`),
    stampAt: (path) => {
      const answer = askAt("stampAt", path);
      return answer === "null" ? null : answer;
    },
    close: (fd) => void ask("close", `fd${fd}`),
    fstat,
    lstat,
    // Two system calls, between which anything may happen.
    fileId: (fd) => {
      const { dev, ino } = fstat(fd);
      return `${dev}:${ino}`;
    },
    isNamed: (path, fd) => {
      const byPath = lstat(path);
      return byPath !== null && byPath.ino === fstat(fd).ino;
    },
    link: (from, to) => void ask("link", `${placeOf(from)} ${placeOf(to)}`),
    rename: (from, to) => void ask("rename", `${placeOf(from)} ${placeOf(to)}`),
    unlink: done("unlink"),
    removeDirectory: unmodelled,
    makeDirectory: () => {},
    exists: (path) => askAt("exists", path) === "true",
    fileSystemType: localType,
    fileSystemTypeOf: localType,
    canLock: () => true,
    tryExclusive: (fd) => attemptIn(ask("tryExclusive", `fd${fd}`)),
    probe: (fd) => attemptIn(ask("probe", `fd${fd}`)),
  };
  return {
    fs,
    evidence: evidenceOf(ask),
    nowMs: () => CREATED_AT + (ask("now", `lock${lastRead}`) === "overdue" ? 2 * HOLD_LIMIT_MS : 1),
    write: (half) => void ask("write", half),
    stop,
  };
}

function attemptIn(answer: string): LockAttempt {
  if (answer.startsWith("refused ")) return { refused: answer.slice("refused ".length) };
  return answer === "acquired" ? "acquired" : "held";
}

function localType(): number {
  return LOCAL[process.platform] ?? 0;
}

// Asked before any replay pretends to be on another platform: the answer, and the addon, are kept.
const HOST = hostFacts();

const TOKEN_HOST: TokenHost = {
  platform: "linux",
  hostDigest: null,
  hostnameDigest: null,
  boot: "b",
  pidNamespace: "1",
  initialPidNamespace: true,
  isHostIdPinned: false,
};

/** Who is alive is asked of the world; pids and start times are numbered by the locks that name them. */
function evidenceOf(ask: Ask): EvidenceSource {
  const identity: EvidenceSource["identity"] = (pid) => {
    const alive = ask("identity", `lock${pid - PID_BASE}`) === "alive";
    return alive
      ? { state: "alive", reason: "running", startTime: pid, exactId: null }
      : { state: "gone", reason: "no-such-process", startTime: null, exactId: null };
  };
  const evidence: EvidenceSource = {
    host: { ...HOST, platform: process.platform, startTimeOffset: 0 },
    tokenHost: TOKEN_HOST,
    identity,
    verify: (token) =>
      judgeToken(token, TOKEN_HOST, {
        identity,
        byExactId: () => ({ state: "unknown", reason: "unsupported" }),
        nested: () => null,
      }),
    sinceBootTicks: () => null,
    startTimeOffsetOf: () => 0,
    // There are no containers.
    nested: { isComplete: true, having: () => [] },
    fileSystem: () => ({ kind: "local", name: "ext" }),
    fresh: () => evidence,
  };
  return evidence;
}

// No real process has such a pid: the one that runs the checker must not take a lock for its own.
const PID_BASE = 2 ** 31;

/** The nonce of the n-th lock that an operation has seen. */
export function nonceOf(lock: number): string {
  return lock.toString(16).padStart(32, "0");
}

/**
 * What the holder of a lock has on its file: an open-file-description lock, with the file as guard (`owned`); a lock
 * of the other kind, with a guard file (`locked`); nothing. `plain`: another program's lock.
 */
export type LockKind = (typeof LOCK_KINDS)[number];

export const LOCK_KINDS = ["unlocked", "locked", "owned", "plain"] as const;

function kindIn(answer: string): LockKind {
  return LOCK_KINDS.find((kind) => answer.endsWith(` ${kind}`)) ?? "unlocked";
}

/** What such a lock's file says. */
export function lockText(lock: number, inode: number, kind: LockKind): string {
  const pid = PID_BASE + lock;
  const isOurs = kind !== "plain";
  return formatPayload({
    pid,
    createdAt: new Date(CREATED_AT).toISOString(),
    maxHoldMs: HOLD_LIMIT_MS,
    starttime: null,
    owner: isOurs ? formatToken({ ...TOKEN_HOST, pid, startTime: pid, exactId: null }) : null,
    nonce: isOurs ? nonceOf(lock) : null,
    kernelLock: kind === "locked" || kind === "owned" ? `1:${inode}` : null,
    guard: kind === "owned" ? INODE_GUARD : null,
    monotonicMs: null,
    label: null,
    fileSystem: isOurs ? "ext" : null,
    verified: null,
    lease: null,
  });
}

/** Process n's temp, for those who did not make it themselves. */
export function temporaryOf(process: number): string {
  return `${LOCK_PATH}.${String(process).repeat(32)}.tmp`;
}

function placeOf(path: string): string {
  if (path === LOCK_PATH) return "L";
  if (path === GUARD_PATH) return "G";
  if (path === `${LOCK_PATH}.reclaim`) return "another library's guard";
  if (path.endsWith(".gone")) return "A";
  const other = [0, 1, 2].find((process) => path === temporaryOf(process));
  return other === undefined ? "T" : `T${other}`;
}

function numbersIn(answer: string): [number, number] {
  const [first = 0, second = 0] = (answer.match(/\d+/gu) ?? []).map(Number);
  return [first, second];
}

/** Old enough for every grace: whoever relies on time alone is caught. */
function statsOf(answer: string): BigIntStats {
  const [inode, links] = numbersIn(answer);
  const size = answer.endsWith("written") ? 500n : 0n;
  const times = { mtimeNs: 0n, ctimeNs: 0n };
  const stats = { dev: 1n, ino: BigInt(inode), nlink: BigInt(links), size, ...times };
  return { ...stats, isFile: () => true } as BigIntStats;
}
