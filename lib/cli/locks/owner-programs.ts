/** Which programs have the pids that locks name. */
import { inspectProcesses } from "../../process/inspect.js";
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { isPidOfAnother } from "./describe.js";
import { programName } from "./program-name.js";

/** By pid; a pid that is absent has none, or what has it is not known to be of interest. */
export type OwnerPrograms = ReadonlyMap<number, string>;

/**
 * Asks for the command lines of the pids that run here. A pid of another host or container is not asked
 * about: the process that has it here has nothing to do with the lock.
 */
export async function ownerPrograms(
  locks: readonly SessionLockInspection[],
): Promise<OwnerPrograms> {
  const pids = new Set<number>();
  for (const lock of locks) {
    if (lock.pid !== null && lock.pidAlive && !isPidOfAnother(lock)) pids.add(lock.pid);
  }
  const programs = new Map<number, string>();
  for (const [pid, { args }] of await inspectProcesses(pids)) {
    const name = programName(args);
    if (name !== null) programs.set(pid, name);
  }
  return programs;
}

/** The program of the process that has the lock's pid now, be it the owner or another; null when unknown. */
export function programOf(lock: SessionLockInspection, programs: OwnerPrograms): string | null {
  return lock.pid === null || isPidOfAnother(lock) ? null : (programs.get(lock.pid) ?? null);
}
