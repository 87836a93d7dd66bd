/**
 * The `/proc` reader for Linux and Android: answers when the addon does not, and checks it in tests.
 *
 * Node has neither tgkill nor pidfds. What they decide is found otherwise: a thread id by `Tgid` in
 * `/proc/<pid>/status`, an exited process by state and thread count, a recycled pid by the start time
 * read twice. There is no exact id and no reference that could be kept, so nothing can be signalled.
 */
import { wallMs } from "../../util/clocks.js";
import { errorCode } from "../../util/error-code.js";
import { fs } from "../../util/node-modules.js";
import type { HostFacts, ProcessBackend, ProcessIdentity } from "./backend.js";
import { isShortOfDescriptors } from "../descriptor-shortage.js";
import { inspectEach } from "./inspect-each.js";
import { hostName, secondsSinceBoot } from "./os-facts.js";
import { probePid } from "./probe-pid.js";
import type { ArgsReason, ProcessInfo, ProcessReason, ProcessState } from "../process-info.js";
import {
  argumentBytes,
  type CommandLine,
  hasExitedLeader,
  hasSameMemory,
  hostStartTime,
  isExiting,
  isKernelThread,
  isSettled,
  isZombie,
  MS_PER_TICK,
  parseCmdline,
  parseNamespacePids,
  parseStat,
  parseTgid,
  parseTimeOffsets,
  type ProcStat,
  type TimeOffsets,
} from "./procfs-parse.js";
import { INITIAL_PID_NAMESPACE } from "../token.js";

const { existsSync, readdirSync, readFileSync, readlinkSync, statSync } = fs;

/** What was found out about one pid by one look. */
interface Observation {
  readonly state: ProcessState;
  readonly reason: ProcessReason;
  /** Only of a live process. */
  readonly stat: ProcStat | null;
  /** Why there is no command line when there is no `stat`. */
  readonly argsReason: ArgsReason;
}

type CommandLineResult =
  | { readonly line: CommandLine; readonly argsReason: null }
  | { readonly line: null; readonly argsReason: ArgsReason };

const NO_SUCH_PROCESS = gone("no-such-process");
const NO_LINE = unread("gone");

/** How often a read that met a process in the middle of execve(2) or of being reaped is repeated. */
const ATTEMPTS = 4;

/** Creates the reader; it looks at `/proc` only when asked, and at constant facts only once. */
export function createProcfsBackend(): ProcessBackend {
  let timeOffsets: TimeOffsets | null | undefined;
  let ownProc: boolean | undefined;

  const observe = (pid: number): Observation => {
    const probe = probePid(pid);
    if (probe === "no-such-process") return NO_SUCH_PROCESS;
    ownProc ??= isOwnProc();
    return ownProc ? observeInProc(pid) : unreadable(pid, "unsupported");
  };
  const offsets = (): TimeOffsets | null => (timeOffsets ??= readTimeOffsets());
  const startTimeOf = (stat: ProcStat | null): number | null => {
    const known = offsets();
    return stat && known && hostStartTime(stat.startTime, known.boottimeTicks);
  };

  /** Observes, reads the command line and observes again, so that both describe one process. */
  const observeWithArgs = (pid: number): [Observation, CommandLineResult] => {
    const before = observe(pid);
    if (before.stat === null) return [before, unread(before.argsReason)];
    const result = readCommandLine(pid, before.stat);
    const after = observe(pid);
    if (after.stat === null) return [after, unread(after.argsReason)];
    // Another process by now: the one that was asked about is gone, whatever has its pid.
    const isReplaced = after.stat.startTime !== before.stat.startTime;
    return isReplaced ? [NO_SUCH_PROCESS, NO_LINE] : [after, result];
  };

  const inspect = (pid: number, withArgs: boolean): ProcessInfo => {
    const [seen, result] = withArgs ? observeWithArgs(pid) : skipArgs(observe(pid));
    const { state, reason, stat } = seen;
    const { line, argsReason } = result;
    return {
      pid,
      state,
      reason,
      startTime: startTimeOf(stat),
      startedAtMs: startedAtMs(startTimeOf(stat), offsets()),
      args: line?.args ?? null,
      argsReason,
      commandLine: line?.commandLine ?? null,
      parentPid: stat?.parentPid || null,
    };
  };

  return {
    name: "procfs",
    isAlive: (pid) => observe(pid).state !== "gone",
    startTime: (pid) => startTimeOf(observe(pid).stat),
    args(pid) {
      const [, result] = observeWithArgs(pid);
      return result.line?.args ?? null;
    },
    inspect,
    inspectMany: (pids, withArgs, budgetMs) => inspectEach(inspect, pids, withArgs, budgetMs),
    identity(pid): ProcessIdentity {
      const { state, reason, stat } = observe(pid);
      return { state, reason, startTime: startTimeOf(stat), exactId: null };
    },
    byExactId: () => ({ state: "unknown", reason: "unsupported" }),
    host: () => readHostFacts(offsets()),
    reference: () => null,
    referenceByExactId: () => null,
    list() {
      ownProc ??= isOwnProc();
      return ownProc ? listProc() : null;
    },
  };
}

function gone(reason: ProcessReason): Observation {
  return { state: "gone", reason, stat: null, argsReason: "gone" };
}

function skipArgs(seen: Observation): [Observation, CommandLineResult] {
  return [seen, unread(seen.state === "gone" ? "gone" : "skipped")];
}

/**
 * `/proc` numbers processes as our own pid namespace does. It does not after `unshare --pid` without a
 * mount: there `/proc/<pid>` is *another* process, and our own number may by chance be the same.
 */
function isOwnProc(): boolean {
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return false;
    return (parseNamespacePids(readFileSync("/proc/self/status", "latin1"))?.length ?? 1) === 1;
  } catch {
    return false;
  }
}

/**
 * Looks again when `/proc` has no such process and kill finds one: the number may have passed from one
 * to the next between the two. A hidden process stays not to be found.
 */
function observeInProc(pid: number): Observation {
  for (let attempt = 1; ; attempt++) {
    try {
      return describe(pid);
    } catch (error) {
      const seen = unreadable(pid, argsReasonOf(error));
      if (seen.state === "gone" || !isNotFound(error) || attempt === ATTEMPTS) return seen;
    }
  }
}

/** Throws what reading `/proc` throws. */
function describe(pid: number): Observation {
  const stat = readStat(pid);
  const tgid = parseTgid(readFileSync(`/proc/${pid}/status`, "latin1"));
  if (stat === null || tgid === null) return unreadable(pid, "unsupported");
  // The kernel says 0 while it takes the process away.
  if (tgid === 0) return gone("no-such-process");
  // `/proc/<tid>` exists, unlisted, for every thread.
  if (tgid !== pid) return gone("thread-id");
  if (isZombie(stat)) return gone("zombie");
  return { state: "alive", reason: "running", stat, argsReason: "skipped" };
}

function isNotFound(error: unknown): boolean {
  return errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH";
}

/**
 * A process that is not in `/proc` is not proven dead: hidepid hides processes that kill still reaches. Nor is it
 * proven alive: kill reaches zombies, too.
 */
function unreadable(pid: number, argsReason: ArgsReason): Observation {
  const probe = probePid(pid);
  if (probe === "no-such-process") return NO_SUCH_PROCESS;
  const isAsked = probe !== "unsupported" && !isShortOfDescriptors();
  const reason = isAsked ? "access-denied" : "unsupported";
  return { state: "unknown", reason, stat: null, argsReason };
}

/** A settled line; null when there is none to be had or it makes no sense. */
function readStat(pid: number): ProcStat | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
    if (stat === null || isSettled(stat)) return stat;
  }
  return null;
}

/** Reads the command line that belongs to `stat`, which is read again where the two do not match. */
function readCommandLine(pid: number, stat: ProcStat): CommandLineResult {
  let before = stat;
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // An exited leader's memory is gone from its own /proc entry.
      if (isKernelThread(before) || hasExitedLeader(before)) return read(NO_BYTES);
      // Reading would wait for the target's memory lock, on which the target itself may be stuck.
      if (before.state === "D") return unread("busy");
      const bytes = readFileSync(`/proc/${pid}/cmdline`);
      const after = readStat(pid);
      if (after === null) return unread("unsupported");
      const isSame = hasSameMemory(before, after);
      before = after;
      // An execve(2) between the two reads: the area's length is not that of these bytes.
      if (!isSame) continue;
      const areaBytes = argumentBytes(after);
      if (bytes.length > 0) return read(bytes, areaBytes);
      if (isExiting(after)) return unread("gone");
      // Empty until execve(2) has laid out the new program's environment (fs/proc/base.c), or for good:
      // executed without any argument (possible until Linux 5.18).
      if (after.memory.envEnd !== "0" && areaBytes === null) return read(bytes);
    }
    return unread("busy");
  } catch (error) {
    return unread(argsReasonOf(error));
  }
}

const NO_BYTES = Buffer.alloc(0);

function read(bytes: Buffer, areaBytes: number | null = null): CommandLineResult {
  return { line: parseCmdline(bytes, areaBytes), argsReason: null };
}

function unread(argsReason: ArgsReason): CommandLineResult {
  return { line: null, argsReason };
}

/** Gone or hidden: the observation that follows tells which. */
function argsReasonOf(error: unknown): ArgsReason {
  switch (errorCode(error)) {
    case "ENOENT":
    case "ESRCH":
    case "EACCES":
    case "EPERM":
      return "access-denied";
    default:
      return "unsupported";
  }
}

/** From the current wall clock and the time since boot, which carries our time-namespace offset. */
function startedAtMs(startTime: number | null, offsets: TimeOffsets | null): number | null {
  const sinceBoot = secondsSinceBoot();
  if (startTime === null || offsets === null || sinceBoot === null) return null;
  const sinceBootMs = sinceBoot * 1000 - offsets.boottimeTicks * MS_PER_TICK;
  return Math.round(wallMs() - sinceBootMs + startTime * MS_PER_TICK);
}

/** null when the offsets cannot be known. */
function readTimeOffsets(): TimeOffsets | null {
  try {
    // The file shows the namespace for our *children*, which is not ours between
    // unshare(CLONE_NEWTIME) and the next execve().
    if (namespaceInode("time") !== namespaceInode("time_for_children")) return null;
    return parseTimeOffsets(readFileSync("/proc/self/timens_offsets", "latin1"));
  } catch (error) {
    // A kernel without time namespaces has no such file.
    const isAbsent = errorCode(error) === "ENOENT" && existsSync("/proc/self/stat");
    return isAbsent ? { boottimeTicks: 0, monotonicMs: 0 } : null;
  }
}

function readHostFacts(offsets: TimeOffsets | null): HostFacts {
  const pidNamespace = namespaceInode("pid");
  return {
    platform: process.platform,
    machineId: readMachineId("/etc/machine-id") ?? readMachineId("/var/lib/dbus/machine-id"),
    hostname: hostName(),
    bootId: readText("/proc/sys/kernel/random/boot_id"),
    pidNamespace,
    initialPidNamespace: pidNamespace === INITIAL_PID_NAMESPACE,
    startTimeOffset: offsets?.boottimeTicks ?? null,
    monotonicOffsetMs: offsets?.monotonicMs ?? null,
  };
}

/** `/proc/self` is the reader in every procfs that shows it, also in another pid namespace's. */
function namespaceInode(name: string): string | null {
  try {
    return statSync(`/proc/self/ns/${name}`, { bigint: true }).ino.toString();
  } catch {
    return null;
  }
}

/** machine-id(5): 32 hexadecimal digits; an image that has not booted yet says `uninitialized`. */
function readMachineId(path: string): string | null {
  const id = readText(path);
  return id !== null && /^[0-9a-f]{32}$/iu.test(id) ? id : null;
}

/** The trimmed text of a file; null when there is none. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, "latin1").trim() || null;
  } catch {
    return null;
  }
}

function listProc(): number[] | null {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/u.test(name))
      .map(Number);
  } catch {
    return null;
  }
}
