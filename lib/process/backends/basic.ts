/**
 * The last resort, for platforms other than Linux without the addon: `process.kill(pid, 0)` tells
 * whether something has the pid (a zombie included), and nothing else is known. Without a start time no
 * process can be named, so a token is never judged gone here except by its absent pid.
 */
import type { ProcessBackend } from "./backend.js";
import { inspectEach } from "./inspect-each.js";
import { hostName } from "./os-facts.js";
import { probePid, type SignalZero } from "./probe-pid.js";
import type { ProcessInfo, ProcessReason, ProcessState } from "../process-info.js";

interface Liveness {
  readonly state: ProcessState;
  readonly reason: ProcessReason;
}

export function createBasicBackend(signalZero?: SignalZero): ProcessBackend {
  const liveness = (pid: number): Liveness => {
    const probe = probePid(pid, signalZero);
    switch (probe) {
      case "found":
        return { state: "alive", reason: "running" };
      case "access-denied":
        return { state: "unknown", reason: "access-denied" };
      case "no-such-process":
        return { state: "gone", reason: "no-such-process" };
      case "unsupported":
        return { state: "unknown", reason: "unsupported" };
    }
  };

  const inspect = (pid: number, withArgs: boolean): ProcessInfo => {
    const { state, reason } = liveness(pid);
    const unread = withArgs ? "unsupported" : "skipped";
    return {
      pid,
      state,
      reason,
      startTime: null,
      startedAtMs: null,
      args: null,
      argsReason: state === "gone" ? "gone" : unread,
      commandLine: null,
      parentPid: null,
    };
  };

  return {
    name: "basic",
    isAlive: (pid) => liveness(pid).state !== "gone",
    startTime: () => null,
    args: () => null,
    inspect,
    inspectMany: (pids, withArgs, budgetMs) => inspectEach(inspect, pids, withArgs, budgetMs),
    identity: (pid) => ({ ...liveness(pid), startTime: null, exactId: null }),
    byExactId: () => ({ state: "unknown", reason: "unsupported" }),
    host: () => ({
      platform: process.platform,
      machineId: null,
      hostname: hostName(),
      bootId: null,
      pidNamespace: "0",
      initialPidNamespace: true,
      startTimeOffset: 0,
      monotonicOffsetMs: 0,
    }),
    reference: () => null,
    referenceByExactId: () => null,
    list: () => null,
  };
}
