/** How results are shown: a table for people, Markdown for the README. */
import { machineLine } from "./measure/machine.mjs";

/**
 * @typedef {object} SuiteResult
 * @property {string} suite
 * @property {string} title
 * @property {import("./measure/machine.mjs").Machine} machine with the place, where the suite makes files
 * @property {readonly string[]} notes how it was measured
 * @property {readonly import("./measure/figures.mjs").Measurement[]} measurements
 */

const COLUMNS = ["", "median", "p99", "ratio"];

/**
 * @param {SuiteResult} result
 * @param {{ markdown: boolean }} format
 */
export function showSuite({ title, machine, notes, measurements }, { markdown }) {
  const place = placeOf(machine);
  const shownTitle = place === null ? title : `${title}, on ${place}`;
  const heading = markdown ? `### ${shownTitle}` : shownTitle;
  const parts = [`${heading}\n\n${machineLine(machine)}`];
  for (const { name, unit, sides, targets, remarks } of measurements) {
    const rows = sides.map((side) => [
      side.name,
      show(side.median, unit),
      show(side.p99, unit),
      `${digits(side.timesFirst)}×`,
    ]);
    const table = markdown ? markdownTable(COLUMNS, rows) : plainTable(COLUMNS, rows);
    const lines = [...targets.map(showTarget), ...remarks].map((line) => `- ${line}`);
    const body = sides.length === 0 ? [] : [table];
    const under = lines.length === 0 ? [] : [lines.join("\n")];
    parts.push([markdown ? `**${name}**` : name, ...body, ...under].join(markdown ? "\n\n" : "\n"));
  }
  parts.push(notes.map((note) => `- ${note}`).join("\n"));
  return parts.join("\n\n");
}

/**
 * The targets of suites that make files, one row each with a column for every place: Markdown. Empty without any.
 *
 * @param {readonly SuiteResult[]} results
 */
export function showTargetTable(results) {
  const targets = targetsOf(results).filter(({ place }) => place !== null);
  const places = [...new Set(targets.map(({ place }) => place))];
  if (places.length === 0) return "";
  const keyOf = ({ suite, name, target }) => JSON.stringify([suite, name, target.what]);
  const rows = [...new Set(targets.map(keyOf))].map((key) => {
    const same = targets.filter((one) => keyOf(one) === key);
    const [{ suite, name, target }] = same;
    const values = places.map((place) => {
      const found = same.find((one) => one.place === place)?.target;
      if (found === undefined) return "not measured";
      return `${showValue(found)}${found.met ? "" : ", missed"}`;
    });
    return [`${suite}: ${name}: ${target.what}`, showLimit(target), ...values];
  });
  return markdownTable(["", "target", ...places], rows);
}

/**
 * Results to be kept: those of a suite that ran again replace its former ones.
 *
 * @param {readonly SuiteResult[]} former
 * @param {readonly SuiteResult[]} results
 * @param {readonly string[]} suites in this order
 */
export function merged(former, results, suites) {
  return suites.flatMap((suite) => {
    const ofSuite = (all) => all.filter((result) => result.suite === suite);
    const latest = ofSuite(results);
    return latest.length > 0 ? latest : ofSuite(former);
  });
}

/** @param {readonly SuiteResult[]} results */
export function showTargets(results) {
  const targets = targetsOf(results);
  const missed = targets.filter(({ target }) => !target.met);
  const lines = missed.map(
    ({ suite, place, name, target }) =>
      `- ${suite}${place === null ? "" : ` on ${place}`}: ${name}: ${showTarget(target)}`,
  );
  const busy = results.filter(({ machine }) => machine.load > machine.cores / 2);
  const warning =
    busy.length === 0
      ? []
      : [
          `The machine was busy when these began: ${[...new Set(busy.map(({ suite }) => suite))].join(", ")}. That stretches times and delays; ratios suffer less.`,
        ];
  const summary = `${targets.length - missed.length} of ${targets.length} targets met`;
  return [summary, ...lines, ...warning].join("\n");
}

/** Missed targets, those of several places together, with what was measured in each place where it was missed. */
export function missedTargets(results) {
  const rows = new Map();
  for (const { suite, place, name, target } of targetsOf(results)) {
    if (target.met) continue;
    const what = `${name}: ${target.what}`;
    const key = JSON.stringify([suite, what]);
    const row = rows.get(key) ?? { suite, what, limit: showLimit(target), values: [] };
    row.values.push(`${showValue(target)}${place === null ? "" : ` on ${place.split(" ")[0]}`}`);
    rows.set(key, row);
  }
  return [...rows.values()];
}

function targetsOf(results) {
  return results.flatMap(({ suite, machine, measurements }) =>
    measurements.flatMap(({ name, targets }) =>
      targets.map((target) => ({ suite, place: placeOf(machine), name, target })),
    ),
  );
}

/** `ext4 (/tmp)`: two places may have the same file system. null: no file was made. */
function placeOf({ fileSystem, directory }) {
  return directory === undefined ? null : `${fileSystem} (${directory})`;
}

/** @param {import("./measure/figures.mjs").Target} target */
function showTarget(target) {
  const verdict = target.met ? "met" : "missed";
  return `${target.what}: ${showValue(target)} (target ${showLimit(target)}: ${verdict})`;
}

function showValue({ value, unit }) {
  return unit === "×" ? `${digits(value)}×` : show(value, unit);
}

function showLimit({ limit, bound, unit }) {
  const sign = bound === "at most" ? "≤" : "≥";
  return `${sign} ${unit === "×" ? `${limit}×` : show(limit, unit)}`;
}

/**
 * @param {number} value
 * @param {string} unit
 */
export function show(value, unit) {
  return unit === "" ? digits(value) : `${digits(value)} ${unit}`;
}

/** Three significant digits, never an exponent. */
export function digits(value) {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return Number(value.toPrecision(3)).toString();
}

function markdownTable(columns, rows) {
  const lines = [columns, columns.map((_, i) => (i === 0 ? "---" : "---:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function plainTable(columns, rows) {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  const pad = (cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  return lines.map((cells) => `  ${cells.map(pad).join("  ").trimEnd()}`).join("\n");
}
