/**
 * node test/lab/bench/guides/check.mjs [--write] [--results FILE]
 *
 * Whether the guides say what was measured last: test/lab/bench/results.json, which `npm run bench -- --json` keeps.
 * Tables between `<!-- figures: NAME -->` and `<!-- /figures -->` must be those of tables.mjs (`--write` puts them
 * there, for the formatter to align), the sentences of sentences.mjs must stand in their guides, and no other number may
 * have a benchmark's unit.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { figuresIn } from "./figures.mjs";
import { complaintsAbout, withTables } from "./guide.mjs";
import { NOT_MEASURED, SENTENCES } from "./sentences.mjs";
import { TABLES } from "./tables.mjs";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const { values: options } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    results: { type: "string", default: join(root, "test/lab/bench/results.json") },
  },
});

const figures = figuresIn(JSON.parse(readFileSync(options.results, "utf8")));
const { stdout } = spawnSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" });
// What was true of a version stays in the history.
const files = stdout.split("\n").filter((file) => file !== "" && file !== "CHANGELOG.md");
const known = { tables: TABLES, notMeasured: NOT_MEASURED };

const complaints = [];
for (const file of files) {
  const path = join(root, file);
  if (options.write) writeFileSync(path, withTables(readFileSync(path, "utf8"), figures, TABLES));
  const sentences = SENTENCES.filter((sentence) => sentence.file === file);
  complaints.push(
    ...complaintsAbout(readFileSync(path, "utf8"), figures, { ...known, sentences }).map(
      (complaint) => `${file}: ${complaint}`,
    ),
  );
}
for (const { file } of SENTENCES) {
  if (!files.includes(file)) complaints.push(`there is no guide ${file}`);
}
for (const complaint of complaints) console.error(complaint);
console.log(`${files.length} guides, ${complaints.length} stale or unknown figures`);
process.exitCode = complaints.length === 0 && files.length > 0 ? 0 : 1;
