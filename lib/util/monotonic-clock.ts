/** The machine's monotonic clock: one time line for all processes of a boot, in every time namespace. */

/**
 * Milliseconds on CLOCK_MONOTONIC as the machine's first time namespace has it. Comparable between
 * processes of one boot; suspended time does not count.
 *
 * @param offsetMs this process's time-namespace offset (`HostFacts.monotonicOffsetMs`)
 */
export function monotonicMs(offsetMs: number): number {
  return Number(process.hrtime.bigint()) / 1e6 - offsetMs;
}
