/** What Linux shows of a process, read by the test itself and not by the code under test. */
import { readFileSync } from "node:fs";

/** Its first thread has exited and nobody has reaped it; others may run. False when there is no such process. */
export function isZombie(pid: number): boolean {
  return stateOf(pid) === "Z";
}

/** The letter of its state; null when there is no such process. */
export function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2);
  } catch {
    return null;
  }
}
