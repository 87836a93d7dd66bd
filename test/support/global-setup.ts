/** Runs once before all tests: what their child processes execute is built and up to date. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { compilePrograms, ROOT } from "./processes/programs.js";

export default function setup(): void {
  compilePrograms();
  buildDist();
}

/** Child processes load dist/ and build/modules/: plain Node cannot load TypeScript. */
function buildDist(): void {
  const changed = newest(join(ROOT, "lib"));
  const built = ["build/modules/index.js", "dist/index.js"].map((name) => join(ROOT, name));
  if (built.every((file) => existsSync(file) && statSync(file).mtimeMs >= changed)) return;
  // No type check: that is a lane of its own.
  const args = [join(ROOT, ".ci/build-dist.mjs"), "--no-check"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot build dist/: ${stdout}${stderr}`);
}

function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(...files.map((file) => statSync(join(folder, file)).mtimeMs));
}
