/** How a process is described: the public result types of `pidentity`. */

/** `unknown` is neither: the OS denied an answer, or has no way to give one. */
export type ProcessState = "alive" | "gone" | "unknown";

/**
 * Why the state is what it is, in more detail than {@link ProcessState}.
 *
 * - `running`: exists and has not exited (stopped and suspended processes run, too)
 * - `no-such-process`: nothing has this pid
 * - `zombie`: exited, not yet reaped by its parent
 * - `exited`: exited, kept only by an open handle (Windows)
 * - `thread-id`: the number names a thread of another process, not a process
 * - `invalid-pid`: no process can have this number
 * - `access-denied`: something has this pid; the OS does not let a running process be told from a zombie
 * - `unsupported`: this platform or sandbox offers no way to ask, or no file descriptor is free to ask with
 */
export type ProcessReason =
  | "running"
  | "no-such-process"
  | "zombie"
  | "exited"
  | "thread-id"
  | "invalid-pid"
  | "access-denied"
  | "unsupported";

/**
 * Why {@link ProcessInfo.args} is null. `busy`: the target is stuck in the kernel (Linux state D) and
 * reading its memory could hang with it, or it is just executing another program. `skipped`: the caller asked not to read it.
 */
export type ArgsReason = "gone" | "access-denied" | "busy" | "skipped" | "unsupported";

/** One consistent snapshot of one process: no field stems from a later process of the same pid. */
export interface ProcessInfo {
  readonly pid: number;
  readonly state: ProcessState;
  readonly reason: ProcessReason;
  /**
   * The platform's frozen start-time integer: Linux clock ticks (10 ms) since boot with the reader's
   * time-namespace offset removed (`/proc/<pid>/stat` field 22); macOS microseconds since the Unix
   * epoch (`p_starttime`); Windows likewise (`GetProcessTimes`). null when gone or unknowable.
   */
  readonly startTime: number | null;
  /**
   * {@link startTime} as wall clock, milliseconds since the Unix epoch, for people. On Linux it is
   * computed from the current wall clock: ±10 ms of rounding, and it moves with every clock step.
   * Compare {@link startTime}, never this.
   */
  readonly startedAtMs: number | null;
  /** The argument vector; `[]` for a process without one (kernel thread), null: see {@link argsReason}. */
  readonly args: readonly string[] | null;
  /** Why {@link args} is null; null when it is not. */
  readonly argsReason: ArgsReason | null;
  /**
   * The raw command line: on Windows the string itself, elsewhere the bytes decoded as UTF-8 with NULs
   * shown as spaces. null whenever {@link args} is.
   */
  readonly commandLine: string | null;
  /** null: gone, denied, or no parent that can be seen from here (pid 1, another pid namespace). */
  readonly parentPid: number | null;
}
