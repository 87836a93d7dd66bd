// What the package consists of: declarations of every module, and code bundled into one file per entry
// and three that entries share. Finding and opening a file costs an import more than running it.
import { join } from "node:path";

import { filesIn } from "./files-in.mjs";

/** What users can name, without extensions: `exports` and `bin` of package.json. */
export const ENTRIES = [
  "index",
  "session-lock/index",
  "session-controller/index",
  "session-attention/index",
  "file-lock/index",
  "cli/main",
];

/**
 * The shared files, and whose modules go there as soon as two entries need them; the first one that claims a
 * module has it. A file imports only those before it. All lie two levels below the package root, as in lib/:
 * from there the addon is found (lib/native/load.ts).
 */
export const SHARED = [
  // session-controller and session-attention know no addon.
  { name: "shared/util", modules: /^util\//u },
  { name: "shared/process", modules: /^(?:native|process)\//u },
  { name: "shared/lock", modules: /^(?:lock|session-lock|util)\//u },
];

/** What belongs into dist/: paths in the package, `/` between folders. */
export function distFiles(root) {
  const declarations = filesIn(join(root, "lib"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replace(/\.ts$/u, ".d.ts"));
  const code = [...ENTRIES, ...SHARED.map(({ name }) => name)].map((name) => `${name}.js`);
  return [...declarations, ...code].map((name) => `dist/${name}`);
}
