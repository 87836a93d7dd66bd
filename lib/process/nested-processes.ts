/**
 * Linux: which processes have which pids in the pid namespaces nested in ours, i.e. in containers seen from
 * their host.
 *
 * Source: `NSpid:` of `/proc/<pid>/status` (Linux 4.1), one number for each namespace from the reader's down to
 * the process's own. A process that lives throughout the look is seen: `/proc` is listed in the order of its
 * numbers, and a process keeps its own. One that was born meanwhile may be missed: what it wrote must have been
 * read after the look began to be its.
 */
import { DirectoryReader } from "../util/directory-reader.js";
import { errorCode } from "../util/error-code.js";
import { fs } from "../util/node-modules.js";
import type { TimeSlice } from "../util/time-slice.js";
import type { ProcessIdentity } from "./backends/backend.js";
import { parseNamespacePids, parseTimeOffsets } from "./backends/procfs-parse.js";

const { readFileSync, statSync } = fs;

/** A process of a nested namespace, as it is when it is asked about. */
export interface NestedProcess {
  /** The pid that we know it by. */
  readonly outerPid: number;
  /** Clock ticks since boot without any time-namespace offset; null when it may not be read. */
  readonly startTime: number | null;
  /** See `ProcessIdentity.exactId`. */
  readonly exactId: string | null;
  /** What its own time namespace adds to start times, in clock ticks; null when unknown. */
  readonly startTimeOffset: number | null;
  /**
   * Inode of its own pid namespace, when that is the one in which it has the pid in question; null when it is not,
   * and when it may not be read. A process has a number in every namespace around its own, too, and may have been
   * named from there.
   */
  readonly pidNamespace: string | null;
}

export interface NestedProcesses {
  /** False when some process may have been hidden from us (hidepid, a foreign or missing /proc). */
  readonly isComplete: boolean;
  /** Those that have `pid` in a nested namespace and still run. */
  readonly having: (pid: number) => readonly NestedProcess[];
}

/** The process that has a pid of our namespace now. */
type Identity = (pid: number) => ProcessIdentity;

/** Looks at every process, in time slices. */
export async function lookForNestedProcesses(
  identity: Identity,
  slice: TimeSlice,
): Promise<NestedProcesses> {
  const look = new Look(identity);
  for (const _ of look.steps()) if (slice.exhausted()) await slice.next();
  return look;
}

/** The same at once: about 20 µs for each process of the machine. */
export function lookForNestedProcessesSync(identity: Identity): NestedProcesses {
  const look = new Look(identity);
  for (const _ of look.steps());
  return look;
}

interface Sighting {
  /** The pid that we know it by. */
  readonly outerPid: number;
  /** The number is the one that it has in its own namespace. */
  readonly isOwnNumber: boolean;
}

class Look implements NestedProcesses {
  isComplete = true;
  /** By pid in a nested namespace: those who have it. */
  readonly #having = new Map<number, Sighting[]>();
  readonly #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  /** Yields after each process. */
  *steps(): Generator<void> {
    // Whether others can be seen at all: under hidepid process 1 is hidden, or closed to us, unless nothing is.
    if (!isProcOurs() || !this.#note(1)) {
      this.isComplete = false;
      return;
    }
    try {
      // One by one: of a process that is just ending no type is told.
      const listing = new DirectoryReader("/proc", { block: 1 });
      try {
        for (let entry = listing.next(); entry !== null; entry = listing.next()) {
          if (!/^\d+$/u.test(entry.name)) continue;
          const pid = Number(entry.name);
          if (pid !== 1 && !this.#note(pid)) this.isComplete = false;
          yield;
        }
      } finally {
        listing.close();
      }
    } catch {
      this.isComplete = false;
    }
  }

  readonly having = (pid: number): readonly NestedProcess[] => {
    const found = this.#having.get(pid) ?? [];
    return found.flatMap((sighting) => this.#describe(sighting) ?? []);
  };

  /** False when the process is there and its numbers are not to be had. */
  #note(pid: number): boolean {
    let status: string;
    try {
      status = readFileSync(`/proc/${pid}/status`, "latin1");
    } catch (error) {
      // It has ended since it was listed.
      return pid !== 1 && (errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH");
    }
    const numbers = parseNamespacePids(status);
    if (numbers === null) return false;
    for (const [level, nested] of numbers.entries()) {
      if (level === 0) continue;
      const sighting = { outerPid: pid, isOwnNumber: level === numbers.length - 1 };
      const known = this.#having.get(nested);
      if (known === undefined) this.#having.set(nested, [sighting]);
      else known.push(sighting);
    }
    return true;
  }

  /** null: it has ended since the look. */
  #describe({ outerPid, isOwnNumber }: Sighting): NestedProcess | null {
    const { state, startTime, exactId } = this.#identity(outerPid);
    if (state === "gone") return null;
    return {
      outerPid,
      startTime,
      exactId,
      startTimeOffset: startTimeOffsetOf(outerPid),
      pidNamespace: isOwnNumber ? pidNamespaceOf(outerPid) : null,
    };
  }
}

/**
 * What a process's own time namespace adds to the start times that it reads, in clock ticks. null when that
 * cannot be known; 0 on kernels without time namespaces.
 *
 * Source: `/proc/<pid>/timens_offsets` (Linux 5.6), which every user may read. It shows the namespace for the
 * process's children, which is its own except between unshare(CLONE_NEWTIME) and the next execve(2).
 */
export function startTimeOffsetOf(pid: number): number | null {
  try {
    return (
      parseTimeOffsets(readFileSync(`/proc/${pid}/timens_offsets`, "latin1"))?.boottimeTicks ?? null
    );
  } catch {
    return null;
  }
}

function pidNamespaceOf(pid: number): string | null {
  try {
    return statSync(`/proc/${pid}/ns/pid`, { bigint: true }).ino.toString();
  } catch {
    return null;
  }
}

/** `/proc` is mounted, numbers processes as our own pid namespace does, and tells nested numbers. */
export function isProcOurs(): boolean {
  try {
    const numbers = parseNamespacePids(readFileSync("/proc/self/status", "latin1"));
    return numbers?.length === 1 && numbers[0] === process.pid;
  } catch {
    return false;
  }
}
