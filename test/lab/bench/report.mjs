/** How results are shown: a table for people, Markdown for the README. */
import { machineLine } from "./measure/machine.mjs";

/**
 * @typedef {object} SuiteResult
 * @property {string} suite
 * @property {string} title
 * @property {ReturnType<typeof import("./measure/machine.mjs").describeMachine>} machine
 * @property {readonly string[]} notes how it was measured
 * @property {readonly import("./measure/figures.mjs").Measurement[]} measurements
 */

const COLUMNS = ["", "median", "p99", "ratio"];

/**
 * @param {SuiteResult} result
 * @param {{ markdown: boolean }} format
 */
export function showSuite({ title, machine, notes, measurements }, { markdown }) {
  const heading = markdown ? `### ${title}` : title;
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

/** @param {readonly SuiteResult[]} results */
export function showTargets(results) {
  const targets = results.flatMap(({ suite, measurements }) =>
    measurements.flatMap(({ name, targets: own }) =>
      own.map((target) => ({ suite, name, target })),
    ),
  );
  const missed = targets.filter(({ target }) => !target.met);
  const lines = missed.map(
    ({ suite, name, target }) => `- ${suite}: ${name}: ${showTarget(target)}`,
  );
  const busy = results.filter(({ machine }) => machine.load > machine.cores / 2);
  const warning =
    busy.length === 0
      ? []
      : [
          `The machine was busy when these began: ${busy.map(({ suite }) => suite).join(", ")}. That stretches times and delays; ratios suffer less.`,
        ];
  const summary = `${targets.length - missed.length} of ${targets.length} targets met`;
  return [summary, ...lines, ...warning].join("\n");
}

/** @param {import("./measure/figures.mjs").Target} target */
function showTarget({ what, value, limit, bound, unit, met }) {
  const shown = unit === "×" ? `${digits(value)}×` : show(value, unit);
  const sign = bound === "at most" ? "≤" : "≥";
  const allowed = unit === "×" ? `${limit}×` : `${limit} ${unit}`;
  return `${what}: ${shown} (target ${sign} ${allowed}: ${met ? "met" : "missed"})`;
}

/**
 * @param {number} value
 * @param {string} unit
 */
export function show(value, unit) {
  return unit === "" ? digits(value) : `${digits(value)} ${unit}`;
}

/** Three significant digits, never an exponent. */
function digits(value) {
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
