/** The event-loop delay that remains when slices of work do nothing: the slice itself, and what the machine adds. */
import { watchLoop } from "./loop-health.mjs";
import { importModule } from "../product.mjs";

const { TimeSlice } = await importModule("util/time-slice.js");

/**
 * Spends as long as something else took, in the same slices, without calls or garbage.
 *
 * @param {number} ms
 * @returns {Promise<{ emptyP99Ms: number, emptyMaxMs: number }>}
 */
export async function watchEmptySlices(ms) {
  const { delayP99Ms, delayMaxMs } = await watchLoop(async () => {
    const until = performance.now() + ms;
    const slice = new TimeSlice();
    while (performance.now() < until) {
      if (slice.exhausted()) await slice.next();
    }
  });
  return { emptyP99Ms: delayP99Ms, emptyMaxMs: delayMaxMs };
}
