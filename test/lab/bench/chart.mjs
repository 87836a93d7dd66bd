/**
 * node chart.mjs <results.json> <chart.svg>
 *
 * The main comparisons as one picture for the README: horizontal bars, one group per comparison and place, each on a
 * scale of its own. No dependencies. The colours follow the reader's light or dark theme.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";
import { pathToFileURL } from "node:url";

/** What the chart shows, in this order, as far as it was measured. */
const GROUPS = [
  {
    suite: "process",
    measurement: "200 processes at once, with arguments",
    title: "Command lines of 200 processes",
    sides: ["pidentity", "fs.readFile on /proc", "one ps for all"],
  },
  {
    suite: "sweep",
    measurement: "10 000 locks, none stale",
    title: "Sweep of 10 000 lock files, none stale",
    sides: ["pidentity", "bare loop", "one await per lock"],
  },
  {
    suite: "sweep",
    measurement: "10 000 locks, all stale",
    title: "Sweep of 10 000 lock files, all stale and removed",
    sides: ["pidentity", "one await per lock"],
  },
  {
    suite: "lock",
    measurement: "acquire and release, free",
    title: "Acquire and release a free lock",
    sides: ["pidentity", "plain sync", "lockfile", "plain promises", "proper-lockfile"],
  },
  {
    suite: "lock",
    measurement: "acquire and release, free, on Node 22",
    title: "Acquire and release a free lock, on Node 22",
    sides: ["pidentity", "@openclaw/fs-safe"],
  },
];

const WIDTH = 760;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 90;
const BAR_HEIGHT = 16;
const ROW = 24;
const TITLE_ROW = 34;
const MARGIN = 16;

// GitHub's own text and accent colours, in both themes.
const STYLE = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
    .title { font-weight: 600; }
    .note { font-size: 11px; fill: #59636e; }
    .other { fill: #afb8c1; }
    .ours { fill: #0969da; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .other { fill: #656c76; }
      .ours { fill: #4493f8; }
    }`;

/**
 * @param {readonly Pick<import("./report.mjs").SuiteResult, "suite" | "machine" | "measurements">[]} results
 * @returns {string} an SVG document
 */
export function drawChart(results) {
  const groups = GROUPS.flatMap((group) => barsAtEachPlace(group, results));
  if (groups.length === 0) throw new Error("nothing of what the chart shows was measured");
  const parts = [];
  let y = MARGIN;
  for (const { title, bars } of groups) {
    parts.push(text(MARGIN, y + 16, title, "title"));
    y += TITLE_ROW;
    const longest = Math.max(...bars.map(({ value }) => value));
    for (const bar of bars) {
      parts.push(...drawBar(bar, y, bar.value / longest));
      y += ROW;
    }
    y += 8;
  }
  const { cpu, kernel, node } = results[0].machine;
  const where = fileSystems(results);
  const machine = `${cpu}, ${kernel}, Node ${node}${where === "" ? "" : `; ${where}`}`;
  const note = `Medians, shorter is better. ${machine}`;
  parts.push(text(MARGIN, y + 14, note, "note"));
  const height = y + 14 + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="chart-title">
  <title id="chart-title">${escape(groups.map(summary).join(". "))}</title>
  <style>${STYLE}
  </style>
${parts.map((part) => `  ${part}`).join("\n")}
</svg>
`;
}

/** Where files were made: `lock on ext4, sweep on ext4 and tmpfs`; empty when none were. */
function fileSystems(results) {
  const suites = [...new Set(results.map(({ suite }) => suite))];
  return suites
    .map((name) => ({ name, kinds: fileSystemsOf(name, results) }))
    .filter(({ kinds }) => kinds.length > 0)
    .map(({ name, kinds }) => `${name} on ${kinds.join(" and ")}`)
    .join(", ");
}

function fileSystemsOf(suite, results) {
  const own = results.filter((result) => result.suite === suite);
  return [...new Set(own.map(({ machine }) => machine.fileSystem))].filter((kind) => kind != null);
}

/** A group for each place where it was measured, each named by its file system when there are several. */
function barsAtEachPlace(group, results) {
  const own = results.filter(({ suite }) => suite === group.suite);
  return own.flatMap(({ machine, measurements }) => {
    const place = own.length > 1 ? `, on ${machine.fileSystem}` : "";
    return barsOf(group, measurements).map(({ bars }) => ({ title: group.title + place, bars }));
  });
}

/** An empty list when it was not measured. */
function barsOf({ measurement, sides }, measurements) {
  const found = measurements.find(({ name }) => name === measurement);
  const bars = sides.flatMap((name) => {
    const side = found?.sides.find((one) => one.name === name);
    return side === undefined ? [] : [{ name, value: side.median, unit: found.unit }];
  });
  return bars.length < 2 ? [] : [{ bars }];
}

/** For whoever cannot see it. */
function summary({ title, bars }) {
  return `${title}: ${bars.map(({ name, value, unit }) => `${name} ${show(value, unit)}`).join(", ")}`;
}

function drawBar({ name, value, unit }, y, share) {
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH - 2 * MARGIN;
  // What is too short to be seen still is there.
  const width = Math.max(2, Math.round(share * room));
  const x = MARGIN + LABEL_WIDTH;
  const kind = name === "pidentity" ? "ours" : "other";
  return [
    text(MARGIN, y + 13, name),
    `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="3"/>`,
    text(x + width + 8, y + 13, show(value, unit)),
  ];
}

/** Microseconds and milliseconds in the unit that reads best. */
function show(value, unit) {
  const [shown, name] = unit === "µs" && value >= 1000 ? [value / 1000, "ms"] : [value, unit];
  const digits = shown >= 100 ? String(Math.round(shown)) : String(Number(shown.toPrecision(2)));
  return `${digits} ${name}`;
}

function text(x, y, content, kind) {
  const attribute = kind === undefined ? "" : ` class="${kind}"`;
  return `<text${attribute} x="${x}" y="${y}">${escape(content)}</text>`;
}

function escape(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  const [, , from, to] = argv;
  writeFileSync(to, drawChart(JSON.parse(readFileSync(from, "utf8"))));
}
