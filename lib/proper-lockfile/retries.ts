/** When a lock that is held is tried again: the schedule of the package `retry`. Pure but for the chance it is given. */
import { outOfRange } from "../util/argument-error.js";
import type { RetryOptions } from "./options.js";

const DEFAULTS = {
  retries: 10,
  factor: 2,
  minTimeout: 1000,
  maxTimeout: Infinity,
  randomize: false,
  forever: false,
  maxRetryTime: Infinity,
};

/** `delays`: one after the other, milliseconds. `limitMs`: no attempt begins later than that. */
export interface Schedule {
  readonly delays: Iterator<number, undefined>;
  readonly limitMs: number;
}

/**
 * @param random - A number from 0 to 1.
 * @throws RangeError when the shortest delay is longer than the longest
 */
export function scheduleOf(
  retries: number | RetryOptions | null | undefined,
  random: () => number = Math.random,
): Schedule {
  const given =
    typeof retries === "object" && retries !== null ? retries : { retries: retries ?? 0 };
  const options = { ...DEFAULTS, ...withoutUndefined(given) };
  if (options.minTimeout > options.maxTimeout) {
    const expected = `at most maxTimeout (${String(options.maxTimeout)})`;
    throw outOfRange("options.retries.minTimeout", expected, options.minTimeout);
  }
  return { delays: delaysOf(options, random), limitMs: options.maxRetryTime };
}

function* delaysOf(
  { retries, forever, ...shape }: typeof DEFAULTS,
  random: () => number,
): Iterator<number, undefined> {
  // Those of `retry` are sorted; without chance, and with a factor of at least 1, they are so as they come.
  const count = retries === Infinity ? DEFAULTS.retries : retries;
  const delays = Array.from({ length: count }, (_, index) => delayOf(index, shape, random)).sort(
    (a, b) => a - b,
  );
  yield* delays;
  if (!forever && retries !== Infinity) return undefined;
  const last = delays.at(-1) ?? delayOf(0, shape, random);
  for (;;) yield last;
}

function delayOf(
  index: number,
  {
    factor,
    minTimeout,
    maxTimeout,
    randomize,
  }: Pick<typeof DEFAULTS, "factor" | "minTimeout" | "maxTimeout" | "randomize">,
  random: () => number,
): number {
  const chance = randomize ? random() + 1 : 1;
  return Math.min(Math.round(chance * Math.max(minTimeout, 1) * factor ** index), maxTimeout);
}

function withoutUndefined(options: RetryOptions): Partial<typeof DEFAULTS> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
