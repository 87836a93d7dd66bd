/** How a benchmark shows what it found: a table for people, Markdown for the README, JSON for programs. */
import { cpus, release, tmpdir } from "node:os";
import { parseArgs } from "node:util";

/**
 * @typedef {object} Report
 * @property {string} title
 * @property {readonly string[]} notes what was measured, and how
 * @property {readonly string[]} columns
 * @property {readonly (readonly string[])[]} rows
 * @property {unknown} figures everything measured, for `--json`
 */

/** @param {{ rounds: number }} defaults */
export function readArguments(defaults) {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      directory: { type: "string", default: tmpdir() },
      rounds: { type: "string", default: String(defaults.rounds) },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new RangeError(`--rounds must be an integer of 1 or more: ${values.rounds}`);
  }
  return { ...values, rounds };
}

export function machineLine() {
  const [cpu] = cpus();
  const model = cpu?.model.trim() ?? "unknown CPU";
  return `${model}, ${cpus().length} cores, ${process.platform} ${release()}, Node ${process.version}`;
}

/**
 * @param {Report} report
 * @param {{ json: boolean, markdown: boolean }} format
 */
export function printReport({ title, notes, columns, rows, figures }, { json, markdown }) {
  if (json) {
    console.log(JSON.stringify({ title, machine: machineLine(), notes, figures }, null, 2));
    return;
  }
  console.log(markdown ? `**${title}** (${machineLine()})\n` : `${title}\n${machineLine()}\n`);
  console.log(markdown ? markdownTable(columns, rows) : plainTable(columns, rows));
  console.log(`\n${notes.map((note) => (markdown ? `- ${note}` : note)).join("\n")}`);
}

/** @param {boolean | null} met null: there is no target */
export function verdict(met) {
  if (met === null) return "";
  return met ? "meets the target" : "misses the target";
}

function markdownTable(columns, rows) {
  const lines = [columns, columns.map((_, i) => (i === 0 ? "---" : "---:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function plainTable(columns, rows) {
  const lines = [columns, ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i].length)));
  const pad = (cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  return lines.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}
