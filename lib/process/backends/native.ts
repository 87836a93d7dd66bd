/** Translates the addon's results: numbers become reasons, NaN and "" become null. */
import {
  ARGS_REASONS,
  ARGUMENT_COUNT,
  DELIVERIES,
  FACT,
  FACT_ROW,
  IDENTITY_FACT,
  MOST_AT_ONCE,
  type NativeBinding,
  type NativeProcessReference,
  REASONS,
  STATES,
} from "../../native/binding.js";
import type {
  Delivery,
  HostFacts,
  ProcessBackend,
  ProcessIdentity,
  ProcessReference,
} from "./backend.js";
import { isShortOfDescriptors } from "../descriptor-shortage.js";
import { wholeMs } from "../../util/whole-ms.js";
import { hostName } from "./os-facts.js";
import type { ArgsReason, ProcessInfo, ProcessReason, ProcessState } from "../process-info.js";

export function createNativeBackend(binding: NativeBinding): ProcessBackend {
  // One array for all calls: each fills it anew and reads it before anything else can run.
  const facts = new Float64Array(FACT_ROW);
  // Likewise; made for the first question about many.
  let pidsAtOnce: Uint32Array | undefined;
  let factsAtOnce: Float64Array | undefined;

  const toReference = (native: NativeProcessReference | null): ProcessReference | null =>
    native === null ? null : new NativeReference(native, facts);

  return {
    name: "native",
    isAlive: (pid) => binding.isAlive(pid),
    startTime: (pid) => binding.startTime(pid),
    args(pid) {
      const args = binding.args(pid, facts);
      return typeof args === "string" ? argumentsIn(args, facts, 0) : args;
    },
    inspect(pid, withArgs): ProcessInfo {
      const args: string[] = [];
      const line = withArgs ? binding.inspect(pid, facts, args) : binding.inspect(pid, facts);
      return toProcessInfo(pid, facts, 0, line ?? "", args);
    },
    inspectMany(pids, withArgs, budgetMs) {
      pidsAtOnce ??= new Uint32Array(MOST_AT_ONCE);
      factsAtOnce ??= new Float64Array(MOST_AT_ONCE * FACT_ROW);
      const count = Math.min(pids.length, MOST_AT_ONCE);
      if (count === 0) return [];
      for (let i = 0; i < count; i++) pidsAtOnce[i] = pids[i] ?? 0;
      const lines: (string | string[] | undefined)[] = [];
      const done = withArgs
        ? binding.inspectMany(pidsAtOnce, count, factsAtOnce, budgetMs, lines)
        : binding.inspectMany(pidsAtOnce, count, factsAtOnce, budgetMs);
      const infos: ProcessInfo[] = [];
      for (let i = 0; i < done; i++) {
        const line = (lines[2 * i] ?? "") as string;
        const args = (lines[2 * i + 1] ?? []) as string[];
        infos.push(toProcessInfo(pids[i] ?? 0, factsAtOnce, i * FACT_ROW, line, args));
      }
      return infos;
    },
    identity(pid) {
      binding.identity(pid, facts);
      return toIdentity(facts);
    },
    byExactId(exactId) {
      const reason = askedReason(reasonAt(binding.reasonByExactId(exactId)));
      switch (reason) {
        case "running":
          return { state: "alive", reason };
        case "access-denied":
        case "unsupported":
          return { state: "unknown", reason };
        default:
          return { state: "gone", reason };
      }
    },
    host(): HostFacts {
      const host = binding.host();
      return {
        platform: process.platform,
        machineId: host.machineId || null,
        hostname: hostName(),
        bootId: host.bootId || null,
        pidNamespace: host.pidNamespace || null,
        initialPidNamespace: host.initialPidNamespace,
        startTimeOffset: known(host.startTimeOffset),
        monotonicOffsetMs: known(host.monotonicOffsetMs),
      };
    },
    reference: (pid) => toReference(binding.reference(pid)),
    referenceByExactId: (exactId) => toReference(binding.referenceByExactId(exactId)),
    list: () => binding.list(),
  };
}

class NativeReference implements ProcessReference {
  readonly #native: NativeProcessReference;
  readonly #facts: Float64Array;

  /** @param facts - Room for an answer, which others may use between two calls. */
  constructor(native: NativeProcessReference, facts: Float64Array) {
    this.#native = native;
    this.#facts = facts;
  }

  exited(): boolean {
    return this.#native.exited();
  }

  identity(): ProcessIdentity {
    this.#native.identity(this.#facts);
    return toIdentity(this.#facts);
  }

  signal(number: number): Delivery {
    return DELIVERIES[this.#native.signal(number)] ?? "unsupported";
  }

  close(): void {
    this.#native.close();
  }
}

function toIdentity(facts: Float64Array): ProcessIdentity {
  return {
    state: stateAt(facts[IDENTITY_FACT.state]),
    reason: askedReason(reasonAt(facts[IDENTITY_FACT.reason])),
    startTime: known(facts[IDENTITY_FACT.startTime]),
    exactId: decimal(facts[IDENTITY_FACT.exactIdHigh], facts[IDENTITY_FACT.exactIdLow]),
  };
}

/**
 * One answer of the addon.
 *
 * @param row - Where its facts begin in `facts`.
 * @param args - The arguments, unless the row tells of them.
 */
function toProcessInfo(
  pid: number,
  facts: Float64Array,
  row: number,
  line: string,
  args: string[],
): ProcessInfo {
  const argsReason = argsReasonAt(facts[row + FACT.argsReason]);
  const read = argsReason === null;
  const isCut = read && (facts[row + ARGUMENT_COUNT] ?? 0) > 0;
  return {
    pid,
    state: stateAt(facts[row + FACT.state]),
    reason: askedReason(reasonAt(facts[row + FACT.reason])),
    startTime: known(facts[row + FACT.startTime]),
    startedAtMs: wholeMs(known(facts[row + FACT.startedAtMs])),
    args: isCut ? argumentsIn(line, facts, row) : read ? args : null,
    argsReason,
    commandLine: isCut ? line : read ? shown(line) : null,
    parentPid: known(facts[row + FACT.parentPid]) || null,
  };
}

/** The arguments of a command line, cut out of it where the row of its facts says: see {@link ARGUMENT_COUNT}. */
function argumentsIn(line: string, facts: Float64Array, row: number): string[] {
  const first = row + ARGUMENT_COUNT + 1;
  const count = facts[first - 1] ?? 0;
  const args: string[] = [];
  let start = 0;
  for (let i = first; i < first + count; i++) {
    const end = facts[i] ?? start;
    args.push(line.slice(start, end));
    start = end + 1;
  }
  return args;
}

// An index that the lists do not have comes from an addon newer than they are: unknown, not gone.

function stateAt(index: number | undefined): ProcessState {
  return STATES[index ?? -1] ?? "unknown";
}

function reasonAt(index: number | undefined): ProcessReason {
  return REASONS[index ?? -1] ?? "unsupported";
}

/** Without a descriptor nothing could be asked that the OS would have denied. */
function askedReason(reason: ProcessReason): ProcessReason {
  return reason === "access-denied" && isShortOfDescriptors() ? "unsupported" : reason;
}

function argsReasonAt(index: number | undefined): ArgsReason | null {
  const reason = ARGS_REASONS[index ?? -1];
  return reason === undefined ? "unsupported" : reason;
}

function known(fact: number | undefined): number | null {
  return fact === undefined || Number.isNaN(fact) ? null : fact;
}

/** The digits of a 64-bit number given as its upper and lower 32 bits. */
function decimal(high = Number.NaN, low = Number.NaN): string | null {
  const number = high * 2 ** 32 + low;
  if (Number.isNaN(number)) return null;
  if (Number.isSafeInteger(number)) return String(number);
  return String((BigInt(high) << 32n) | BigInt(low));
}

/** POSIX separates arguments by NUL; a Windows command line is one string and stays as it is. */
function shown(raw: string): string {
  return process.platform === "win32" ? raw : raw.replaceAll("\0", " ");
}
