// What can be said of the sources without running them: `npm run check [-- part…]`, all parts by default.
//
// Closes with the parts that have failed, if any; each prints what it has to say.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const PARTS = {
  // The types of what is published are among what is checked.
  build: ["npm run --silent build:ts"],
  format: [
    "npx oxfmt --check .",
    "npx clang-format --dry-run -Werror $(git ls-files '*.cc' '*.h' '*.c')",
  ],
  lint: ["npx oxlint --type-aware"],
  types: ["npx tsc -p tsconfig.json --noEmit", "npx tsc -p test/tsconfig.json"],
  unused: ["npx knip"],
  figures: ["node test/lab/bench/guides/check.mjs"],
  workflows: ["node .ci/check-workflows.mjs"],
  package: ["node .ci/check-package.mjs"],
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => PARTS[name] === undefined);
if (unknown !== undefined) {
  console.error(`part must be one of ${Object.keys(PARTS).join(", ")}: ${unknown}`);
  process.exit(2);
}

function passes(command) {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  return spawnSync(command, { cwd, shell: true, stdio: "inherit" }).status === 0;
}

const parts = Object.keys(PARTS).filter((name) => wanted.length === 0 || wanted.includes(name));
const failed = parts.filter((name) => !PARTS[name].every((command) => passes(command)));
if (failed.length > 0) console.error(`failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
