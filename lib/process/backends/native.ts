/** Translates the addon's results: numbers become reasons, NaN and "" become null. */
import {
  ARGS_REASONS,
  FACT,
  FACT_COUNT,
  IDENTITY_FACT,
  type NativeBinding,
  REASONS,
  STATES,
} from "../../native/binding.js";
import type { HostFacts, ProcessBackend } from "./backend.js";
import { hostName } from "./os-facts.js";
import type { ArgsReason, ProcessInfo, ProcessReason, ProcessState } from "../process-info.js";

export function createNativeBackend(binding: NativeBinding): ProcessBackend {
  // One array for all calls: each fills it anew and reads it before anything else can run.
  const facts = new Float64Array(FACT_COUNT);

  return {
    name: "native",
    isAlive: (pid) => binding.isAlive(pid),
    startTime: (pid) => binding.startTime(pid),
    args: (pid) => binding.args(pid),
    inspect(pid, withArgs): ProcessInfo {
      const args: string[] = [];
      const raw = withArgs ? binding.inspect(pid, facts, args) : binding.inspect(pid, facts);
      const argsReason = argsReasonAt(facts[FACT.argsReason]);
      const read = argsReason === null;
      return {
        pid,
        state: stateAt(facts[FACT.state]),
        reason: reasonAt(facts[FACT.reason]),
        startTime: known(facts[FACT.startTime]),
        startedAtMs: known(facts[FACT.startedAtMs]),
        args: read ? args : null,
        argsReason,
        commandLine: read ? shown(raw ?? "") : null,
        parentPid: known(facts[FACT.parentPid]) || null,
      };
    },
    identity(pid) {
      binding.identity(pid, facts);
      return {
        state: stateAt(facts[IDENTITY_FACT.state]),
        reason: reasonAt(facts[IDENTITY_FACT.reason]),
        startTime: known(facts[IDENTITY_FACT.startTime]),
        exactId: decimal(facts[IDENTITY_FACT.exactIdHigh], facts[IDENTITY_FACT.exactIdLow]),
      };
    },
    byExactId(exactId) {
      const reason = reasonAt(binding.reasonByExactId(exactId));
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
    watchExit: (pid) => binding.watchExit(pid),
  };
}

// An index that the lists do not have comes from an addon newer than they are: unknown, not gone.

function stateAt(index: number | undefined): ProcessState {
  return STATES[index ?? -1] ?? "unknown";
}

function reasonAt(index: number | undefined): ProcessReason {
  return REASONS[index ?? -1] ?? "unsupported";
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
