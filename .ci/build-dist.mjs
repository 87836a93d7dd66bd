// Compiles lib/ to dist/: `npm run build:ts`.
//
// Files in dist/ whose source is gone are removed afterwards: they would be published. (Emptying dist/ first
// would pull it away from whatever is running out of it.)
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { distFiles } from "./dist-files.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(ROOT, "tsconfig.json")], {
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

const expected = new Set(distFiles(ROOT));
const dist = join(ROOT, "dist");
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  const name = path.slice(ROOT.length + 1).replaceAll("\\", "/");
  if (entry.isFile() && !expected.has(name)) rmSync(path);
}
