/** What a source of process facts has to offer; implemented by native.ts, procfs.ts and basic.ts. */
import type { ProcessInfo, ProcessReason, ProcessState } from "../process-info.js";

/** The process that has a pid now, named as exactly as the backend can. */
export interface ProcessIdentity {
  readonly state: ProcessState;
  readonly reason: ProcessReason;
  /** See {@link ProcessInfo.startTime}. */
  readonly startTime: number | null;
  /**
   * Decimal digits that no other process of this boot has or will have (Linux 6.9+: pidfd inode;
   * macOS: p_uniqueid; Windows: process sequence number); null where the OS has none.
   */
  readonly exactId: string | null;
}

/** Facts about the machine, boot and namespaces of this very process; constant for its life. */
export interface HostFacts {
  readonly platform: NodeJS.Platform;
  /** Stable over boots, e.g. `/etc/machine-id`. Secret: only ever used hashed. null when unknown. */
  readonly machineId: string | null;
  /** `""` when unknown. */
  readonly hostname: string;
  readonly bootId: string | null;
  /** Linux: inode of the pid namespace; `"0"` where the OS has none; null when unknown. */
  readonly pidNamespace: string | null;
  readonly initialPidNamespace: boolean;
  /**
   * Linux time namespaces: what this process reads in field 22 minus what the host reads, in clock
   * ticks; 0 elsewhere. May be a fraction of a tick. null when it cannot be known.
   */
  readonly startTimeOffset: number | null;
  /** Likewise for the monotonic clock, in milliseconds. */
  readonly monotonicOffsetMs: number | null;
}

/** What became of a signal; nothing was sent unless it says so. */
export type Delivery = "sent" | "gone" | "access-denied" | "unsupported";

/** A held reference to one process: never mistakes a later process of the same pid for it. */
export interface ProcessReference {
  /** True once that process has exited. Microseconds; never blocks. */
  exited(): boolean;
  /** Of that very process. */
  identity(): ProcessIdentity;
  /**
   * Sends a signal to that very process, or to none; 0 only asks whether one could be sent. On Windows every other
   * number ends the process.
   */
  signal(number: number): Delivery;
  close(): void;
}

/** Every `pid` handed to a backend has passed `isValidPid`. No method throws. */
export interface ProcessBackend {
  readonly name: "native" | "procfs" | "basic";
  isAlive(pid: number): boolean;
  startTime(pid: number): number | null;
  args(pid: number): string[] | null;
  inspect(pid: number, withArgs: boolean): ProcessInfo;
  /**
   * {@link inspect} for the first ones of `pids`, as many as `budgetMs` allow and a call takes, one in any case: not
   * of one point in time. Empty only for no pids.
   */
  inspectMany(pids: readonly number[], withArgs: boolean, budgetMs: number): ProcessInfo[];
  identity(pid: number): ProcessIdentity;
  /** Looks up a process by {@link ProcessIdentity.exactId} in any pid namespace; `unsupported` where impossible. */
  byExactId(exactId: string): Pick<ProcessIdentity, "state" | "reason">;
  host(): HostFacts;
  /** null when there is no such process or no reference to it can be held. */
  reference(pid: number): ProcessReference | null;
  /** The same by {@link ProcessIdentity.exactId}, in any pid namespace; null, too, where processes cannot be found so. */
  referenceByExactId(exactId: string): ProcessReference | null;
  /** The pids of all processes that can be seen here, in no order; null: they cannot be listed. */
  list(): Iterable<number> | null;
}
