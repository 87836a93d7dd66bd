const CELL = { width: 8.4, height: 18 };
const MARGIN = 16;
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
// A window of its own: its ground and its letters are the same on light and on dark pages.
const GROUND = "#0d1117";
const FRAME = "#3d444d";
const INK = {
  plain: "#e6edf3",
  dim: "#9198a1",
  red: "#ff7b72",
  green: "#3fb950",
  yellow: "#d29922",
};

/** Escape sequences for looks, by number: what they change. Those of `util.styleText`. */
const LOOKS = new Map([
  [0, { ink: "plain", bold: false }],
  [1, { bold: true }],
  [2, { ink: "dim" }],
  [22, { ink: "plain", bold: false }],
  [31, { ink: "red" }],
  [32, { ink: "green" }],
  [33, { ink: "yellow" }],
  [39, { ink: "plain" }],
]);

/**
 * What a program wrote to a terminal, as a picture. Every character takes one cell.
 *
 * @param {string} output lines with the escape sequences of `util.styleText`, and no others
 * @param {{ title: string }} options `title`: what it shows, for those who cannot see it
 * @throws for an escape sequence or a control character that it cannot draw
 */
export function terminalSvg(output, { title }) {
  const lines = output.replaceAll("\r\n", "\n").trimEnd().split("\n").map(readLine);
  const cells = Math.max(
    ...lines.map((runs) => runs.reduce((sum, { text }) => sum + text.length, 0)),
  );
  const width = Math.ceil(cells * CELL.width + 2 * MARGIN);
  const height = lines.length * CELL.height + 2 * MARGIN;
  const body = lines.flatMap((runs, index) =>
    drawLine(runs, MARGIN + (index + 0.75) * CELL.height),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(title)}">
<title>${escapeXml(title)}</title>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${GROUND}" stroke="${FRAME}"/>
<g font-family="${FONT}" font-size="14" xml:space="preserve">
${body.join("\n")}
</g>
</svg>
`;
}

/** A line as runs of one look each. */
function readLine(line) {
  const look = { ink: "plain", bold: false };
  const runs = [];
  // eslint-disable-next-line no-control-regex
  for (const part of line.split(/(\u001B\[[\d;]*m)/u)) {
    // eslint-disable-next-line no-control-regex
    const codes = /^\u001B\[([\d;]*)m$/u.exec(part)?.[1];
    if (codes === undefined) {
      if (/[\p{Cc}]/u.test(part)) throw new Error(`cannot draw: ${JSON.stringify(part)}`);
      if (part !== "") runs.push({ ...look, text: part });
      continue;
    }
    for (const code of codes.split(";")) {
      const change = LOOKS.get(Number(code));
      if (change === undefined) throw new Error(`cannot draw the escape sequence: ${code}`);
      Object.assign(look, change);
    }
  }
  return runs;
}

function drawLine(runs, y) {
  let column = 0;
  return runs.flatMap(({ text, ink, bold }) => {
    const start = column + (text.length - text.trimStart().length);
    const shown = text.trim();
    column += text.length;
    if (shown === "") return [];
    // The grid holds whatever font there is.
    const place = `x="${round(MARGIN + start * CELL.width)}" y="${round(y)}" textLength="${round(shown.length * CELL.width)}"`;
    const weight = bold ? ' font-weight="bold"' : "";
    return [`<text ${place} fill="${INK[ink]}"${weight}>${escapeXml(shown)}</text>`];
  });
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function escapeXml(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
