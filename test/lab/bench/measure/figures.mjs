/**
 * From samples to figures: medians, 99th percentiles, ratios within a round, and whether targets are met.
 * Pure.
 *
 * Rounds are what makes figures comparable on a busy machine: each holds samples of every side, taken one
 * after the other, and a ratio is the median of the rounds' own ratios.
 */
import { max, median, quantile } from "simple-statistics";

/** @typedef {Readonly<Record<string, readonly number[]>>} Round samples by side, all in one unit */

/**
 * @typedef {object} Side
 * @property {string} name
 * @property {number} median
 * @property {number} p99 the largest one when there are fewer than 100 samples
 * @property {number} worst
 * @property {number} samples how many
 * @property {number} timesFirst median ratio to the first side; 1 for that one
 */

/**
 * @typedef {object} Target
 * @property {string} what
 * @property {number} value what was measured
 * @property {number} limit
 * @property {"at most" | "at least"} bound
 * @property {string} unit
 * @property {boolean} met
 */

/**
 * @typedef {object} Measurement
 * @property {string} name
 * @property {string} unit of all sides
 * @property {readonly Side[]} sides the first one is the package's
 * @property {readonly Target[]} targets
 * @property {readonly string[]} remarks
 */

/**
 * @param {object} measured
 * @param {string} measured.name
 * @param {string} measured.unit
 * @param {readonly Round[]} measured.rounds
 * @param {readonly Target[]} [measured.targets]
 * @param {readonly string[]} [measured.remarks]
 * @returns {Measurement}
 */
export function toMeasurement({ name, unit, rounds, targets = [], remarks = [] }) {
  const names = Object.keys(rounds[0] ?? {});
  const [first = ""] = names;
  const sides = names.map((side) => {
    const samples = rounds.flatMap((round) => round[side] ?? []);
    return {
      name: side,
      median: median(rounds.map((round) => median(round[side]))),
      p99: samples.length < 100 ? max(samples) : quantile(samples, 0.99),
      worst: max(samples),
      samples: samples.length,
      timesFirst: ratio(rounds, side, first),
    };
  });
  return { name, unit, sides, targets, remarks };
}

/**
 * How many times as long `side` takes as `reference`.
 *
 * @param {readonly Round[]} rounds
 * @param {string} side
 * @param {string} reference
 */
export function ratio(rounds, side, reference) {
  return median(rounds.map((round) => median(round[side]) / median(round[reference])));
}

/**
 * @param {string} what
 * @param {number} value
 * @param {number} limit
 * @param {string} [unit]
 * @returns {Target}
 */
export function atMost(what, value, limit, unit = "×") {
  return { what, value, limit, bound: "at most", unit, met: value <= limit };
}

/**
 * @param {string} what
 * @param {number} value
 * @param {number} limit
 * @param {string} [unit]
 * @returns {Target}
 */
export function atLeast(what, value, limit, unit = "×") {
  return { what, value, limit, bound: "at least", unit, met: value >= limit };
}
