/** Sorting without holding the event loop: `sort()` of a million names blocks it for over a second. */
import type { TimeSlice } from "./time-slice.js";

// Sorted in one go, about a millisecond each.
const RUN_LENGTH = 2048;
// Elements moved between two looks at the clock.
const CLOCK_EVERY = 512;

/** Sorts by UTF-16 code units, as `sort()` does. The array given may be reused; use the one returned. */
export async function sortInSlices(items: string[], slice: TimeSlice): Promise<string[]> {
  const { length } = items;
  if (length <= RUN_LENGTH) return items.sort();
  for (let start = 0; start < length; start += RUN_LENGTH) {
    const run = items.slice(start, start + RUN_LENGTH).sort();
    for (const [index, item] of run.entries()) items[start + index] = item;
    if (slice.exhausted()) await slice.next();
  }
  let from = items;
  let to = Array.from<string>({ length });
  for (let width = RUN_LENGTH; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      const middle = Math.min(start + width, length);
      const end = Math.min(middle + width, length);
      await mergeRuns(from, to, { start, middle, end }, slice);
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Two sorted runs: [start, middle) and [middle, end). */
interface AdjacentRuns {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

/** Merges two runs of `from` into the same place of `to`. */
async function mergeRuns(
  from: readonly string[],
  to: string[],
  { start, middle, end }: AdjacentRuns,
  slice: TimeSlice,
): Promise<void> {
  let left = start;
  let right = middle;
  for (let next = start; next < end; next++) {
    const a = left < middle ? from[left] : undefined;
    const b = right < end ? from[right] : undefined;
    if (a !== undefined && (b === undefined || a <= b)) {
      to[next] = a;
      left++;
    } else if (b !== undefined) {
      to[next] = b;
      right++;
    }
    if (next % CLOCK_EVERY === 0 && slice.exhausted()) await slice.next();
  }
}
