/**
 * Linux: what `/proc` tells of a process beside its parent: its session, and whether it has stopped.
 *
 * A session's number is the pid of the process that founded it by setsid(2), and only what that has forked, or what these
 * have forked, is ever in it: a process leaves it for a session of its own or not at all. The kernel gives the number to
 * no other process as long as one is left in the session (kernel/pid.c frees it with the last one attached).
 *
 * So two processes that are in a session of one number at one time are in the same one. And when one of them descends
 * from some process R, and the number is or was the pid of another descendant of R, then that one founded the session:
 * had an ancestor of R founded it, the session would have kept the number from that descendant.
 */
import { fs } from "../../util/node-modules.js";
import { parseStat } from "../backends/procfs-parse.js";

/** A number of `/proc/<pid>/stat`, counted from behind the `)` of the name: proc_pid_stat(5) less 3. */
const SESSION = 3;

interface LinuxStat {
  /** See `ProcStat.state`. */
  readonly state: string;
  readonly threads: number;
  /** 0: that of another pid namespace. */
  readonly session: number;
}

/** null: not Linux, gone, or not to be read. */
export function linuxStat(pid: number): LinuxStat | null {
  return readStat(`/proc/${pid}/stat`);
}

/**
 * Whether a process that was sent SIGSTOP executes nothing any more, in any of its threads; null: not to be told.
 *
 * Uninterruptible sleep (state D) counts as not stopped. A process in vfork(2) is in it until its child has executed a
 * program, which a stopped child never does.
 */
export function hasStopped(pid: number): boolean | null {
  const stat = linuxStat(pid);
  if (stat === null) return null;
  if (!isAtRest(stat)) return false;
  return stat.threads <= 1 || threadsOf(pid).every(isAtRest);
}

/** `T` stopped, `t` stopped by a tracer, `Z` and `X` dead. */
function isAtRest({ state }: LinuxStat): boolean {
  return "TtZXx".includes(state);
}

function threadsOf(pid: number): LinuxStat[] {
  try {
    const folder = `/proc/${pid}/task`;
    return fs.readdirSync(folder).flatMap((id) => readStat(`${folder}/${id}/stat`) ?? []);
  } catch {
    return [];
  }
}

function readStat(path: string): LinuxStat | null {
  if (process.platform !== "linux" && process.platform !== "android") return null;
  try {
    const line = fs.readFileSync(path, "latin1");
    const stat = parseStat(line);
    if (stat === null) return null;
    const session = Number(line.slice(line.lastIndexOf(")") + 2).split(" ", SESSION + 1)[SESSION]);
    return { state: stat.state, threads: stat.threads, session };
  } catch {
    return null;
  }
}
