/** What Linux shows of a process, read by the test itself and not by the code under test. */
import { readdirSync, readFileSync } from "node:fs";

/** Its first thread has exited and no process has reaped it; others may run. False when there is no such process. */
export function isZombie(pid: number): boolean {
  return stateOf(pid) === "Z";
}

/** The letter of its state; null when there is no such process. */
export function stateOf(pid: number): string | null {
  return fieldOf(pid, 0);
}

/** The processes here whose parent is `pid`, in the order of their numbers. */
export function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map(Number)
    .filter((candidate) => fieldOf(candidate, 1) === String(pid))
    .toSorted((one, other) => one - other);
}

/** A field of its stat line, counted from the one behind its name; null when there is no such process. */
function fieldOf(pid: number, index: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[index] ?? null;
  } catch {
    return null;
  }
}
