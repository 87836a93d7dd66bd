/**
 * The machine's clocks, read through the addon. A runtime's own are none: `process.hrtime` counts from the
 * start of the process under Bun and Deno, libuv's clock counts suspended time on macOS and Windows, and
 * `os.uptime` reads a file that lxcfs replaces.
 */
import { loadNative } from "../native/load.js";
import { runtimeMs } from "../util/clocks.js";
import { os } from "../util/node-modules.js";
import { hostFacts } from "./identity.js";
import { MS_PER_TICK } from "./backends/procfs-parse.js";

/**
 * Milliseconds on the monotonic clock that all processes of this boot share, in every time namespace;
 * suspended time does not count. null without the addon, or where this process's time-namespace offset
 * cannot be known. Source: native/clock.h.
 */
export function machineMonotonicMs(): number | null {
  return without(hostFacts().monotonicOffsetMs, loadNative().binding?.monotonicMs() ?? null);
}

/**
 * Milliseconds since boot as the machine's first time namespace counts them, suspended time included.
 * null without the addon, but on Linux, and where the offset cannot be known. Source: CLOCK_BOOTTIME.
 */
export function machineSinceBootMs(): number | null {
  const { startTimeOffset } = hostFacts();
  const offsetMs = startTimeOffset === null ? null : startTimeOffset * MS_PER_TICK;
  return without(offsetMs, loadNative().binding?.sinceBootMs() ?? null);
}

/**
 * A steady clock for this process's own durations, milliseconds: the machine's where it can be read, so that a
 * suspended laptop's holder is not overdue when it wakes, otherwise `performance.now`. Two readings may only be
 * compared within one process.
 */
export function steadyMs(): number {
  return loadNative().binding?.monotonicMs() ?? runtimeMs();
}

/**
 * A steady clock for this process's own durations that goes on while the machine is suspended, milliseconds: what must
 * end when another machine's clock says so. Two readings may only be compared within one process.
 *
 * Linux: CLOCK_BOOTTIME. There `performance.now` stands still in suspend, so that without the addon `os.uptime` is asked
 * as well (/proc/uptime, in hundredths of a second). Elsewhere `performance.now` counts it (macOS: mach_continuous_time,
 * Windows: QueryPerformanceCounter; under Deno on macOS it stands still).
 */
export function continuousMs(): number {
  return loadNative().binding?.sinceBootMs() ?? continuousWithoutAddon();
}

/** {@link continuousMs} from two clocks of a runtime: one is exact, the other goes on in suspend. */
export function continuousReader(exactMs: () => number, coarseMs: () => number): () => number {
  let suspendedMs = 0;
  const startedExact = exactMs();
  const startedUptime = coarseMs();
  return () => {
    const exact = exactMs();
    const difference = coarseMs() - startedUptime - (exact - startedExact);
    // Below that it is the coarse clock's rounding.
    if (difference - suspendedMs > UPTIME_ROUNDING_MS) suspendedMs = difference;
    return exact + suspendedMs;
  };
}

const UPTIME_ROUNDING_MS = 100;

let withoutAddon: (() => number) | undefined;

function continuousWithoutAddon(): number {
  withoutAddon ??= process.platform === "linux" ? continuousReader(runtimeMs, uptimeMs) : runtimeMs;
  return withoutAddon();
}

function uptimeMs(): number {
  return os().uptime() * 1000;
}

function without(offset: number | null, reading: number | null): number | null {
  return offset === null || reading === null ? null : reading - offset;
}
