/** Compares a start time that a lock names with the one of its pid's present process. Pure. */
import type { HostFacts } from "../../process/backends/backend.js";

/**
 * Compares a plain lock's `starttime` with what the OS says of its pid now.
 *
 * Linux: clock ticks, which the writer may have read in this process's time namespace, in its own or outside of
 * both, so all readings count as equal. Elsewhere writers use several units, told apart by magnitude
 * (≥ 10¹⁴ µs, ≥ 10¹¹ ms, ≥ 10⁹ s since the epoch), and one unit of difference is rounding.
 *
 * @param offsetOfPid - What the pid's own time namespace adds, in clock ticks; null: not known.
 */
export function compareStartTime(
  recorded: number | null,
  actual: number | null,
  host: Pick<HostFacts, "platform" | "startTimeOffset">,
  offsetOfPid: () => number | null,
): "equal" | "differs" | "unknown" {
  if (recorded === null || actual === null) return "unknown";
  if (hasNamespaces(host.platform)) {
    const compared = compareTicks(recorded, actual, [0, host.startTimeOffset]);
    if (compared !== "differs") return compared;
    return compareTicks(recorded, actual, [host.startTimeOffset, offsetOfPid()]);
  }
  const microsecondsPerUnit = unitOfEpochTime(recorded);
  if (microsecondsPerUnit === null) return "unknown";
  return Math.abs(recorded - Math.floor(actual / microsecondsPerUnit)) <= 1 ? "equal" : "differs";
}

/** @param offsets - Of the time namespaces in which the recorded one may have been read; null: not known. */
export function compareTicks(
  recorded: number | null,
  actual: number | null,
  offsets: readonly (number | null)[],
): "equal" | "differs" | "unknown" {
  if (recorded === null || actual === null) return "unknown";
  const known = offsets.filter((offset) => offset !== null);
  // An offset that is not a whole tick makes two readings round differently.
  const tolerance = known.every(Number.isInteger) ? 0 : 1;
  const isEqual = known.some((offset) => Math.abs(recorded - (actual + offset)) <= tolerance);
  return isEqual ? "equal" : "differs";
}

function unitOfEpochTime(value: number): number | null {
  if (value >= 1e14) return 1;
  if (value >= 1e11) return 1e3;
  return value >= 1e9 ? 1e6 : null;
}

/**
 * @param sinceBootTicks - Linux: clock ticks since boot without any time-namespace offset; null when not known.
 */
export function isFromEarlierBoot(
  starttime: number,
  host: Pick<HostFacts, "platform" | "startTimeOffset">,
  sinceBootTicks: () => number | null,
): boolean {
  if (!hasNamespaces(host.platform) || host.startTimeOffset === null) return false;
  const sinceBoot = sinceBootTicks();
  if (sinceBoot === null) return false;
  // Whichever time namespace the writer was in; two ticks for the rounding of both clocks.
  return starttime > Math.max(sinceBoot, sinceBoot + host.startTimeOffset) + 2;
}

export function hasNamespaces(platform: NodeJS.Platform): boolean {
  return platform === "linux" || platform === "android";
}
