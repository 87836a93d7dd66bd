// npm runs this before it packs or publishes. What lacks dist/ or the binaries would install and then not work, so it
// is refused; package managers that install from git pack what they have cloned, and are told the same.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { PREBUILDS, thisTarget } from "./prebuilds.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const own = PREBUILDS.get(thisTarget());
const lacking = ["dist/index.js", own]
  .filter((path) => path !== undefined && !existsSync(join(root, path)))
  .join(" and ");
if (lacking !== "") {
  console.error(
    `pidentity cannot be packed without ${lacking}: "npm run build && npm run make:prebuild" makes them in a clone; ` +
      "to use the package install it from the registry, not from git.",
  );
  process.exitCode = 1;
}
