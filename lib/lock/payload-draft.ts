/** What this process writes into its locks. */
import { getFileLockProcessStartTime } from "../process/file-lock-start-time.js";
import { identifyProcess, tokenHost } from "../process/identity.js";
import { machineMonotonicMs } from "../process/machine-clock.js";
import { wallMs } from "../util/clocks.js";
import type { ContentionPlan } from "./plan.js";
import type { PayloadDraft } from "./protocol/payload.js";

export function draftOf({ maxHoldMs, label, format, policy }: ContentionPlan): PayloadDraft {
  const monotonicMs = machineMonotonicMs();
  return {
    pid: process.pid,
    createdAt: new Date(wallMs()).toISOString(),
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

function ownStartTime(): number | null {
  return (startTime ??= getFileLockProcessStartTime(process.pid));
}
