/** What this process writes into its locks. */
import { hostFacts, identifyProcess, tokenHost } from "../process/identity.js";
import { getProcessStartTime } from "../process/inspect.js";
import { machineMonotonicMs } from "../process/machine-clock.js";
import type { ContentionPlan } from "./plan.js";
import type { PayloadDraft } from "./protocol/payload.js";

export function draftOf({ maxHoldMs, label, format, policy }: ContentionPlan): PayloadDraft {
  const monotonicMs = machineMonotonicMs();
  return {
    pid: process.pid,
    createdAt: new Date().toISOString(),
    // No limit is no key.
    maxHoldMs: Number.isFinite(maxHoldMs) ? maxHoldMs : null,
    starttime: ownStartTime(),
    owner: identifyProcess(),
    monotonicMs: monotonicMs === null ? null : Math.round(monotonicMs),
    label,
    lease: policy.lease ?? null,
    ...(format === "pid" ? { asNumber: { boot: tokenHost().boot } } : {}),
  };
}

let startTime: number | null | undefined;

/** Its start time in the unit that other writers of the format use. */
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
      return startTimeOffset === null ? null : Math.floor(startTime + startTimeOffset);
  }
}
