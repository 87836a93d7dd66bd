/** Looks figures up in the results that `npm run bench -- --json` keeps, as guides show them. Pure. */
import { digits, missedTargets, show } from "../report.mjs";

/**
 * @typedef {object} Figures
 * @property {(where: Where) => string} median of a side, with its unit
 * @property {(where: Where) => string} about a median of two digits
 * @property {(where: Where) => string} ratio how many times as long the first side of a measurement takes
 * @property {(where: Where & { what: string }) => string} target what was measured against a target
 * @property {() => readonly { suite: string, what: string, limit: string, values: readonly string[] }[]} missed targets,
 *   each with its value in every place where it was missed
 * @property {(suite: string) => import("../measure/machine.mjs").Machine} machine of a suite's first place
 * @property {(suite: string) => readonly string[]} places where the suite made files, such as `ext4 (/tmp)`
 */

/**
 * @typedef {object} Where
 * @property {string} suite
 * @property {string} of the measurement
 * @property {string} [side] the first one by default
 * @property {number} [place] which of those where the suite made files: 0, the temporary folder, by default
 */

/**
 * @param {readonly import("../report.mjs").SuiteResult[]} results
 * @returns {Figures} whose functions throw when there is no such figure
 */
export function figuresIn(results) {
  const inSuite = (suite) => {
    const found = results.filter((result) => result.suite === suite);
    if (found.length > 0) return found;
    throw new Error(`no results of the suite ${suite}`);
  };
  const measurementAt = ({ suite, of, place = 0 }) => {
    const result = inSuite(suite)[place];
    const found = result?.measurements.find(({ name }) => name === of);
    if (found !== undefined) return found;
    throw new Error(`no results of ${suite}, place ${place}: ${of}`);
  };
  const sideAt = (where) => {
    const { sides, unit } = measurementAt(where);
    const side =
      where.side === undefined ? sides[0] : sides.find(({ name }) => name === where.side);
    if (side !== undefined) return { ...side, unit };
    throw new Error(`no such side of ${where.suite}, ${where.of}: ${where.side}`);
  };
  return {
    median: (where) => {
      const { median, unit } = sideAt(where);
      return readable(median, unit);
    },
    about: (where) => {
      const { median, unit } = sideAt(where);
      return readable(Number(median.toPrecision(2)), unit);
    },
    ratio: (where) => `${digits(sideAt(where).timesFirst)}×`,
    target: (where) => {
      const { targets } = measurementAt(where);
      const found = targets.find(({ what }) => what === where.what);
      if (found !== undefined) return readable(found.value, found.unit);
      throw new Error(`no such target of ${where.suite}, ${where.of}: ${where.what}`);
    },
    missed: () => missedTargets(results),
    machine: (suite) => inSuite(suite)[0].machine,
    places: (suite) =>
      inSuite(suite).map(({ machine }) => `${machine.fileSystem} (${machine.directory})`),
  };
}

/** Thousands of a unit are shown in the next greater one. */
function readable(value, unit) {
  if (unit === "×") return `${digits(value)}×`;
  if (unit === "µs" && value >= 1000) return show(value / 1000, "ms");
  if (unit === "ms" && value >= 10_000) return show(value / 1000, "s");
  return show(value, unit);
}
