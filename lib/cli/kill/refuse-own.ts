/** What is never sent anything: this command itself, and what it descends from. */
import { verifyProcess } from "../../process/identity.js";
import { callerAndAncestors } from "../../process/tree/tree.js";
import { printable } from "../../util/printable.js";
import { UsageError } from "../command.js";
import { pidHere, type Target } from "../processes/target.js";

/** @throws UsageError when one of them is the process that runs this, or an ancestor of it. */
export function refuseOwn(targets: readonly Target[]): void {
  const own = callerAndAncestors();
  for (const { process: given, token } of targets) {
    if (token !== null && isOneOf(own, token)) {
      throw new UsageError(
        `this command is that process or descends from it, nothing was sent: ${printable(given)}`,
      );
    }
  }
}

function isOneOf(pids: ReadonlySet<number>, token: string): boolean {
  // No ancestor is in a nested pid namespace.
  const pid = pidHere(token);
  return pid !== null && pids.has(pid) && verifyProcess(token).state === "same";
}
