// Runs a script of this repository as an ordinary user: `node test/lab/demo/as-nobody.mjs <script>`. Root becomes
// nobody, and works on a copy, because an ordinary user may not be able to reach this folder.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const NOBODY = 65_534;
const NEEDED = [
  "package.json",
  "build/modules",
  "dist",
  "build/Release/pidentity.node",
  "node_modules/node-gyp-build",
  "test/lab/demo",
];

const root = fileURLToPath(new URL("../../..", import.meta.url));
const script = process.argv[2] ?? "";
const isRoot = process.getuid?.() === 0;
const copy = mkdtempSync(join(tmpdir(), "pidentity-nobody-"));
try {
  chmodSync(copy, 0o755);
  for (const name of NEEDED) cpSync(join(root, name), join(copy, name), { recursive: true });
  const { status } = spawnSync(process.execPath, [join(copy, script)], {
    cwd: copy,
    stdio: "inherit",
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
