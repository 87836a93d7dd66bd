/** What this process writes into its locks. */
import { hostFacts, identifyProcess } from "../process/identity.js";
import { getProcessStartTime } from "../process/inspect.js";
import { monotonicMs } from "../util/monotonic-clock.js";
import type { AcquirePlan } from "./acquire-options.js";
import type { PayloadDraft } from "./publish.js";

export function draftOf({ maxHoldMs, label }: AcquirePlan): PayloadDraft {
  const host = hostFacts();
  return {
    pid: process.pid,
    createdAt: new Date().toISOString(),
    // No limit is no key.
    maxHoldMs: Number.isFinite(maxHoldMs) ? maxHoldMs : null,
    starttime: ownStartTime(),
    owner: identifyProcess(),
    monotonicMs: Math.round(monotonicMs(host.monotonicOffsetMs)),
    label,
  };
}

let startTime: number | null | undefined;

/** Our start time in the unit that other writers of the format use. */
function ownStartTime(): number | null {
  startTime ??= getProcessStartTime(process.pid);
  if (startTime === null) return null;
  const { platform, startTimeOffset } = hostFacts();
  switch (platform) {
    case "win32":
      return Math.floor(startTime / 1000);
    case "darwin":
      return Math.floor(startTime / 1_000_000);
    default:
      return Math.floor(startTime + startTimeOffset);
  }
}
