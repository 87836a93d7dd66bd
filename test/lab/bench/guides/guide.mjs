/** One guide's text against the figures that it shows. Pure. */

const BLOCK = /<!-- figures: (\w+) -->\n([\s\S]*?)\n<!-- \/figures -->/gu;
/** Microseconds, ratios, "N times": limits and waits are in other units. */
const MEASURED = /\d[\d.,\u00A0\u202F]*\s?(?:µs\b|×|times (?:as|faster|the|plain))/gu;

/**
 * @param {string} text of a guide
 * @param {import("./figures.mjs").Figures} figures
 * @param {Record<string, (figures: import("./figures.mjs").Figures) => string>} tables
 * @returns {string} with the tables that the figures make, their columns not aligned
 */
export function withTables(text, figures, tables) {
  return text.replaceAll(BLOCK, (_, name) => {
    const made = tableOf(name, tables)(figures);
    return `<!-- figures: ${name} -->\n\n${made}\n\n<!-- /figures -->`;
  });
}

/**
 * @param {string} text
 * @param {import("./figures.mjs").Figures} figures
 * @returns {string[]} what of its figures was not measured, or is not measured any more
 */
export function complaintsAbout(text, figures, { tables, sentences, notMeasured }) {
  const complaints = [];
  let rest = text;
  for (const [block, name, shown] of text.matchAll(BLOCK)) {
    const made = tableOf(name, tables)(figures);
    if (plain(shown) !== plain(made)) complaints.push(`the table ${name} is stale`);
    rest = rest.replace(block, "");
  }
  rest = spaced(rest);
  for (const { says } of sentences) {
    const sentence = spaced(says(figures));
    if (!rest.includes(sentence)) complaints.push(`does not say: ${sentence}`);
    rest = rest.replaceAll(sentence, "");
  }
  for (const known of notMeasured) rest = rest.replaceAll(known, "");
  for (const { index } of rest.matchAll(MEASURED)) {
    const around = rest.slice(Math.max(0, index - 40), index + 40);
    complaints.push(`a figure that no results answer for: … ${around} …`);
  }
  return complaints;
}

function tableOf(name, tables) {
  if (Object.hasOwn(tables, name)) return tables[name];
  throw new Error(`no such table of figures: ${name}`);
}

const spaced = (text) => text.replaceAll(/\s+/gu, " ");

/** Cells without the formatter's padding. */
function plain(text) {
  return spaced(
    text
      .trim()
      .replaceAll(/ *\| */gu, "|")
      .replaceAll(/-+/gu, "-"),
  );
}
