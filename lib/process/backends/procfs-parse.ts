/**
 * Pure parsers of Linux `/proc` files, with the same rules as native/parse. Any input is legal: the
 * text of a file that another process has a say in (its name, its arguments) is hostile.
 */

/** The fields of `/proc/<pid>/stat` that say something about identity. */
export interface ProcStat {
  readonly pid: number;
  /** One letter, e.g. `S` sleeping, `D` uninterruptible, `Z` zombie, `X` dead. */
  readonly state: string;
  /** 0 when the parent is outside the reader's pid namespace. */
  readonly parentPid: number;
  /** Not reliable while threads end or execute a program, see {@link isSettled}. */
  readonly threads: number;
  /** The kernel's PF_* bits (include/linux/sched.h). */
  readonly flags: number;
  /** Clock ticks since boot, with the *reader's* time-namespace offset in it. */
  readonly startTime: number;
  /**
   * Addresses in the process's memory, only for telling whether they changed: where its arguments begin
   * and end and its environment ends. `0` when hidden, absent, or not yet laid out by execve(2).
   */
  readonly memory: { readonly argStart: string; readonly argEnd: string; readonly envEnd: string };
}

// Positions after the `)` of the second field, per proc_pid_stat(5) less 3.
const STATE = 0;
const PARENT = 1;
const FLAGS = 6;
const THREADS = 17;
const START_TIME = 19;
const ARG_START = 45;
const ARG_END = 46;
const ENV_END = 48;

/** Parses a `/proc/<pid>/stat` line; null when it is not one. */
export function parseStat(line: string): ProcStat | null {
  const open = line.indexOf(" (");
  // The name may contain anything, also ") R 1 1"; no later field contains a parenthesis.
  const close = line.lastIndexOf(")");
  if (open === -1 || close < open) return null;
  const fields = line
    .slice(close + 2)
    .trimEnd()
    .split(" ");
  const pid = decimal(line.slice(0, open));
  const state = fields[STATE];
  const parentPid = decimal(fields[PARENT]);
  const flags = decimal(fields[FLAGS]);
  const threads = decimal(fields[THREADS]);
  const startTime = decimal(fields[START_TIME]);
  if (pid === null || state === undefined || !/^[A-Za-z]$/u.test(state)) return null;
  if (parentPid === null || flags === null || threads === null || startTime === null) return null;
  const memory = {
    argStart: address(fields[ARG_START]),
    argEnd: address(fields[ARG_END]),
    envEnd: address(fields[ENV_END]),
  };
  return { pid, state, parentPid, flags, threads, startTime, memory };
}

function address(text: string | undefined): string {
  return text !== undefined && /^\d{1,20}$/u.test(text) ? text : "0";
}

/** Bytes of the argument area; null when the kernel does not tell. */
export function argumentBytes({ memory }: ProcStat): number | null {
  // Addresses exceed 2^53 on some machines: subtract as bigint.
  const length = BigInt(memory.argEnd) - BigInt(memory.argStart);
  return length > 0n && length <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(length) : null;
}

/** True when both were read from one program: no execve(2) between them. */
export function hasSameMemory(a: ProcStat, b: ProcStat): boolean {
  return (
    a.memory.argStart === b.memory.argStart &&
    a.memory.argEnd === b.memory.argEnd &&
    a.memory.envEnd === b.memory.envEnd
  );
}

/** PF_KTHREAD: a thread of the kernel, which has no command line. */
export function isKernelThread({ flags }: ProcStat): boolean {
  return (flags & 0x00200000) !== 0;
}

/** PF_EXITING: on its way out, its memory perhaps already gone. */
export function isExiting({ flags }: ProcStat): boolean {
  return (flags & 0x00000004) !== 0;
}

function decimal(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,16}$/u.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

/** True when the first thread has exited; its process has not as long as other threads run. */
export function hasExitedLeader({ state }: ProcStat): boolean {
  return state === "Z" || state === "X";
}

/**
 * False for a line that says nothing about the process: when a thread other than the first calls
 * execve(2) it takes over the first one's pid, and a reader that came just before still gets the old
 * one: dead, or without a thread count.
 */
export function isSettled(stat: ProcStat): boolean {
  return !hasExitedLeader(stat) || (stat.state === "Z" && stat.threads > 0);
}

/** True when the process behind a settled `stat` has exited. */
export function isZombie(stat: ProcStat): boolean {
  return hasExitedLeader(stat) && stat.threads <= 1;
}

/** The line `Tgid:` of `/proc/<pid>/status`: the process that the thread `pid` belongs to. */
export function parseTgid(status: string): number | null {
  return decimal(/^Tgid:[ \t]+(\d+)$/mu.exec(status)?.[1]);
}

/**
 * The line `NSpid:` of `/proc/<pid>/status` (Linux 4.1): the process's numbers from the pid namespace of
 * this /proc down to its own; null when there is none.
 */
export function parseNamespacePids(status: string): readonly number[] | null {
  const numbers = /^NSpid:((?:[ \t]+\d{1,10})+)$/mu.exec(status)?.[1];
  return numbers === undefined
    ? null
    : numbers
        .trim()
        .split(/[ \t]+/u)
        .map(Number);
}

/** A command line, both ways. */
export interface CommandLine {
  readonly args: string[];
  /** The same bytes without the last terminator, NULs shown as spaces. */
  readonly commandLine: string;
}

const NUL = 0;

/**
 * Parses the bytes of `/proc/<pid>/cmdline`; invalid UTF-8 becomes U+FFFD.
 *
 * Elements end at NUL; a last one without NUL counts; empty ones survive. Except: one string followed
 * by nothing but two or more NULs is a rewritten title (Node's `process.title`, setproctitle) and the
 * NULs pad the old argument area.
 *
 * @param areaBytes - {@link argumentBytes}. When the last byte of that area is not NUL the kernel takes
 * the process for one with a long title and reads on into the environment (get_mm_cmdline in
 * fs/proc/base.c); what lies beyond is cut.
 */
export function parseCmdline(bytes: Buffer, areaBytes: number | null = null): CommandLine {
  const area =
    areaBytes !== null && areaBytes < bytes.length ? bytes.subarray(0, areaBytes) : bytes;
  if (area.length === 0) return { args: [], commandLine: "" };

  const first = area.indexOf(NUL);
  if (first === -1) return single(area.toString("utf8"));
  if (onlyNulsFrom(area, first)) return single(area.toString("utf8", 0, first));

  const args: string[] = [];
  let from = 0;
  for (let end = first; end !== -1; end = area.indexOf(NUL, from)) {
    args.push(area.toString("utf8", from, end));
    from = end + 1;
  }
  if (from < area.length) args.push(area.toString("utf8", from));
  const length = area[area.length - 1] === NUL ? area.length - 1 : area.length;
  return { args, commandLine: area.toString("utf8", 0, length).replaceAll("\0", " ") };
}

function single(text: string): CommandLine {
  return { args: [text], commandLine: text };
}

function onlyNulsFrom(bytes: Buffer, index: number): boolean {
  for (let at = index; at < bytes.length; at++) if (bytes[at] !== NUL) return false;
  return true;
}

/** What a time namespace adds to the host's clocks. */
export interface TimeOffsets {
  /** To CLOCK_BOOTTIME, in clock ticks; may be a fraction. */
  readonly boottimeTicks: number;
  /** To CLOCK_MONOTONIC. */
  readonly monotonicMs: number;
}

/** Parses `/proc/<pid>/timens_offsets` (Linux 5.6); null when a line is missing or odd. */
export function parseTimeOffsets(text: string): TimeOffsets | null {
  const monotonic = offsetOf(text, "monotonic");
  const boottime = offsetOf(text, "boottime");
  if (monotonic === null || boottime === null) return null;
  return {
    boottimeTicks: boottime.seconds * TICKS_PER_SECOND + boottime.nanoseconds / NS_PER_TICK,
    monotonicMs: monotonic.seconds * 1e3 + monotonic.nanoseconds / 1e6,
  };
}

// Seconds and nanoseconds apart: the quotient of a whole number of ticks is then exact.
function offsetOf(text: string, clock: string): { seconds: number; nanoseconds: number } | null {
  const match = new RegExp(`^${clock}[ \\t]+(-?\\d{1,12})[ \\t]+(-?\\d{1,9})$`, "mu").exec(text);
  return match && { seconds: Number(match[1]), nanoseconds: Number(match[2]) };
}

/** USER_HZ is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;
export const MS_PER_TICK = 1e3 / TICKS_PER_SECOND;

/** 2^64 nanoseconds in ticks: where the kernel's unsigned sum of start time and offset wraps. */
const WRAP_TICKS = 2 ** 64 / NS_PER_TICK;

/**
 * The host's start time for the one that a reader in a time namespace sees: the whole tick at or below
 * `startTime` less the offset. A process that started before the namespace's own zero is shown wrapped
 * around 2^64 ns.
 */
export function hostStartTime(startTime: number, offsetTicks: number): number {
  const unwrapped = startTime > WRAP_TICKS / 2 ? startTime - WRAP_TICKS : startTime;
  return Math.max(0, Math.floor(unwrapped - offsetTicks));
}
