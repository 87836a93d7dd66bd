/**
 * Processes that are made up, behind the seams through which lib/process asks the OS: pids are given anew, parents change
 * and signals are refused whenever a test says so. Nothing real is signalled.
 *
 * A test puts {@link ProcessTable.backend} in place of the backend, and {@link ProcessTable.stat} in place of `/proc`.
 */
import { constants } from "node:os";

import type {
  Delivery,
  HostFacts,
  ProcessBackend,
  ProcessIdentity,
  ProcessReference,
} from "../../../lib/process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../../lib/process/nested-processes.js";
import type { ProcessInfo } from "../../../lib/process/process-info.js";
import { formatToken, type ProcessToken } from "../../../lib/process/token.js";
import { toTokenHost } from "../../../lib/process/identity.js";

const { SIGTERM, SIGKILL, SIGSTOP, SIGCONT } = constants.signals;
const NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

export const TABLE_HOST: HostFacts = {
  platform: process.platform,
  machineId: "machine",
  hostname: "host",
  bootId: "c707c71d-3a60-4d30-a4b8-3d7a1d0cb1c7",
  pidNamespace: "4026531836",
  initialPidNamespace: true,
  startTimeOffset: 0,
  monotonicOffsetMs: 0,
};

interface Facts {
  readonly pid: number;
  readonly parentPid?: number | null;
  readonly startTime?: number | null;
  readonly exactId?: string | null | undefined;
  /** Of Linux; 0: that of another namespace. */
  readonly session?: number;
  /** What is said to every signal instead of taking it. */
  readonly refuses?: Exclude<Delivery, "sent" | "gone">;
  readonly ignoresTerm?: boolean;
  /** Its number in a container, and that container's namespace. */
  readonly nestedPid?: number;
  readonly nestedNamespace?: string;
}

/** One made-up process. */
export class TableProcess {
  readonly pid: number;
  parentPid: number | null;
  readonly startTime: number | null;
  readonly exactId: string | null;
  session: number;
  refuses: Exclude<Delivery, "sent" | "gone"> | undefined;
  ignoresTerm: boolean;
  readonly nestedPid: number | undefined;
  readonly nestedNamespace: string | undefined;
  state: "running" | "zombie" | "ended" = "running";
  isStopped = false;
  /** As the kernel says it of one that is stuck in vfork. */
  cannotStop = false;
  #isTermPending = false;
  /** The names of the signals that it was sent, in their order; signal 0 is "0". */
  readonly got: string[] = [];
  /** Called before a signal takes effect. */
  onSignal: (name: string) => void = () => {};

  constructor(facts: Facts, born: number) {
    this.pid = facts.pid;
    this.parentPid = facts.parentPid ?? 1;
    this.startTime = facts.startTime === undefined ? born : facts.startTime;
    this.exactId = facts.exactId === undefined ? String(8_000_000 + born) : facts.exactId;
    this.session = facts.session ?? 1;
    this.refuses = facts.refuses;
    this.ignoresTerm = facts.ignoresTerm ?? false;
    this.nestedPid = facts.nestedPid;
    this.nestedNamespace = facts.nestedNamespace;
  }

  get runs(): boolean {
    return this.state === "running";
  }

  /** What it was sent beside signal 0. */
  get signals(): string[] {
    return this.got.filter((name) => name !== "0");
  }

  identity(): ProcessIdentity {
    const { startTime, exactId } = this;
    if (this.state === "ended") return GONE;
    const isZombie = this.state === "zombie";
    const verdict = isZombie
      ? ({ state: "gone", reason: "zombie" } as const)
      : ({ state: "alive", reason: "running" } as const);
    return { ...verdict, startTime, exactId };
  }

  end(): void {
    if (this.state === "running") this.state = "zombie";
  }

  take(number: number): Delivery {
    if (!this.runs) return "gone";
    if (this.refuses !== undefined) return this.refuses;
    const name = number === 0 ? "0" : (NAMES.get(number) ?? String(number));
    this.got.push(name);
    this.onSignal(name);
    if (number === SIGKILL) this.end();
    if (number === SIGTERM) this.#isTermPending = !this.ignoresTerm;
    if (number === SIGSTOP) this.isStopped = true;
    if (number === SIGCONT) this.isStopped = false;
    if (this.#isTermPending && !this.isStopped) this.end();
    return "sent";
  }
}

const GONE: ProcessIdentity = {
  state: "gone",
  reason: "no-such-process",
  startTime: null,
  exactId: null,
};

export class ProcessTable {
  readonly #byPid = new Map<number, TableProcess>();
  /** Every process that there was. */
  readonly all: TableProcess[] = [];
  #born = 1000;
  openReferences = 0;
  /** How many references can be open at once. */
  mostReferences = Infinity;
  isListable = true;
  /** What `/proc` says of sessions and stops; false: it is not there. */
  hasStat = true;
  /** How far a look at containers has seen. */
  isLookComplete = true;
  /** Called before every question and every signal: the world does not stand still. */
  beforeCall: () => void = () => {};

  start(facts: Facts): TableProcess {
    const process = new TableProcess(facts, this.#born++);
    const earlier = this.#byPid.get(process.pid);
    if (earlier !== undefined) this.reap(earlier);
    this.#byPid.set(process.pid, process);
    this.all.push(process);
    return process;
  }

  /** It has ended, and was waited for: its pid is free, and its children are process 1's. */
  reap(process: TableProcess): void {
    process.state = "ended";
    if (this.#byPid.get(process.pid) === process) this.#byPid.delete(process.pid);
    for (const child of this.#byPid.values()) {
      if (child.parentPid === process.pid) child.parentPid = 1;
    }
  }

  /** @throws when a reference was not closed */
  assertAllClosed(): void {
    if (this.openReferences === 0) return;
    throw new Error(`${String(this.openReferences)} references were not closed`);
  }

  at(pid: number): TableProcess | undefined {
    this.beforeCall();
    return this.#byPid.get(pid);
  }

  /** The token that names a process of this host. */
  token(process: TableProcess, other: Partial<ProcessToken> = {}): string {
    const { pid, startTime, exactId } = process;
    return formatToken({ ...toTokenHost(TABLE_HOST, false), pid, startTime, exactId, ...other });
  }

  /** The token that a process in a container has given itself. */
  nestedToken(process: TableProcess, other: Partial<ProcessToken> = {}): string {
    const pid = process.nestedPid ?? 0;
    return this.token(process, { pid, pidNamespace: process.nestedNamespace ?? null, ...other });
  }

  /** Those that were sent anything, without those that were meant. */
  strangersHit(...meant: readonly TableProcess[]): TableProcess[] {
    return this.all.filter((process) => process.got.length > 0 && !meant.includes(process));
  }

  readonly stat = (pid: number): { state: string; threads: number; session: number } | null => {
    const process = this.at(pid);
    if (!this.hasStat || process === undefined) return null;
    const isAtRest = process.isStopped && !process.cannotStop;
    const state = process.runs ? (isAtRest ? "T" : "S") : "Z";
    return { state, threads: 1, session: process.session };
  };

  readonly hasStopped = (pid: number): boolean | null => {
    const stat = this.stat(pid);
    return stat === null ? null : stat.state !== "S";
  };

  /** As `lookForNestedProcessesSync`. */
  readonly lookForNested = (identity: (pid: number) => ProcessIdentity): NestedProcesses => ({
    isComplete: this.isLookComplete,
    having: (nestedPid) =>
      [...this.#byPid.values()]
        .filter((process) => process.nestedPid === nestedPid)
        .flatMap(({ pid, nestedNamespace = null }): NestedProcess[] => {
          const { state, startTime, exactId } = identity(pid);
          if (state === "gone") return [];
          const pidNamespace = nestedNamespace;
          return [{ outerPid: pid, startTime, exactId, startTimeOffset: 0, pidNamespace }];
        }),
  });

  readonly backend: ProcessBackend = {
    name: "native",
    isAlive: (pid) => this.at(pid)?.runs ?? false,
    startTime: (pid) => this.at(pid)?.startTime ?? null,
    args: () => null,
    inspect: (pid) => this.#inspect(pid),
    inspectMany: (pids) => pids.slice(0, 10).map((pid) => this.#inspect(pid)),
    identity: (pid) => this.at(pid)?.identity() ?? GONE,
    byExactId: (exactId) => this.#byExactId(exactId)?.identity() ?? GONE,
    host: () => TABLE_HOST,
    reference: (pid) => this.#reference(this.at(pid)),
    referenceByExactId: (exactId) => this.#reference(this.#byExactId(exactId)),
    list: () => (this.isListable ? [...this.#byPid.keys()] : null),
  };

  #byExactId(exactId: string): TableProcess | undefined {
    this.beforeCall();
    return [...this.#byPid.values()].find((process) => process.exactId === exactId);
  }

  #inspect(pid: number): ProcessInfo {
    const process = this.at(pid);
    const { state, reason, startTime } = process?.identity() ?? GONE;
    const parentPid = process?.parentPid ?? null;
    const nothing = { startedAtMs: null, args: null, argsReason: null, commandLine: null };
    return { pid, state, reason, startTime, parentPid, ...nothing };
  }

  #reference(process: TableProcess | undefined): ProcessReference | null {
    if (process === undefined || this.openReferences >= this.mostReferences) return null;
    this.openReferences++;
    let isOpen = true;
    const open = (): TableProcess => {
      if (!isOpen) throw new Error(`a reference to process ${process.pid} is used after its end`);
      this.beforeCall();
      return process;
    };
    return {
      exited: () => !open().runs,
      identity: () => open().identity(),
      signal: (number) => open().take(number),
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        this.openReferences--;
      },
    };
  }
}
