/** What is never sent anything: this command itself, and what it descends from. */
import { tokenHost, verifyProcess } from "../../process/identity.js";
import { parseToken } from "../../process/token.js";
import { callerAndAncestors } from "../../process/tree/tree.js";
import { printable } from "../../util/printable.js";
import { UsageError } from "../command.js";
import type { Target } from "../processes/target.js";

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
  const named = parseToken(token);
  // In a nested pid namespace the number is another process's, and no ancestor is in one.
  if (named === null || named.pidNamespace !== tokenHost().pidNamespace) return false;
  return pids.has(named.pid) && verifyProcess(token).state === "same";
}
