/** Start times in the units that plain lock files carry, which other programs write and compare. */
import type { HostFacts } from "./backends/backend.js";
import { hostFacts } from "./identity.js";
import { getProcessStartTime } from "./inspect.js";

/**
 * The start time of a process as a plain lock file names it in `starttime`, beside `pid`: other programs of the format
 * write and compare it in these units.
 *
 * @returns Linux: clock ticks since boot, field 22 of `/proc/<pid>/stat` as this process reads it, its own
 * time-namespace offset included. macOS: whole seconds since the Unix epoch. Windows: milliseconds since the Unix
 * epoch. null where {@link getProcessStartTime} is, where the offset cannot be known, and for a process that started
 * before the zero of this process's time namespace. Never throws.
 */
export function getFileLockProcessStartTime(pid: number): number | null {
  const startTime = getProcessStartTime(pid);
  return startTime === null ? null : fileLockStartTime(startTime, hostFacts());
}

/** The same of what {@link getProcessStartTime} gave on that host. Pure. */
export function fileLockStartTime(
  startTime: number,
  { platform, startTimeOffset }: Pick<HostFacts, "platform" | "startTimeOffset">,
): number | null {
  switch (platform) {
    case "win32":
      return Math.floor(startTime / 1000);
    case "darwin":
      return Math.floor(startTime / 1_000_000);
    default: {
      if (startTimeOffset === null) return null;
      // Removing an offset that is no whole tick has rounded down: rounding up gives the field back.
      const seen = Math.ceil(startTime + startTimeOffset);
      // Before the namespace's zero the kernel counts unsigned: a number near 2^64 ns, which outside is no start time.
      return seen < 0 ? null : Math.abs(seen); // never -0
    }
  }
}
